/* Every way out of the admission, once: its name (logs, metrics), what it means, and how it is
 * reported. Noise is counted, not logged, at the default level. */
#ifndef ADMIT_VERDICT_H
#define ADMIT_VERDICT_H

#include "base/log.h"

/*        verdict          name               log level        meaning */
#define VERDICTS(X)                                                                               \
	X(GRANTED, "granted", INFO, "knock accepted")                                             \
	X(HANDED_ON, "handed_on", DEBUG, "opened by the doorman, judged by the keeper")           \
	X(BAD_SIZE, "bad_size", DEBUG, "datagram of the wrong size")                              \
	X(BAD_VERSION, "bad_version", DEBUG, "datagram of the wrong version")                     \
	X(MALFORMED, "malformed", DEBUG, "key or signature out of range")                         \
	X(UNTAGGED, "untagged", DEBUG, "without the tag that server.shield asks for")             \
	X(BAD_KEY, "bad_key", DEBUG, "ephemeral key of small order")                              \
	X(BAD_SEAL, "bad_seal", DEBUG, "not sealed for this server")                              \
	X(UNKNOWN_SIGNER, "unknown_signer", WARN, "sealed for us, signed by nobody we know")      \
	X(WRONG_SIGNER, "wrong_signer", DEBUG, "not signed by the client it was taken for")       \
	X(BUSY, "busy", WARN, "more to check than there is time or room for")                     \
	X(STALE, "stale", WARN, "timestamp outside the window")                                   \
	X(REPLAYED, "replayed", WARN, "seen before")                                              \
	X(NOT_REMEMBERED, "not_remembered", WARN, "may have been seen before, that is not known") \
	X(TOO_MANY_AHEAD, "too_many_ahead", WARN, "too many stamped ahead of the clock")          \
	X(BAD_CONTENTS, "bad_contents", WARN, "has ports or flags that there are not")            \
	X(REVOKED, "revoked", WARN, "client is revoked")                                          \
	X(EXPIRED, "expired", WARN, "client has expired")                                         \
	X(WILDCARD_REFUSED, "wildcard_refused", WARN, "client must name its address")             \
	X(WRONG_SERVER, "wrong_server", WARN, "meant for another server")                         \
	X(TARGET_REFUSED, "target_refused", WARN, "client may not open for that address")         \
	X(NO_PORTS, "no_ports", WARN, "client has no ports to open")                              \
	X(OVER_QUOTA, "over_quota", WARN, "too many addresses open at once")                      \
	X(NO_MEMORY, "no_memory", ERROR, "no memory or disk to remember it by")                   \
	X(ASKED, "asked", DEBUG, "a script or helper is asked about it")                          \
	X(PROGRAM_FAILED, "program_failed", ERROR, "a script or helper gave no answer")           \
	X(NOT_AUTHORIZED, "not_authorized", WARN, "refused by a script or helper")                \
	X(FIREWALL_FAILED, "firewall_failed", ERROR, "the firewall refused the change")

enum verdict {
#define X(id, name, level, meaning) VERDICT_##id,
	VERDICTS(X)
#undef X
	    VERDICT_COUNT,
	/* Of a check, not of a packet: on to the next check. No way out, so not in the table. */
	VERDICT_PASS = VERDICT_COUNT,
};

const char *verdict_name(enum verdict v);
const char *verdict_meaning(enum verdict v);
enum log_level verdict_level(enum verdict v);

#endif
