/* What the keeper knows: the configuration in force, what it remembers of each holder (a client or
 * a device), the ledger. A new configuration carries all of it over by the holders' identities. */
#ifndef PROC_KEEPER_STATE_H
#define PROC_KEEPER_STATE_H

#include "admit/replay.h"
#include "client/directory.h"
#include "conf/snapshot.h"
#include "fw/fw.h"
#include "grant/ledger.h"

struct seen {
	struct addr address;
	int64_t real_ns; /* 0: never */
};

/* Who a holder is, whatever its index: a client's public key, a device's UUID. */
struct holder_identity {
	bool device;
	uint8_t bytes[CLIENT_KEY_BYTES];
};

/* A holder that is not in the configuration any more but whose packets could still be replayed if
 * it came back. */
struct departed {
	struct holder_identity who;
	struct replay replay;
};

struct keeper_state {
	struct snapshot config;
	struct directory *directory;
	struct replay *replay; /* one for each holder */
	struct seen *seen;     /* one for each holder */
	struct ledger *ledger;
	struct departed *departed;
	size_t departed_count;
};

/* What the firewall is to hold open, each element once. */
struct keeper_live {
	struct fw_grant *grants;
	size_t grant_count;
	struct fw_opening *openings;
	size_t opening_count;
};

/* The state under a new snapshot, which it takes over (the caller's is emptied), with all that
 * `old` (zeroed at the start) knows and that is still allowed. `old` is not changed until
 * keeper_state_replace. False when memory is short; `snapshot` is then still the caller's. */
bool keeper_state_next(
    struct keeper_state *next, struct snapshot *snapshot, const struct keeper_state *old);
/* Puts `next` in place of `state`: moves the replay guards over and frees the rest of the old. */
void keeper_state_replace(struct keeper_state *state, struct keeper_state *next);
/* Frees a state that was not put in place, or the last one. */
void keeper_state_free(struct keeper_state *state);

/* True when that holder may have `what` open for `address`, now. */
bool keeper_state_may_hold(const struct keeper_state *k, uint32_t holder,
    const struct addr *address, const struct ledger_what *what, int64_t now_real_ns);
/* Until when the element of that holder is open (CLOCK_BOOTTIME): the latest of all who share it.
 */
int64_t keeper_state_open_until(const struct keeper_state *k, uint32_t holder,
    const struct addr *address, const struct ledger_what *what);
/* False when memory is short. */
bool keeper_state_live(struct keeper_live *out, const struct keeper_state *k, int64_t now_boot_ns);
void keeper_live_free(struct keeper_live *live);

#endif
