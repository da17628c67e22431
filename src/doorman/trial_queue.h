/* Where knocks wait in the doorman while every client's key is tried on them.
 *
 * Anybody who knows the server's public key can fill it, from forged sources too. So it is shared
 * by source (an IPv6 /64 is one): one source has a few slots only, and each packet that it has
 * waiting puts its next one further back. Sources that clients have knocked from come a little
 * earlier, and half of the slots is theirs and the other half is not. */
#ifndef DOORMAN_TRIAL_QUEUE_H
#define DOORMAN_TRIAL_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "admit/admit.h"

#define TRIAL_QUEUE_SLOTS     192
#define TRIAL_QUEUE_OF_KIND   (TRIAL_QUEUE_SLOTS / 2) /* of sources known, and of others */
#define TRIAL_QUEUE_OF_SOURCE 8

enum slot_state {
	SLOT_FREE,
	SLOT_SCANNING, /* its keys are being tried */
	SLOT_HELD,     /* waits for the configuration that the keeper has already */
};

struct slot {
	struct knock knock;
	enum slot_state state;
	/* scanning */
	bool known;        /* its source is */
	uint32_t next_try; /* the client whose key is next */
	int64_t place;     /* the lowest goes first */
};

/* All zeros is empty. Holds keys of knocks: belongs into locked memory. */
struct trial_queue {
	struct slot slots[TRIAL_QUEUE_SLOTS];
	uint32_t scanning;
	int64_t arrivals;
};

/* Each takes a copy of the knock; NULL when there is no room for it. */
struct slot *trial_queue_hold(struct trial_queue *l, const struct knock *k);
struct slot *trial_queue_queue(struct trial_queue *l, const struct knock *k, bool known);
/* The one whose keys are to be tried now; NULL when none waits. */
struct slot *trial_queue_first(struct trial_queue *l);
/* Empties and wipes a slot. */
void trial_queue_release(struct trial_queue *l, struct slot *s);

#endif
