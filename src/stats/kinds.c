#include "stats/kinds.h"

/* From the table itself: nothing of the daemon's is linked for it. */
static const struct {
	const char *name, *meaning;
} verdicts[VERDICT_COUNT] = {
#define X(id, name, level, meaning) {name, meaning},
    VERDICTS(X)
#undef X
};

const char *stats_verdict_name(enum verdict v)
{
	return verdicts[v].name;
}

const char *stats_verdict_meaning(enum verdict v)
{
	return verdicts[v].meaning;
}

enum stats_kind stats_kind_of(enum verdict v)
{
	switch (v) {
	case VERDICT_GRANTED:
		return STATS_GRANTED;
	case VERDICT_HANDED_ON:
	case VERDICT_WRONG_SIGNER: /* of a guess: every key is tried then */
	case VERDICT_ASKED:
		return STATS_ON_THE_WAY;
	case VERDICT_BAD_SIZE:
	case VERDICT_BAD_VERSION:
	case VERDICT_MALFORMED:
	case VERDICT_UNTAGGED:
	case VERDICT_BAD_KEY:
	case VERDICT_BAD_SEAL:
		return STATS_JUNK;
	case VERDICT_UNKNOWN_SIGNER:
		return STATS_STRANGER;
	case VERDICT_BUSY:
		return STATS_NO_TIME;
	case VERDICT_STALE:
	case VERDICT_REPLAYED:
	case VERDICT_NOT_REMEMBERED:
	case VERDICT_TOO_MANY_AHEAD:
	case VERDICT_BAD_CONTENTS:
	case VERDICT_REVOKED:
	case VERDICT_EXPIRED:
	case VERDICT_WILDCARD_REFUSED:
	case VERDICT_WRONG_SERVER:
	case VERDICT_TARGET_REFUSED:
	case VERDICT_NO_PORTS:
	case VERDICT_OVER_QUOTA:
	case VERDICT_NOT_AUTHORIZED:
		return STATS_CLIENT;
	case VERDICT_NO_MEMORY:
	case VERDICT_PROGRAM_FAILED:
	case VERDICT_FIREWALL_FAILED:
	case VERDICT_COUNT:
		break;
	}
	return STATS_FAULT;
}
