/* How a verdict becomes known: counted always, logged by its level, at most so often: by kind, for
 * one client at one address, and in all. What is left out is counted in the next line of its kind.
 */
#ifndef PROC_REPORT_H
#define PROC_REPORT_H

#include "admit/admit.h"
#include "base/rate.h"
#include "base/uuid.h"
#include "proc/counters.h"

#define REPORT_PAIRS       256
#define REPORT_COUNT_BYTES 24

/* Whoever was granted something lately, and for which address. */
struct report_pair {
	uint32_t holder;
	struct addr target;
	struct rate lines;
};

struct report {
	struct counters *counters;
	struct rate rates[VERDICT_COUNT];
	uint64_t suppressed[VERDICT_COUNT];
	struct rate ended;
	uint64_t ended_suppressed;
	struct rate all; /* of every kind but errors */
	struct report_pair pairs[REPORT_PAIRS];
};

void report_init(struct report *r, struct counters *counters);
/* `s` names the client of `k`, when it is known; `now_ns` is CLOCK_REALTIME. */
void report_verdict(struct report *r, enum verdict v, const struct knock *k,
    const struct snapshot *s, int64_t now_ns);
/* The name of the client or device of `k`, where its signature was verified; else "-": before that
 * it is a guess. `uuid` is room for one. */
const char *report_client(
    const struct knock *k, const struct snapshot *s, char uuid[static UUID_TEXT_BYTES]);
/* Whether the end of a grant gets a line, in which `suppressed` says how many did not. */
bool report_ended(struct report *r, char suppressed[static REPORT_COUNT_BYTES]);

#endif
