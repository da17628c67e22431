/* What the XDP program (bpf/shield.bpf.c) hands to a doorman by its BPF ring buffer. */
#ifndef INTAKE_RING_KNOCK_H
#define INTAKE_RING_KNOCK_H

#include <stdint.h>

#define RING_BYTES          (1U << 20) /* some thousands of knocks */
#define RING_DATAGRAM_BYTES 173

struct ring_knock {
	uint64_t from[2], to[2];               /* in the order of the network; IPv4 mapped */
	uint8_t datagram[RING_DATAGRAM_BYTES]; /* with its UDP header */
	uint8_t unused[3];
};

#endif
