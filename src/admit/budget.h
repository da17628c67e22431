/* How much private-key work strangers may make the doorman do. A request costs its sender nothing
 * to make up and us an RSA operation to refuse: so there is a budget of processor time for all,
 * and a number of operations for each source (a whole IPv6 /64 counts as one), and what exceeds
 * one of them is dropped unread. A part is kept for sources that were granted something lately. */
#ifndef ADMIT_BUDGET_H
#define ADMIT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/rate.h"

#define BUDGET_SOURCES 1024 /* slots; sources that share one share its budget */
#define BUDGET_LATELY  (86400 * NS_PER_SECOND)

/* Processor time that comes in by the clock: so the same budget is right for a fast machine and
 * for a slow one. */
struct budget_time {
	int64_t left_ns; /* below 0: more was spent than there was */
	int64_t most_ns; /* that can be saved up */
	int64_t last_ns;
	int32_t per_mille; /* of one processor */
};

/* The latest to be granted something, of those that share a slot. */
struct budget_granted {
	uint64_t source; /* keyed hash */
	int64_t until_ns;
	struct rate own; /* in place of the slot's, which strangers share */
};

struct budget {
	struct budget_time all;
	struct budget_time kept; /* for those who were granted something lately */
	struct rate sources[BUDGET_SOURCES];
	struct budget_granted granted[BUDGET_SOURCES];
	uint8_t hash_key[16];
};

void budget_init(struct budget *b);
void budget_grant(struct budget *b, const struct addr *source, int64_t now_ns);
/* Whether a source was granted something lately. */
bool budget_knows(const struct budget *b, const struct addr *source, int64_t now_ns);
/* Whether `source` may have one operation; `now_ns` is CLOCK_BOOTTIME. Who has had it says what it
 * took, and gives back what came of this. NULL: it may not. */
struct budget_time *budget_take(struct budget *b, const struct addr *source, int64_t now_ns);
void budget_spend(struct budget_time *t, int64_t took_ns);

#endif
