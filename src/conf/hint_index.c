#include "conf/hint_index.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "conf/index_form.h"

#define HEAD_BYTES 16
#define ALL_BYTES  (HEAD_BYTES + OPENME_PUBLIC_BYTES + INDEX_HASH_BYTES)

/* A mark with the number of the form. How keys are made is fixed by the protocol. */
static const char head[HEAD_BYTES] = "PSTHNT1";

char *hint_index_path(const char *state_dir)
{
	return file_join(state_dir, HINT_INDEX_FILE);
}

/* --- Reading */

static bool refuse(char why[static INDEX_WHY_BYTES], const char *reason)
{
	snprintf(why, INDEX_WHY_BYTES, "%s", reason);
	return false;
}

static bool parse(struct hint_index *out, size_t size,
    const uint8_t server_public[static OPENME_PUBLIC_BYTES], char why[static INDEX_WHY_BYTES])
{
	uint8_t hash[INDEX_HASH_BYTES];
	const uint8_t *rows = out->data + HEAD_BYTES + OPENME_PUBLIC_BYTES;

	if (size < ALL_BYTES || (size - ALL_BYTES) % sizeof(struct hint_row) != 0)
		return refuse(why, "it was cut");
	crypto_generichash(hash, sizeof hash, out->data, size - sizeof hash, NULL, 0);
	if (memcmp(hash, out->data + size - sizeof hash, sizeof hash) != 0)
		return refuse(why, "it was cut or changed");
	if (memcmp(out->data, head, sizeof head) != 0)
		return refuse(why, "another version has written it");
	if (memcmp(out->data + HEAD_BYTES, server_public, OPENME_PUBLIC_BYTES) != 0)
		return refuse(why, "it belongs to a server with another key");
	out->rows = (const void *)rows;
	out->count = (size - ALL_BYTES) / sizeof(struct hint_row);
	return true;
}

bool hint_index_read(struct hint_index *out, const char *path,
    const uint8_t server_public[static OPENME_PUBLIC_BYTES], char why[static INDEX_WHY_BYTES])
{
	size_t size;

	*out = (struct hint_index){.data = NULL};
	out->data = index_read_bytes(path, &size, why);
	if (out->data != NULL && parse(out, size, server_public, why))
		return true;
	hint_index_free(out);
	return false;
}

void hint_index_free(struct hint_index *index)
{
	free(index->data);
	*index = (struct hint_index){.data = NULL};
}

static int by_public_key(const void *a, const void *b)
{
	return memcmp(a, b, OPENME_PUBLIC_BYTES);
}

const uint8_t *hint_index_find(
    const struct hint_index *index, const uint8_t client_public[static OPENME_PUBLIC_BYTES])
{
	const struct hint_row *row = index->count == 0
	                                 ? NULL
	                                 : bsearch(client_public, index->rows, index->count,
	                                       sizeof *index->rows, by_public_key);

	return row == NULL ? NULL : row->key;
}

/* --- Writing */

struct contents {
	const uint8_t *server_public;
	const struct hint_row *rows;
	size_t count;
};

static bool write_contents(int fd, const void *context)
{
	const struct contents *c = context;
	struct index_writer w = index_writer_of(fd);

	return index_writer_put(&w, head, sizeof head) &&
	       index_writer_put(&w, c->server_public, OPENME_PUBLIC_BYTES) &&
	       index_writer_put(&w, c->rows, c->count * sizeof *c->rows) && index_writer_end(&w);
}

bool hint_index_write(const char *path, const uint8_t server_public[static OPENME_PUBLIC_BYTES],
    const struct hint_row *rows, size_t count, char why[static INDEX_WHY_BYTES])
{
	const struct contents contents = {server_public, rows, count};

	return index_replace(path, write_contents, &contents, why);
}

/* Fills in the keys, and counts those that had to be made. */
static void make_keys(struct hint_row *rows, size_t count, const struct conf *conf,
    const struct hint_index *old, uint32_t *made)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *known = hint_index_find(old, rows[i].client);

		if (known != NULL) {
			memcpy(rows[i].key, known, HINT_KEY_BYTES);
			continue;
		}
		hint_key_of_server(rows[i].key, conf_server_secret(conf), conf_server_public(conf),
		    rows[i].client);
		++*made;
	}
}

bool hint_index_renew(
    const struct conf *conf, const char *path, uint32_t *made, char why[static INDEX_WHY_BYTES])
{
	struct hint_row *rows = calloc(conf_client_count(conf) + 1, sizeof *rows);
	struct hint_index old;
	size_t count = 0;
	bool written;

	*made = 0;
	if (rows == NULL)
		return refuse(why, strerror(ENOMEM));
	for (size_t i = 0; i < conf_client_count(conf); i++) {
		const struct conf_client *client = conf_client(conf, i);

		if (!client->aside && client->ed25519_pubkey.given)
			memcpy(rows[count++].client, client->ed25519_pubkey.bytes,
			    OPENME_PUBLIC_BYTES);
	}
	qsort(rows, count, sizeof *rows, by_public_key);
	hint_index_read(&old, path, conf_server_public(conf), why);
	make_keys(rows, count, conf, &old, made);
	hint_index_free(&old);
	written = hint_index_write(path, conf_server_public(conf), rows, count, why);
	free(rows);
	return written;
}
