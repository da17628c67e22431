/* Frames with a knock in them, of every kind that the shield at the device meets. */
#ifndef UNIT_FRAMES_H
#define UNIT_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/shield.h"

#define FRAME_BYTES      1514
#define FRAME_PORT       54154
#define FRAME_OURS_FOUR  "192.0.2.1"
#define FRAME_OURS_SIX   "2001:db8::1"
#define FRAME_OTHERS     "192.0.2.99"
#define FRAME_EXTENSIONS 8

/* All zeros: untagged Ethernet, IPv4 without options, one whole datagram to the knock port. */
struct frame_kind {
	const char *from, *to; /* NULL: 198.51.100.7 or 2001:db8:7::7 to ours */
	bool six;
	int vlan_tags;
	uint16_t outer;            /* EtherType of the outer tag; 0: 0x8100 */
	uint16_t vlan;             /* number of each; 0: 5 */
	bool priority_tag;         /* number 0 */
	int option_words;          /* IPv4 */
	uint16_t fragment;         /* IPv4's field, host order */
	const uint8_t *extensions; /* IPv6 header numbers, closed by 0xff */
	uint8_t extension_units;   /* length of each, in further units of 8 bytes */
	uint8_t protocol;          /* 0: UDP */
	uint16_t wrong_sum;        /* bits of IPv4's checksum that are wrong */
	uint16_t port;             /* 0: FRAME_PORT */
	size_t udp_bytes;          /* what UDP's header says; 0: as it is */
	bool udp_sum;              /* with UDP's checksum */
	size_t padding;            /* behind the datagram */
	const uint8_t *payload;
	size_t payload_bytes;
};

/* Returns the size of the frame. */
size_t frame_build(uint8_t frame[static FRAME_BYTES], const struct frame_kind *kind);

/* A well-formed packet: nobody's, but nobody can tell without a key. With the tag of `secret` for
 * that time, or none (NULL). */
void frame_knock(
    uint8_t packet[static SHIELD_PACKET_BYTES], const uint8_t *secret, int64_t real_ns);

#endif
