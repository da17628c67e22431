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
#include "grant/grant_table.h"

enum admit_side { ADMIT_DOORMAN, ADMIT_KEEPER };

/* What the configuration leaves to programs of the administrator's: asked one after the other,
 * each at its place in the order of checks. */
enum question { QUESTION_NONE, QUESTION_KEY, QUESTION_DURATION };

struct program_result {
	bool has_key;
	struct rsa_public key;
	uint16_t duration_s; /* 0: not asked yet */
};

/* What is looked at, in the order of admit(), and how it is called. */
#define CHECKS(X)                 \
	X(SIZE, "size")           \
	X(VERSION, "version")     \
	X(FORM, "form")           \
	X(KEY, "key")             \
	X(SEAL, "seal")           \
	X(DEVICE, "device")       \
	X(SIGNATURE, "signature") \
	X(TIME, "time")           \
	X(REPLAY, "replay")       \
	X(CONTENTS, "contents")   \
	X(SERVER, "server")       \
	X(REVOKED, "revoked")     \
	X(EXPIRY, "expiry")       \
	X(PORTS, "ports")         \
	X(TARGET, "target")       \
	X(QUOTA, "quota")         \
	X(FAMILY, "family")       \
	X(AUTHORIZED, "authorized")

enum check {
#define X(id, name) CHECK_##id,
	CHECKS(X)
#undef X
	    CHECK_COUNT,
};

/* A packet on its way. */
struct knock {
	struct codec_packet packet;
	/* Whose it is: index of a holder (snapshot_holder_name), or DIRECTORY_NOBODY: not known
	 * yet. The keeper has places beyond the snapshot's for devices that only the directory
	 * knows; there, it says which before a request is admitted with program_result.has_key. */
	uint32_t holder;
	bool verified; /* the holder's signature was, in this process: it is no guess any more */
	struct program_result program_result;
	enum question question; /* with VERDICT_ASKED */
	/* once granted */
	struct addr target;           /* to open for */
	int64_t duration_ns;          /* for how long */
	struct rsa_public signer_key; /* of an OpenSPA request */
};

/* What a process admits with. */
struct admission {
	enum admit_side side;
	const struct snapshot *config;
	const struct codec_secrets *secrets; /* doorman */
	struct budget *budget;               /* doorman */
	const struct directory *directory;   /* doorman */
	struct replay *replay;               /* keeper */
	uint32_t holders;                    /* keeper: how many there are, its own included */
	const struct grant_table *grants;    /* keeper */
	int64_t now_ns;                      /* keeper: CLOCK_REALTIME, read once for each packet */
	/* Told what each check has found, for posternd --explain. NULL: nobody watches. */
	void (*trace)(void *context, enum check check, bool passed, const struct knock *k);
	void *trace_context;
};

/* The first step alone, which costs nothing: VERDICT_PASS, or a refusal. */
enum verdict admit_screen(const struct record *record);
/* Doorman: VERDICT_HANDED_ON with knock->holder as the guess (or DIRECTORY_NOBODY: every key has
 * to be tried), else a refusal. Keeper: VERDICT_GRANTED with knock->target and duration_ns set and
 * the packet remembered; VERDICT_ASKED when knock->question has to be answered first: put the
 * answer into knock->program_result and admit it again, from the start; else a refusal, among them
 * VERDICT_WRONG_SIGNER when knock->holder, a guess of the doorman's, did not sign it. */
enum verdict admit(const struct admission *a, struct knock *k);

#endif
