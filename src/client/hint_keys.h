/* The clients' hint keys (proto/hint.h) in a memory file: made outside the path of knocks by a
 * process that takes its time, and read by the doorman as they come. */
#ifndef CLIENT_HINT_KEYS_H
#define CLIENT_HINT_KEYS_H

#include <stdatomic.h>

#include "proto/hint.h"

#define HINT_CLIENTS_MOST 1048576U

struct hint_keys {
	uint32_t magic;
	uint32_t count;         /* of clients */
	_Atomic uint32_t ready; /* of them, from the first on */
	uint32_t unused;
	uint8_t keys[][HINT_KEY_BYTES]; /* in the snapshot's order; all zeros: none to be had */
};

/* A file for that many, whose one mapping that can ever be written is *keys. -1 with errno. */
int hint_keys_create(uint32_t count, struct hint_keys **keys);
/* Read-only; NULL with errno: EINVAL when it is no such file, or for another number of clients. */
const struct hint_keys *hint_keys_map(int fd, uint32_t count);
/* For whoever made it. Safe on NULL. */
void hint_keys_unmap(const struct hint_keys *keys);
/* For whoever mapped it, for so many clients: what the file says by now is its writer's. */
void hint_keys_unmap_of(const struct hint_keys *keys, uint32_t count);

/* How many are ready; below that, keys do not change any more. */
uint32_t hint_keys_ready(const struct hint_keys *keys);
void hint_keys_publish(struct hint_keys *keys, uint32_t ready);
bool hint_keys_has(const struct hint_keys *keys, uint32_t client);

#endif
