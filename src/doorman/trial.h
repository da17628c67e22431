/* Finding out who has signed a knock, by trying clients' keys on it. */
#ifndef DOORMAN_TRIAL_H
#define DOORMAN_TRIAL_H

#include <stdint.h>

struct doorman;
struct knock;

/* Tries the clients that the source is known for, but not the one that was guessed wrong (or
 * DIRECTORY_NOBODY); then it is a matter for the trial queue, which takes a copy. */
void trial_search_signer(struct doorman *d, struct knock *k, uint32_t not_client);
/* The trial queue's turn: a slice of signatures. `context` is the doorman. */
void doorman_try_keys(void *context);

#endif
