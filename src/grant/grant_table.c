#include "grant/grant_table.h"

#include <sodium.h>
#include <stdlib.h>

struct ledger {
	struct ledger_entry **buckets; /* by address */
	size_t bucket_mask;
	size_t count;
	size_t capacity;
	uint32_t *held; /* by holder: how many entries */
	uint32_t holders;
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
};

struct ledger *ledger_new(size_t capacity, uint32_t holders)
{
	struct ledger *l = calloc(1, sizeof *l);
	size_t buckets = 1;

	if (l == NULL)
		return NULL;
	while (buckets < capacity)
		buckets *= 2;
	l->buckets = calloc(buckets, sizeof *l->buckets);
	l->held = calloc((size_t)holders + 1, sizeof *l->held);
	if (l->buckets == NULL || l->held == NULL) {
		free(l->buckets);
		free(l->held);
		free(l);
		return NULL;
	}
	l->holders = holders;
	l->bucket_mask = buckets - 1;
	l->capacity = capacity;
	crypto_shorthash_keygen(l->hash_key);
	return l;
}

static void free_entry(struct ledger_entry *entry, void *context)
{
	ledger_remove(context, entry);
}

void ledger_free(struct ledger *l)
{
	if (l == NULL)
		return;
	ledger_each(l, free_entry, l);
	free(l->buckets);
	free(l->held);
	free(l);
}

bool ledger_same(const struct ledger_what *a, const struct ledger_what *b)
{
	return a->protocol == b->protocol && a->first_port == b->first_port &&
	       a->last_port == b->last_port;
}

size_t ledger_count(const struct ledger *l)
{
	return l->count;
}

static struct ledger_entry **bucket_of(const struct ledger *l, const struct addr *address)
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, address->bytes, ADDR_BYTES, l->hash_key);
	return &l->buckets[hash & l->bucket_mask];
}

const struct ledger_entry *ledger_at(const struct ledger *l, const struct addr *address)
{
	return *bucket_of(l, address);
}

struct ledger_entry *ledger_find(const struct ledger *l, uint32_t holder,
    const struct addr *address, const struct ledger_what *what)
{
	for (struct ledger_entry *e = *bucket_of(l, address); e != NULL; e = e->next) {
		if (e->holder == holder && addr_equal(&e->address, address) &&
		    ledger_same(&e->what, what))
			return e;
	}
	return NULL;
}

uint32_t ledger_held_by(const struct ledger *l, uint32_t holder)
{
	return holder < l->holders ? l->held[holder] : 0;
}

struct ledger_entry *ledger_add(
    struct ledger *l, uint32_t holder, const struct addr *address, const struct ledger_what *what)
{
	struct ledger_entry **bucket = bucket_of(l, address);
	struct ledger_entry *e;

	if (l->count == l->capacity || holder >= l->holders)
		return NULL;
	e = calloc(1, sizeof *e);
	if (e == NULL)
		return NULL;
	e->holder = holder;
	e->address = *address;
	e->what = *what;
	e->next = *bucket;
	*bucket = e;
	l->count++;
	l->held[holder]++;
	return e;
}

void ledger_remove(struct ledger *l, struct ledger_entry *entry)
{
	struct ledger_entry **link = bucket_of(l, &entry->address);

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	l->count--;
	l->held[entry->holder]--;
	free(entry);
}

void ledger_each(
    struct ledger *l, void (*visit)(struct ledger_entry *entry, void *context), void *context)
{
	for (size_t i = 0; i <= l->bucket_mask && l->count > 0; i++) {
		struct ledger_entry *next;

		for (struct ledger_entry *e = l->buckets[i]; e != NULL; e = next) {
			next = e->next;
			visit(e, context);
		}
	}
}

size_t ledger_parts(const struct ledger *l)
{
	return l->bucket_mask + 1;
}

const struct ledger_entry *ledger_part(const struct ledger *l, size_t part)
{
	return part <= l->bucket_mask ? l->buckets[part] : NULL;
}
