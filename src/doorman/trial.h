/* Finding out who has signed a knock, by trying clients' keys on it: of those who were last seen at
 * its source at once, then, in the trial queue, of those who were seen in its network, then of
 * all. */
#ifndef DOORMAN_TRIAL_H
#define DOORMAN_TRIAL_H

#include "client/networks.h"
#include "doorman/trial_pace.h"
#include "doorman/trial_queue.h"

struct doorman;

/* Whose keys are tried on the first knock of a lane. */
struct trial_list {
	uint32_t next, count;
	uint32_t clients[DIRECTORY_RECENT + NETWORKS_FOUND_MOST];
};

struct trial {
	struct trial_pace pace;
	struct trial_slot *current[TRIAL_LANE_COUNT]; /* stays until it is through; NULL: none */
	struct trial_list near[TRIAL_NEAR_NETWORK + 1];
};

/* Tries the clients that the source is known for, but not the one that was guessed wrong (or
 * DIRECTORY_NOBODY); then it is a matter for the trial queue, which takes a copy. */
void trial_search_signer(struct doorman *d, struct knock *k, uint32_t not_client);
/* The trial queue's turn: a slice of signatures. `context` is the doorman. */
void doorman_try_keys(void *context);
/* Clients are numbered anew: those who wait in lanes have their keys tried from the start. */
void trial_begin_anew(struct doorman *d);

#endif
