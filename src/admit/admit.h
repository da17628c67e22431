/* Admission: the way of a knock from datagram to verdict. Two processes run it, each its own part,
 * and the keeper repeats what the doorman has done. The order of the checks, with the reason for
 * each, stands in admit() and nowhere else. */
#ifndef ADMIT_ADMIT_H
#define ADMIT_ADMIT_H

#include "admit/budget.h"
#include "admit/codec.h"
#include "admit/replay.h"
#include "admit/verdict.h"
#include "client/directory.h"
#include "grant/ledger.h"

enum admit_side { ADMIT_DOORMAN, ADMIT_KEEPER };

/* A packet on its way. */
struct knock {
	struct codec_packet packet;
	uint32_t holder; /* whose it is, or DIRECTORY_NOBODY: not known yet */
	/* once granted */
	struct addr target;  /* to open for */
	int64_t duration_ns; /* for how long */
};

/* What a process admits with. */
struct admission {
	enum admit_side side;
	const struct snapshot *config;
	const struct codec_secrets *secrets; /* doorman */
	struct budget *budget;               /* doorman */
	const struct directory *directory;   /* doorman */
	struct replay *replay;               /* keeper: one for each holder */
	const struct ledger *ledger;         /* keeper */
	int64_t now_ns;                      /* keeper: CLOCK_REALTIME, read once for each packet */
};

/* Doorman: VERDICT_HANDED_ON with knock->holder as the guess (or DIRECTORY_NOBODY: every key has
 * to be tried), else a refusal. Keeper: VERDICT_GRANTED with knock->target and duration_ns set and
 * the packet remembered, else a refusal; VERDICT_WRONG_SIGNER when knock->holder did not sign it.
 */
enum verdict admit(const struct admission *a, struct knock *k);

#endif
