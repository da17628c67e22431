/* A datagram out of a file: its bytes alone, or a capture as tcpdump writes it (pcap and pcapng;
 * Ethernet, Linux cooked or raw IP). */
#ifndef MAIN_CAPTURE_H
#define MAIN_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct captured {
	uint32_t number; /* which packet of the capture, from 1; 0: no capture, bytes alone */
	struct addr source;
	struct addr destination;
	uint16_t source_port;
	uint16_t port; /* that it was sent to */
	bool has_time;
	int64_t time_ns;      /* when it was captured, since the Unix epoch */
	const uint8_t *bytes; /* of the datagram, inside `file` */
	size_t size;
};

/* Finds the datagram in a file of `size` bytes: packet `number` of a capture, or, with 0, the first
 * one to one of the two ports; a file that is no capture is one datagram. NULL when it was found,
 * else what is wrong, to follow the file's name. */
const char *capture_find(struct captured *out, const void *file, size_t size, uint32_t number,
    const uint16_t ports[static 2]);

#endif
