/* Inside src/stats only: verdicts by what they say about who has sent the datagram. */
#ifndef STATS_KINDS_H
#define STATS_KINDS_H

#include "admit/verdict.h"
#include "stats/stats.h"

enum stats_kind {
	STATS_GRANTED,
	STATS_ON_THE_WAY, /* judged again behind it: no outcome */
	/* refused */
	STATS_JUNK,
	STATS_STRANGER,
	STATS_NO_TIME,
	STATS_CLIENT,
	STATS_FAULT,
	STATS_KINDS
};

enum stats_kind stats_kind_of(enum verdict v);
const char *stats_verdict_name(enum verdict v);
const char *stats_verdict_meaning(enum verdict v);

/* Sum of the verdicts of a kind. */
uint64_t stats_of_kind(const struct stats *s, enum stats_kind kind);

#endif
