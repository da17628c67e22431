/* How much private-key work strangers may make the doorman do. A request costs its sender nothing
 * to make up and us an RSA operation (0.2 ms) to refuse: so there is a budget for all, and one for
 * each source (a whole IPv6 /64 counts as one), and what exceeds it is dropped unread. */
#ifndef ADMIT_BUDGET_H
#define ADMIT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/rate.h"

#define BUDGET_SOURCES 1024 /* slots; sources that share one share its budget */

struct budget {
	struct rate all;
	struct rate sources[BUDGET_SOURCES];
	uint8_t hash_key[16];
};

void budget_init(struct budget *b);
/* Takes one operation for `source`; `now_ns` is CLOCK_BOOTTIME. */
bool budget_take(struct budget *b, const struct addr *source, int64_t now_ns);

#endif
