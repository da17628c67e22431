/* Where knocks wait in the doorman while clients' keys are tried on them.
 *
 * Anybody who knows the server's public key can fill it, from forged sources too. So there are
 * lanes, each with slots of its own: a knock from a source or a network that clients have knocked
 * from has the keys of those tried first, in a lane where no knock waits for long; who is not among
 * them moves on to a lane in which all keys are tried. No lane can take another's slots or turns.
 *
 * Inside a lane it goes by arrival, but fair between sources (an IPv6 /64 is one): one source has a
 * few slots only, and each packet that it has waiting puts its next one further back. The same goes
 * for the networks that are known. Refusing costs next to nothing when the lane is full. */
#ifndef DOORMAN_TRIAL_QUEUE_H
#define DOORMAN_TRIAL_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "admit/admit.h"

#define TRIAL_QUEUE_SLOTS 1024
#define TRIAL_QUEUE_HELD  128 /* for a configuration */
#define TRIAL_OF_SOURCE   8   /* slots, of one source in all lanes */
#define TRIAL_OF_NETWORK  64  /* slots, of one network in the lane of known networks */

/* Lanes, slots and share of the turns. Those of one kind of sender: the lane in which a few keys
 * are tried, and the one in which all are. */
#define TRIAL_LANES(X)          \
	X(NEAR_SOURCE, 128, 3)  \
	X(NEAR_NETWORK, 384, 3) \
	X(FAR_SOURCE, 64, 1)    \
	X(FAR_NETWORK, 64, 1)   \
	X(FAR_NOWHERE, 384, 1)

enum trial_lane {
	TRIAL_NONE, /* a free slot */
#define X(name, slots, turns) TRIAL_##name,
	TRIAL_LANES(X)
#undef X
	    TRIAL_LANE_COUNT,
};

/* An openme knock that waits. */
struct trial_slot {
	uint8_t key[OPENME_KEY_BYTES];
	int64_t timestamp_ns;
	struct addr target;
	uint32_t not_client; /* whose key does not fit, or DIRECTORY_NOBODY */
	uint32_t next_try;   /* FAR: the client whose key is next */
	bool recent_tried;   /* the keys of those known at the source have been */
	bool barred;         /* FAR: some clients are revoked or have expired */
	/* struct record, as far as a knock fills it */
	uint8_t record[offsetof(struct record, bytes) + OPENME_PACKET_BYTES];
};

/* All zeros is empty, but see trial_queue_init. Holds keys of knocks: belongs into locked memory.
 */
struct trial_queue {
	struct trial_slot slots[TRIAL_QUEUE_SLOTS];
	struct knock held[TRIAL_QUEUE_HELD]; /* record.size 0: free */
	/* Of each slot, side by side to be looked through. */
	uint8_t lanes[TRIAL_QUEUE_SLOTS];
	uint32_t sources[TRIAL_QUEUE_SLOTS], networks[TRIAL_QUEUE_SLOTS]; /* keyed hashes */
	int64_t places[TRIAL_QUEUE_SLOTS]; /* the lowest goes first */
	uint32_t in_lane[TRIAL_LANE_COUNT];
	uint32_t waiting; /* in all lanes */
	int64_t arrivals;
	uint32_t turn;
	uint8_t hash_key[SECRET_HASH_BYTES];
};

void trial_queue_init(struct trial_queue *q);

/* Copies an openme knock into a slot of the lane; NULL when there is no room for it. */
struct trial_slot *trial_queue_add(
    struct trial_queue *q, const struct knock *k, enum trial_lane lane);
/* Into another lane, at its end for this source. False when that is full; it stays where it is. */
bool trial_queue_move(struct trial_queue *q, struct trial_slot *s, enum trial_lane lane);
/* The one that is to be tried now in that lane; NULL when none waits. */
struct trial_slot *trial_queue_first(struct trial_queue *q, enum trial_lane lane);
/* Whose turn is next, of the lanes in which somebody waits, or of those alone in which few keys are
 * tried; TRIAL_NONE when nobody does. */
enum trial_lane trial_queue_turn(struct trial_queue *q, bool far_too);
bool trial_queue_is_near(enum trial_lane lane);
enum trial_lane trial_queue_lane(const struct trial_queue *q, const struct trial_slot *s);
/* The knock as it was; the caller wipes it. */
void trial_queue_get(const struct trial_slot *s, struct knock *k);
/* Empties and wipes a slot. */
void trial_queue_release(struct trial_queue *q, struct trial_slot *s);

/* A knock of any protocol that waits for the configuration that the keeper has already; false when
 * there is no room. */
bool trial_queue_hold(struct trial_queue *q, const struct knock *k);
/* Takes one of those out, which the caller wipes; false when there is none. */
bool trial_queue_take_held(struct trial_queue *q, struct knock *k);

#endif
