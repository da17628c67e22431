/* What the keeper knows: the configuration in force, what it remembers of each holder, the
 * grants.
 * A new configuration carries all of it over by the holders' identities.
 *
 * Holders are those of the snapshot, clients and then devices, and behind them, where a program is
 * asked for keys, places for unlisted: devices that only the program knows. A unlisted gets a place
 * when its request is about to be verified, and keeps it, once admitted, for as long as something
 * has to be remembered of it. */
#ifndef KEEPER_STATE_H
#define KEEPER_STATE_H

#include "client/directory.h"
#include "grant/grant_table.h"
#include "keeper/unlisted.h"
#include "snapshot/snapshot.h"

struct seen {
	struct addr address;
	int64_t real_ns; /* 0: never */
};

/* Who a holder is, whatever its index: a client's public key, a device's UUID. */
struct holder_identity {
	bool device;
	uint8_t bytes[CLIENT_KEY_BYTES];
};

struct keeper_state {
	struct snapshot config;
	struct unlisted_devices *unlisted; /* NULL: no program is asked */
	struct seen *seen;                 /* one for each holder */
	struct grant_table *grants;
};

/* The state under a new snapshot, which it takes over (the caller's is emptied), with all that
 * `old` (zeroed at the start) knows and that is still allowed. `old` is not changed until
 * keeper_state_replace. False when memory is short; `snapshot` is then still the caller's. */
bool keeper_state_next(
    struct keeper_state *next, struct snapshot *snapshot, const struct keeper_state *old);
/* Puts `next` in place of `state`, which is freed. */
void keeper_state_replace(struct keeper_state *state, struct keeper_state *next);
/* Frees a state that was not put in place, or the last one. */
void keeper_state_free(struct keeper_state *state);

/* How many holders there are, places for unlisted included. */
uint32_t keeper_state_holders(const struct keeper_state *k);
/* Of one who is there: a client's public key, a device's UUID. */
struct holder_identity keeper_state_identity(const struct keeper_state *k, uint32_t holder);
/* CLIENT_NAME_BYTES of memory, closed by a zero. `holder` is one who is there. */
const char *keeper_state_name(const struct keeper_state *k, uint32_t holder);
/* The holder that is this device, or DIRECTORY_NOBODY. */
uint32_t keeper_state_device(
    const struct keeper_state *k, const uint8_t uuid[static DEVICE_UUID_BYTES]);
/* The same; a device that is not among the holders gets a unlisted's place, for now.
 * DIRECTORY_NOBODY when there is none for it. */
uint32_t keeper_state_place(struct keeper_state *k, const uint8_t uuid[static DEVICE_UUID_BYTES]);
/* The holder was admitted: a unlisted's place is its own from now on. */
void keeper_state_admitted(struct keeper_state *k, uint32_t holder);

/* The index of the policy by which a holder opens; 0 for a device, which names its ports. */
uint32_t keeper_state_policy(const struct keeper_state *k, uint32_t holder);
/* True when its holder may have that open, now. */
bool keeper_state_may_hold(
    const struct keeper_state *k, const struct opening *o, int64_t now_real_ns);
/* Makes of an opening of `old` that of the same holder in `next`; false when nobody there may have
 * it. */
bool keeper_state_inherit(const struct keeper_state *next, const struct keeper_state *old,
    struct opening *o, int64_t now_real_ns);

#endif
