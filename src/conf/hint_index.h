/* The index of hint keys (proto/hint.h): what was made for each client, beside the index of clients
 * in the state directory, so that it need not be made again at the next start. A million takes
 * minutes. It can be deleted at any time; one that is damaged, or belongs to a server with another
 * key, is not used. It is no part of loading a configuration. */
#ifndef CONF_HINT_INDEX_H
#define CONF_HINT_INDEX_H

#include "conf/conf.h"
#include "conf/index_file.h"
#include "proto/hint.h"

#define HINT_INDEX_FILE "hints.index" /* in the state directory */

struct hint_row {
	uint8_t client[OPENME_PUBLIC_BYTES];
	uint8_t key[HINT_KEY_BYTES];
};

struct hint_index {
	uint8_t *data;
	const struct hint_row *rows; /* in the order of the clients */
	size_t count;
};

/* `state_dir`/hints.index, allocated; NULL when memory is short. */
char *hint_index_path(const char *state_dir);

/* False, and empty, with `why` when it is not to be used, and with an empty one when there is none,
 * or none that we may read. */
bool hint_index_read(struct hint_index *out, const char *path,
    const uint8_t server_public[static OPENME_PUBLIC_BYTES], char why[static INDEX_WHY_BYTES]);
/* Safe on an empty one. */
void hint_index_free(struct hint_index *index);
/* The hint key of that client, or NULL. */
const uint8_t *hint_index_find(
    const struct hint_index *index, const uint8_t client_public[static OPENME_PUBLIC_BYTES]);
/* Rows in their order, no two of one client. False with `why`, as index_file_write. */
bool hint_index_write(const char *path, const uint8_t server_public[static OPENME_PUBLIC_BYTES],
    const struct hint_row *rows, size_t count, char why[static INDEX_WHY_BYTES]);

/* Makes it hold the clients of a configuration with openme, with what the old one has of them.
 * *made: how many keys were made; it is counted up meanwhile. False with `why`. */
bool hint_index_renew(
    const struct conf *conf, const char *path, uint32_t *made, char why[static INDEX_WHY_BYTES]);

#endif
