/* A captured IP packet, taken apart: any bytes may stand in it. */
#ifndef INTAKE_FRAME_H
#define INTAKE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define UDP_HEADER_BYTES 8

struct datagram {
	struct addr source;
	struct addr destination;
	uint16_t source_port;
	uint16_t port;        /* that it was sent to */
	const uint8_t *bytes; /* inside the packet, behind its UDP header */
	size_t size;
};

enum frame_kind {
	FRAME_DATAGRAM,
	FRAME_CUT,  /* a UDP datagram that is not there to its end */
	FRAME_OTHER /* no UDP over IPv4 or IPv6, a fragment, or lengths that do not fit */
};

/* `packet` begins at its IP header; what follows the datagram is left. *out is zeroed where a part
 * was not found. */
enum frame_kind frame_read(struct datagram *out, const void *packet, size_t size);

/* Whether the checksums of a packet that was read are right: that of IPv4, and, with `udp`, that of
 * UDP, which over IPv4 may be left out. For damage on the way, not against a forger. */
bool frame_is_intact(const struct datagram *d, const void *packet, bool udp);
/* The same of UDP alone, whose header stands before d->bytes. A sum of the addresses alone will do:
 * what never was on a wire, from this machine or another guest of its host, has that, for a device
 * to go on with. */
bool frame_udp_is_intact(const struct datagram *d);

#endif
