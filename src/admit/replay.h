/* The replay guard. A packet is fresh when its timestamp is inside the window, above its holder's
 * floor, and its (holder, nonce) has not been seen.
 *
 * Each holder has a small set of what it has been admitted with. An entry leaves the set only by
 * raising the floor to its timestamp: when it has fallen out of the window, or when the set is full
 * (then the oldest goes). A floor never moves back, and never stands ahead of the clock: entries
 * stamped ahead stay, and a packet stamped ahead for which they leave no room is refused. So a
 * replay is refused whatever the clock does, memory is bounded by holders times REPLAY_ENTRIES, and
 * no holder can hurt another.
 *
 * All of it stands in a file that is mapped (replay_file.h) and outlives the process. What is not
 * known any more is refused by stamp: above all sets there is one floor for clients and one for
 * devices. */
#ifndef ADMIT_REPLAY_H
#define ADMIT_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "admit/verdict.h"
#include "base/addr.h"

#define REPLAY_ENTRIES      62 /* a set is 1024 bytes with them */
#define REPLAY_AHEAD_MOST   48 /* of them, stamped ahead: the others are for a clock put right */
#define REPLAY_NONCE_BYTES  16
#define REPLAY_TOLERANCE_NS INT64_C(5000000000) /* stamped further ahead: on the disk first */

enum replay_kind { REPLAY_CLIENT, REPLAY_DEVICE, REPLAY_KINDS };

/* What tells a packet from all others. */
struct replay_packet {
	enum replay_kind kind;
	const uint8_t *holder; /* a client's public key (32 bytes) or a device's UUID (16) */
	const uint8_t *nonce;  /* REPLAY_NONCE_BYTES */
	int64_t timestamp_ns;
	struct addr source; /* that it came from */
};

struct replay;

/* |now - timestamp| <= window, without overflow for any values. */
bool replay_in_window(int64_t timestamp_ns, int64_t now_ns, int64_t window_ns);
/* VERDICT_PASS when the packet cannot have been seen before, or was remembered by a process that
 * was killed before it was through with it, and comes from the same source; else VERDICT_REPLAYED,
 * or VERDICT_NOT_REMEMBERED. */
enum verdict replay_check(struct replay *r, const struct replay_packet *p, int64_t now_ns);
/* Remembers a packet that passed: after signature, expiry and policy, before the grant, which is to
 * end at *until_ns by CLOCK_BOOTTIME: earlier, when a process that was killed had begun with it.
 * VERDICT_PASS, or why it must be refused: VERDICT_TOO_MANY_AHEAD or VERDICT_NO_MEMORY. */
enum verdict replay_remember(
    struct replay *r, const struct replay_packet *p, int64_t now_ns, int64_t *until_ns);
/* What was cut off does not go on: nobody has kept it. */
void replay_drop_pending(struct replay *r);
/* Of all that was remembered it is known what came of it: a grant in force, or a refusal. */
void replay_settle(struct replay *r);

#endif
