#include "grant/grant_table.h"

#include <stdlib.h>

#include "base/secret.h"

struct grant_table {
	LIST_HEAD(, grant) all; /* the newest first */
	struct grant *step;     /* of the walk: the next one; NULL at its end */
	struct grant **buckets; /* by address */
	size_t bucket_mask;
	size_t count;
	size_t capacity;
	uint32_t *held; /* by holder: how many grants */
	uint32_t holders;
	uint8_t hash_key[SECRET_HASH_BYTES];
};

#define CHAIN 8 /* grants to a bucket when the table is full */

/* All of it is written to, or each new address would have a page come when its grant needs it: some
 * 30 us of a knock on virtual machines. */
static bool open_buckets(struct grant_table *t, size_t count)
{
	struct grant *volatile *writes;

	t->bucket_mask = count - 1;
	t->buckets = malloc(count * sizeof *t->buckets);
	writes = t->buckets; /* a loop that stays one, and does not become calloc() */
	for (size_t i = 0; writes != NULL && i < count; i++)
		writes[i] = NULL;
	return writes != NULL;
}

struct grant_table *grant_table_new(size_t capacity, uint32_t holders)
{
	struct grant_table *t = calloc(1, sizeof *t);
	size_t buckets = 1;

	if (t == NULL)
		return NULL;
	while (buckets * CHAIN < capacity)
		buckets *= 2;
	t->held = calloc((size_t)holders + 1, sizeof *t->held);
	if (t->held == NULL || !open_buckets(t, buckets)) {
		grant_table_free(t);
		return NULL;
	}
	t->holders = holders;
	t->capacity = capacity;
	secret_random(t->hash_key, sizeof t->hash_key);
	return t;
}

void grant_table_free(struct grant_table *t)
{
	struct grant *next;

	if (t == NULL)
		return;
	for (struct grant *g = grant_table_next(t, NULL); g != NULL; g = next) {
		next = grant_table_next(t, g);
		free(g);
	}
	free(t->buckets);
	free(t->held);
	free(t);
}

size_t grant_table_count(const struct grant_table *t)
{
	return t->count;
}

static struct grant **bucket_of(const struct grant_table *t, const struct addr *address)
{
	uint64_t hash = secret_hash(t->hash_key, address->bytes, ADDR_BYTES);

	return &t->buckets[hash & t->bucket_mask];
}

const struct grant *grant_table_at(const struct grant_table *t, const struct addr *address)
{
	return *bucket_of(t, address);
}

struct grant *grant_table_find(const struct grant_table *t, uint32_t holder,
    const struct addr *address, const struct ports *ports)
{
	for (struct grant *g = *bucket_of(t, address); g != NULL; g = g->next) {
		if (g->opening.holder == holder && addr_equal(&g->opening.address, address) &&
		    ports_equal(&g->opening.ports, ports))
			return g;
	}
	return NULL;
}

uint32_t grant_table_held_by(const struct grant_table *t, uint32_t holder)
{
	return holder < t->holders ? t->held[holder] : 0;
}

struct grant *grant_table_add(struct grant_table *t, const struct opening *opening)
{
	struct grant **bucket = bucket_of(t, &opening->address);
	struct grant *g;

	if (t->count == t->capacity || opening->holder >= t->holders)
		return NULL;
	g = calloc(1, sizeof *g);
	if (g == NULL)
		return NULL;
	g->opening = *opening;
	g->wanted_ns = opening->until_ns;
	g->next = *bucket;
	*bucket = g;
	LIST_INSERT_HEAD(&t->all, g, all);
	t->count++;
	t->held[opening->holder]++;
	return g;
}

void grant_table_remove(struct grant_table *t, struct grant *grant)
{
	struct grant **link = bucket_of(t, &grant->opening.address);

	while (*link != grant)
		link = &(*link)->next;
	*link = grant->next;
	if (t->step == grant)
		t->step = LIST_NEXT(grant, all);
	LIST_REMOVE(grant, all);
	t->count--;
	t->held[grant->opening.holder]--;
	free(grant);
}

struct grant *grant_table_next(const struct grant_table *t, const struct grant *g)
{
	if (g != NULL)
		return LIST_NEXT(g, all);
	return t == NULL ? NULL : LIST_FIRST(&t->all);
}

void grant_table_walk(struct grant_table *t)
{
	t->step = LIST_FIRST(&t->all);
}

const struct grant *grant_table_step(struct grant_table *t)
{
	const struct grant *g = t->step;

	if (g != NULL)
		t->step = LIST_NEXT(g, all);
	return g;
}
