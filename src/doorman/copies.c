#include "doorman/copies.h"

#include <string.h>

#include "base/clock.h"

#define REMEMBERED_NS NS_PER_SECOND

void copies_init(struct copies *c)
{
	copies_forget_all(c);
	/* A secret hash, so that nobody can make a datagram that passes for another one's copy. */
	secret_random(c->hash_key, sizeof c->hash_key);
}

void copies_forget_all(struct copies *c)
{
	memset(c->rows, 0, sizeof c->rows);
}

static uint64_t hash_of(const struct copies *c, const struct record *r)
{
	size_t size = r->size < sizeof r->bytes ? r->size : sizeof r->bytes;

	return secret_hash(c->hash_key, r->bytes, size);
}

/* Where it stands in its row, or else where the next may stand: in place of the oldest. */
static size_t way_of(const struct copy row[static COPIES_WAYS], uint64_t hash)
{
	size_t oldest = 0;

	for (size_t way = 0; way < COPIES_WAYS; way++) {
		if (row[way].hash == hash)
			return way;
		if (row[way].until_ns < row[oldest].until_ns)
			oldest = way;
	}
	return oldest;
}

/* Never 0. */
static uint64_t owner_of(const struct copies *c, const struct addr *a)
{
	return secret_hash(c->hash_key, a->bytes, sizeof a->bytes) | 1;
}

void copies_remember(
    struct copies *c, const struct record *r, const struct addr *target, int64_t now_ns)
{
	uint64_t hash = hash_of(c, r);
	struct copy *row = c->rows[hash % COPIES_ROWS];
	bool came_from_there = addr_is_wildcard(target) || addr_equal(target, &r->source);

	row[way_of(row, hash)] =
	    (struct copy){hash, now_ns + REMEMBERED_NS, came_from_there ? 0 : owner_of(c, target)};
}

bool copies_has(const struct copies *c, const struct record *r, int64_t now_ns)
{
	uint64_t hash = hash_of(c, r);
	const struct copy *row = c->rows[hash % COPIES_ROWS];
	const struct copy *one = &row[way_of(row, hash)];

	return one->hash == hash && now_ns < one->until_ns &&
	       (one->owner == 0 || one->owner != owner_of(c, &r->source));
}

void copies_forget(struct copies *c, const struct record *r)
{
	uint64_t hash = hash_of(c, r);
	struct copy *row = c->rows[hash % COPIES_ROWS];
	struct copy *one = &row[way_of(row, hash)];

	if (one->hash == hash)
		one->until_ns = 0;
}
