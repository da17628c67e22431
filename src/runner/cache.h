/* What the user directory said lately: of few devices that it knows, and of the last ones that it
 * does not, so that asking again and again about the same ones starts nothing. */
#ifndef RUNNER_CACHE_H
#define RUNNER_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "proc/program.h"

#define RUNNER_CACHE_NS      (10 * 1000000000LL) /* how long an answer counts */
#define RUNNER_CACHE_KNOWN   256
#define RUNNER_CACHE_UNKNOWN 1024

struct runner_cache_entry {
	uint8_t device[DEVICE_UUID_BYTES];
	int64_t until_ns; /* 0: free */
};

/* Apart, so that unknown devices, which anybody can make up, never push out known ones. All
 * zeros: empty. */
struct runner_cache {
	struct runner_cache_entry known[RUNNER_CACHE_KNOWN];
	struct runner_cache_entry unknown[RUNNER_CACHE_UNKNOWN];
	struct runner_reply replies[RUNNER_CACHE_KNOWN];
};

/* The answer about a device, without ticket; false: not known. Time from the caller,
 * CLOCK_BOOTTIME. */
bool runner_cache_find(const struct runner_cache *c, struct runner_reply *out,
    const uint8_t device[static DEVICE_UUID_BYTES], int64_t now_ns);
/* Keeps a reply to RUNNER_PUBLIC_KEY that is RUNNER_DONE or RUNNER_REFUSED, in place of the oldest;
 * others say nothing about the device and are not kept. */
void runner_cache_keep(struct runner_cache *c, const struct runner_reply *reply,
    const uint8_t device[static DEVICE_UUID_BYTES], int64_t now_ns);

#endif
