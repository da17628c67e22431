/* A datagram and where it came from, in one piece from the receive call to the verdict: the two
 * can never be mixed up with another packet's. */
#ifndef INTAKE_RECORD_H
#define INTAKE_RECORD_H

#include <stdint.h>

#include "base/addr.h"

#define RECORD_BYTES_MAX 610 /* the longest datagram of any protocol we speak */

enum record_protocol { RECORD_OPENME, RECORD_OPENSPA, RECORD_PROTOCOLS };

struct record {
	struct addr source;
	struct addr local; /* that it was sent to; where an answer comes from */
	uint16_t slot;     /* where it is held (intake/held.h) */
	uint8_t protocol;  /* enum record_protocol: by the socket that it came to */
	uint8_t doorman;   /* number of the one that has it: the keeper's note */
	uint16_t source_port;
	uint16_t size;      /* RECORD_BYTES_MAX + 1: longer than any */
	int64_t arrived_ns; /* CLOCK_BOOTTIME; to be counted, and nothing hangs on it */
	uint8_t bytes[RECORD_BYTES_MAX];
};

#endif
