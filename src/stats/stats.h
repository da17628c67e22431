/* What a running daemon counts and how it is, as it tells by its control socket, and its two forms:
 * for people, and Prometheus text. No address, name or key is in it. */
#ifndef STATS_STATS_H
#define STATS_STATS_H

#include <stdio.h>

#include "ctl/ctl_client.h"

#define STATS_MOST            256 /* more than any daemon tells */
#define STATS_COMPLAINTS_MOST 8

/* Filled by stats_ask. What a daemon of another version does not tell is not there. */
struct stats {
	bool up;          /* the daemon has answered; otherwise nothing else is set */
	int64_t asked_ns; /* CLOCK_BOOTTIME, when it was asked */
	size_t count;     /* of values, at most STATS_MOST */
	/* No name twice, and none but of letters, digits and _ - . + ~ */
	struct control_stat values[STATS_MOST];
};

/* Asks the daemon that listens at `control` (a path) for all it counts, and waits for the answer no
 * longer than `timeout_ns`. *s is filled in any case, with `up` false for anything but CTL_DONE.
 * *error is written only with CTL_REFUSED. Nothing is to be freed. */
enum ctl_result stats_ask(
    const char *control, int64_t timeout_ns, struct stats *s, struct control_error *error);

/* What was told under that name (ctl/stat.h, admit/verdict.h). NULL, or 0, when it was not told. */
const struct control_stat *stats_find(const struct stats *s, const char *name);
uint64_t stats_value(const struct stats *s, const char *name);
/* Sums over all verdicts: knocks granted, and datagrams refused by whomever. */
uint64_t stats_granted(const struct stats *s);
uint64_t stats_refused(const struct stats *s);

/* What is wrong with a daemon that has answered, a sentence each without its full stop, which live
 * for ever. Returns how many; 0: it is well. */
size_t stats_complaints(const struct stats *s, const char *out[static STATS_COMPLAINTS_MOST]);
bool stats_healthy(const struct stats *s);

/* Writes them in the Prometheus text format (version 0.0.4), whole; `postern_up 0` alone when the
 * daemon has not answered. Whether all was written is ferror()'s to tell. */
void stats_print_prometheus(FILE *to, const struct stats *s);
/* Writes them for people, with a judgement first: is somebody attacking, and are clients served?
 * `before` is what was asked earlier of the same daemon, for rates since then; NULL: since its
 * start. Lines have at most 80 columns. */
void stats_print(FILE *to, const struct stats *s, const struct stats *before);

#endif
