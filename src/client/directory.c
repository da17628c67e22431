#include "client/directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

#define RECENT_WAYS 4 /* sources in a row, the last seen first; the first to go stands last */
/* Rows, by the number of clients. No more than that: each reload carries all of them over, and
 * whoever falls out is found by the network. */
#define ROWS_LEAST 1024
#define ROWS_MOST  4096

struct recent {
	struct addr sender;
	uint32_t clients[DIRECTORY_RECENT]; /* the last one first, and 1 more; 0 ends them */
};

struct directory {
	struct snapshot snapshot;
	uint8_t hash_key[SECRET_HASH_BYTES];
	uint32_t rows; /* a power of two */
	struct recent recent[][RECENT_WAYS];
};

static uint32_t rows_for(uint32_t clients)
{
	uint32_t rows = ROWS_LEAST;

	while (rows < ROWS_MOST && rows * RECENT_WAYS < clients)
		rows *= 2;
	return rows;
}

struct directory *directory_new(const struct snapshot *s)
{
	uint32_t rows = rows_for(s->client_count);
	struct directory *d = calloc(1, sizeof *d + rows * sizeof d->recent[0]);

	if (d == NULL)
		return NULL;
	d->snapshot = *s;
	d->rows = rows;
	/* A secret hash, so that nobody can choose addresses that clash. */
	secret_random(d->hash_key, sizeof d->hash_key);
	return d;
}

void directory_free(struct directory *d)
{
	free(d);
}

static uint32_t row_of(const struct directory *d, const struct addr *sender)
{
	return (uint32_t)(addr_sender_hash(sender, d->hash_key) % d->rows);
}

/* Where `sender` stands in its row; RECENT_WAYS when it does not. Rows are zeroed, so that those
 * that are never used take no memory: whoever stands there has clients. */
static size_t way_of(const struct recent row[static RECENT_WAYS], const struct addr *sender)
{
	size_t way = 0;

	while (way < RECENT_WAYS &&
	       (row[way].clients[0] == 0 || !addr_equal(&row[way].sender, sender)))
		way++;
	return way;
}

size_t directory_recent(
    const struct directory *d, const struct addr *source, uint32_t clients[static DIRECTORY_RECENT])
{
	struct addr sender = addr_sender(source);
	const struct recent *row = d->recent[row_of(d, &sender)];
	size_t way = way_of(row, &sender);
	size_t count = 0;

	for (size_t i = 0; way < RECENT_WAYS && i < DIRECTORY_RECENT; i++) {
		uint32_t client = row[way].clients[i] - 1;

		if (client != DIRECTORY_NOBODY && !d->snapshot.clients[client].hint_only)
			clients[count++] = client;
	}
	if (count == 0 && d->snapshot.client_count == 1 && !d->snapshot.clients[0].hint_only)
		clients[count++] = 0;
	return count;
}

uint32_t directory_guess(const struct directory *d, const struct addr *source)
{
	uint32_t clients[DIRECTORY_RECENT];

	return directory_recent(d, source, clients) > 0 ? clients[0] : DIRECTORY_NOBODY;
}

bool directory_knows(const struct directory *d, const struct addr *source)
{
	struct addr sender = addr_sender(source);

	return way_of(d->recent[row_of(d, &sender)], &sender) < RECENT_WAYS;
}

/* To the head; those before it move down, and where it is new the last one falls out. */
static void put_first(struct recent *r, uint32_t client)
{
	size_t place = 0;

	while (place < DIRECTORY_RECENT - 1 && r->clients[place] != client + 1)
		place++;
	memmove(r->clients + 1, r->clients, place * sizeof r->clients[0]);
	r->clients[0] = client + 1;
}

void directory_seen(struct directory *d, const struct addr *source, uint32_t client)
{
	struct recent entry = {.sender = addr_sender(source)};
	struct recent *row = d->recent[row_of(d, &entry.sender)];
	size_t way = way_of(row, &entry.sender);

	if (way < RECENT_WAYS)
		entry = row[way];
	memmove(row + 1, row, (way < RECENT_WAYS ? way : RECENT_WAYS - 1) * sizeof *row);
	put_first(&entry, client);
	row[0] = entry;
}

static void carry_one(
    struct directory *to, const struct directory *from, const struct recent *entry)
{
	for (size_t i = DIRECTORY_RECENT; i-- > 0;) {
		uint32_t client = entry->clients[i] - 1;
		int64_t now = -1;

		if (client != DIRECTORY_NOBODY)
			now = snapshot_find_client(
			    &to->snapshot, from->snapshot.clients[client].public_key);
		if (now >= 0)
			directory_seen(to, &entry->sender, (uint32_t)now);
	}
}

void directory_carry(struct directory *to, const struct directory *from)
{
	for (size_t row = 0; row < from->rows; row++) {
		for (size_t way = RECENT_WAYS; way-- > 0;)
			carry_one(to, from, &from->recent[row][way]);
	}
}
