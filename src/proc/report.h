/* How a verdict becomes known: counted always, logged by its level, at most so often. */
#ifndef PROC_REPORT_H
#define PROC_REPORT_H

#include "admit/admit.h"
#include "base/rate.h"
#include "proc/counters.h"

struct report {
	struct counters *counters;
	struct rate rates[VERDICT_COUNT];
	uint64_t suppressed[VERDICT_COUNT];
};

void report_init(struct report *r, struct counters *counters);
/* `s` names the client of `k`, when it is known; `now_ns` is CLOCK_REALTIME. */
void report_verdict(struct report *r, enum verdict v, const struct knock *k,
    const struct snapshot *s, int64_t now_ns);

#endif
