/* A token bucket. Time comes from the caller (CLOCK_BOOTTIME, ns). */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	int64_t interval_ns; /* one token per interval */
	uint32_t burst;      /* tokens that can be saved up */
	uint32_t tokens;
	int64_t last_ns;
};

struct rate rate_of(uint32_t per_second, uint32_t burst);
/* Takes a token; false when there is none. */
bool rate_take(struct rate *r, int64_t now_ns);

#endif
