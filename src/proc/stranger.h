/* What main is told of refused senders that are not known, for the audit log. Anybody can cause
 * such refusals, as many as the line holds: beyond its limits one costs a look at a counter, reads
 * no clock, and is counted. Nothing waits for main. */
#ifndef PROC_STRANGER_H
#define PROC_STRANGER_H

#include "admit/admit.h"
#include "base/rate.h"
#include "proc/channel.h"

#define STRANGER_SOURCES 256

/* Of these: whoever has a profile and is refused all the same asks why. What no client sends is
 * counted, and no more. */
#define STRANGER_VERDICTS(X) \
	X(UNTAGGED)          \
	X(BAD_KEY)           \
	X(BAD_SEAL)          \
	X(UNKNOWN_SIGNER)    \
	X(BUSY)              \
	X(STALE)             \
	X(PROGRAM_FAILED)    \
	X(NOT_AUTHORIZED)

bool stranger_is_told_of(enum verdict v);

struct stranger_source {
	struct addr source;
	enum verdict verdict;
	struct rate rate;
};

struct strangers {
	const struct channel *main;
	enum message_type type;
	struct rate rates[VERDICT_COUNT];
	struct stranger_source sources[STRANGER_SOURCES];
	uint64_t left_out; /* since the last one that was told */
};

/* `main` has to live as long; `type` is the message of this process (proc/message.h). */
void strangers_init(struct strangers *s, const struct channel *main, enum message_type type);
/* `k` was refused and its sender is not known. `now_ns` is CLOCK_REALTIME, which may jump: then
 * more or fewer are told for a moment. */
void strangers_tell(struct strangers *s, enum verdict v, const struct knock *k, int64_t now_ns);
/* At the end: tells how many were left out, if any. */
void strangers_close(struct strangers *s);

#endif
