/* A packet as the keeper treats it, from the replay guard's first question to the end. */
#ifndef TESTS_UNIT_REPLAY_ADMIT_H
#define TESTS_UNIT_REPLAY_ADMIT_H

#include "admit/replay.h"

/* As replay_remember, and in force. */
static inline enum verdict replay_grant(
    struct replay *r, const struct replay_packet *p, int64_t now_ns)
{
	int64_t until_ns = INT64_MAX;
	enum verdict v = replay_remember(r, p, now_ns, &until_ns);

	replay_settle(r);
	return v;
}

static inline enum verdict replay_admit(
    struct replay *r, const struct replay_packet *p, int64_t now_ns)
{
	enum verdict v = replay_check(r, p, now_ns);

	return v == VERDICT_PASS ? replay_grant(r, p, now_ns) : v;
}

#endif
