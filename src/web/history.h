/* What was counted over the last hour: what the daemon tells every few seconds, in a ring of fixed
 * size. */
#ifndef WEB_HISTORY_H
#define WEB_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admit/verdict.h"
#include "base/clock.h"

struct stats;

#define HISTORY_STEP_NS (10 * NS_PER_SECOND)
#define HISTORY_MINUTES 60
#define HISTORY_SAMPLES (HISTORY_MINUTES * 6 + 1)
#define HISTORY_MINUTE  (60 * NS_PER_SECOND)
#define HISTORY_UNKNOWN UINT64_MAX

/* What an outcome is to who looks: let in, refused to somebody who had a seal or a key of ours, or
 * noise, which is refused before. */
enum history_kind { HISTORY_GRANTED, HISTORY_REFUSED, HISTORY_NOISE, HISTORY_KINDS, HISTORY_OTHER };

struct history_sample {
	int64_t at_ns; /* CLOCK_BOOTTIME */
	uint64_t verdicts[VERDICT_COUNT];
};

struct history {
	struct history_sample samples[HISTORY_SAMPLES];
	size_t count;
	size_t next; /* place of the one that comes */
};

/* What happened in each of the last HISTORY_MINUTES minutes, the latest last; HISTORY_UNKNOWN where
 * nothing is known of the whole minute. */
struct history_minutes {
	uint64_t counts[HISTORY_KINDS][HISTORY_MINUTES];
	uint64_t verdicts[VERDICT_COUNT]; /* in all of the hour */
};

/* HISTORY_OTHER: no outcome, but a step on the way to one. */
enum history_kind history_kind_of(enum verdict v);
/* Takes what was told, if the daemon has answered; the oldest is forgotten. */
void history_add(struct history *h, const struct stats *s);
/* `now_ns`: CLOCK_BOOTTIME. Counters that have become less are those of a daemon started anew. */
void history_minutes(const struct history *h, int64_t now_ns, struct history_minutes *out);

#endif
