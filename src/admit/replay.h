/* The replay guard. A packet is fresh when its timestamp is inside the window, above its client's
 * floor, and its (client, nonce) has not been seen.
 *
 * Each client has a small set of what it has been admitted with. An entry leaves the set only by
 * raising the floor to its timestamp: when it has fallen out of the window, or when the set is full
 * (then the oldest goes). The floor never moves back. So a replay is refused whatever the clock
 * does, memory is bounded by clients times REPLAY_ENTRIES, and no client can hurt another. */
#ifndef ADMIT_REPLAY_H
#define ADMIT_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_ENTRIES     64
#define REPLAY_NONCE_BYTES 16

struct replay_entry {
	int64_t timestamp_ns;
	uint8_t nonce[REPLAY_NONCE_BYTES];
};

/* What is remembered of one client. All zeros is a client that has never knocked. */
struct replay {
	struct replay_entry *entries; /* allocated with the first */
	uint32_t count;
	bool has_floor;
	int64_t floor_ns;
};

/* |now - timestamp| <= window, without overflow for any values. */
bool replay_in_window(int64_t timestamp_ns, int64_t now_ns, int64_t window_ns);
/* True when the packet cannot have been seen before. Changes nothing. */
bool replay_is_new(
    const struct replay *r, int64_t timestamp_ns, const uint8_t nonce[static REPLAY_NONCE_BYTES]);
/* Remembers a packet that was new: after signature, expiry and policy, before the grant. False when
 * memory is short; the packet must then be refused. */
bool replay_remember(struct replay *r, int64_t timestamp_ns,
    const uint8_t nonce[static REPLAY_NONCE_BYTES], int64_t now_ns, int64_t window_ns);
/* True while forgetting the client could let one of its packets in again. */
bool replay_matters(const struct replay *r, int64_t now_ns, int64_t window_ns);
void replay_clear(struct replay *r);

#endif
