#include "client/directory.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_BITS  12
#define RECENT_COUNT (1U << RECENT_BITS) /* one slot an address; the later one wins a clash */

struct recent {
	struct addr source;
	uint32_t client;
};

struct directory {
	struct snapshot snapshot;
	uint32_t *by_key; /* client indices, sorted by public key */
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	struct recent recent[RECENT_COUNT];
};

static int compare_keys(const void *a, const void *b, void *context)
{
	const struct client *clients = context;

	return memcmp(clients[*(const uint32_t *)a].public_key,
	    clients[*(const uint32_t *)b].public_key, CLIENT_KEY_BYTES);
}

struct directory *directory_new(const struct snapshot *s)
{
	struct directory *d = calloc(1, sizeof *d);
	union {
		const struct client *in;
		void *out;
	} clients = {.in = s->clients}; /* qsort_r takes its context without const */

	if (d == NULL)
		return NULL;
	d->snapshot = *s;
	d->by_key = calloc(s->client_count + 1, sizeof *d->by_key);
	if (d->by_key == NULL) {
		free(d);
		return NULL;
	}
	for (uint32_t i = 0; i < s->client_count; i++)
		d->by_key[i] = i;
	qsort_r(d->by_key, s->client_count, sizeof *d->by_key, compare_keys, clients.out);
	for (uint32_t i = 0; i < RECENT_COUNT; i++)
		d->recent[i].client = DIRECTORY_NOBODY;
	/* A secret hash, so that nobody can choose addresses that clash. */
	crypto_shorthash_keygen(d->hash_key);
	return d;
}

void directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	free(d->by_key);
	free(d);
}

uint32_t directory_find(const struct directory *d, const uint8_t key[static CLIENT_KEY_BYTES])
{
	uint32_t low = 0, high = d->snapshot.client_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint32_t client = d->by_key[middle];
		int order = memcmp(key, d->snapshot.clients[client].public_key, CLIENT_KEY_BYTES);

		if (order == 0)
			return client;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return DIRECTORY_NOBODY;
}

static uint32_t recent_slot(const struct directory *d, const struct addr *source)
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, source->bytes, ADDR_BYTES, d->hash_key);
	return (uint32_t)(hash & (RECENT_COUNT - 1));
}

uint32_t directory_guess(const struct directory *d, const struct addr *source)
{
	const struct recent *r = &d->recent[recent_slot(d, source)];

	if (r->client != DIRECTORY_NOBODY && addr_equal(&r->source, source))
		return r->client;
	return d->snapshot.client_count == 1 ? 0 : DIRECTORY_NOBODY;
}

void directory_seen(struct directory *d, const struct addr *source, uint32_t client)
{
	d->recent[recent_slot(d, source)] = (struct recent){*source, client};
}

void directory_carry(struct directory *to, const struct directory *from)
{
	for (uint32_t i = 0; i < RECENT_COUNT; i++) {
		const struct recent *r = &from->recent[i];
		uint32_t client;

		if (r->client == DIRECTORY_NOBODY)
			continue;
		client = directory_find(to, from->snapshot.clients[r->client].public_key);
		if (client != DIRECTORY_NOBODY)
			directory_seen(to, &r->source, client);
	}
}
