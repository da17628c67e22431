#include "client/networks.h"

#include <stdatomic.h>
#include <string.h>

#define TIME_UNIT_NS (INT64_C(1) << 39) /* 9 minutes: 15 bits of them are 208 days */

_Static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "pairs are read and written whole");

struct addr networks_of(const struct addr *source)
{
	struct addr network = *source;
	size_t kept = addr_is_v4(source) ? 15 : 6;

	memset(network.bytes + kept, 0, ADDR_BYTES - kept);
	return network;
}

/* A network's way through the pages: its first one, and how far on each next one is. */
struct chain {
	uint32_t page, stride;
	uint16_t network;
};

static struct chain chain_of(const struct networks *n, const struct addr *source)
{
	struct addr network = networks_of(source);
	uint64_t hash = secret_hash(n->hash_key, network.bytes, sizeof network.bytes);

	/* The stride is odd: no page comes twice. */
	return (struct chain){.page = (uint32_t)hash & (n->pages - 1),
	    .stride = (uint32_t)(hash >> 16) | 1,
	    .network = (uint16_t)(hash >> 48 | 1)};
}

static void go_on(const struct networks *n, struct chain *c)
{
	c->page = (c->page + c->stride) & (n->pages - 1);
}

static uint64_t get(const struct networks *n, uint32_t page, uint32_t i)
{
	const _Atomic uint64_t *pairs = (const _Atomic uint64_t *)n->pairs;

	return atomic_load_explicit(
	    &pairs[(size_t)page * NETWORKS_PAGE_PAIRS + i], memory_order_relaxed);
}

static void put(struct networks *n, uint32_t page, uint32_t i, uint64_t pair)
{
	_Atomic uint64_t *pairs = (_Atomic uint64_t *)n->pairs;

	atomic_store_explicit(
	    &pairs[(size_t)page * NETWORKS_PAGE_PAIRS + i], pair, memory_order_relaxed);
}

static uint32_t client_in(uint64_t pair)
{
	return (uint32_t)(pair >> 32);
}

static bool is_of(uint64_t pair, const struct chain *c)
{
	return (uint16_t)(pair >> 16) == c->network;
}

static uint16_t time_in(uint64_t pair)
{
	return (uint16_t)pair;
}

static uint16_t time_at(int64_t now_real_ns)
{
	return (uint16_t)(now_real_ns / TIME_UNIT_NS);
}

/* How long before `now`; times go round. What lies ahead, of a clock that was set back, is new. */
static uint32_t age_at(uint64_t pair, uint16_t now)
{
	uint16_t age = (uint16_t)(now - time_in(pair));

	return age < 0x8000 ? age : 0;
}

static uint32_t client_name(const uint8_t key[static CLIENT_KEY_BYTES])
{
	return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}

bool networks_known(const struct networks *n, const struct addr *source)
{
	struct chain c = chain_of(n, source);

	for (uint32_t i = 0; i < NETWORKS_PAGE_PAIRS; i++)
		if (is_of(get(n, c.page, i), &c))
			return true;
	return false;
}

/* --- Finding */

/* The pairs of one page; returns how many there are of the network, of which `most` are kept. */
static uint32_t collect(
    const struct networks *n, const struct chain *c, uint64_t pairs[], size_t most)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < NETWORKS_PAGE_PAIRS; i++) {
		uint64_t pair = get(n, c->page, i);

		if (!is_of(pair, c))
			continue;
		if (count < most)
			pairs[count] = pair;
		count++;
	}
	return count;
}

/* The last seen first. */
static void sort_by_age(uint64_t pairs[], size_t count, uint16_t now)
{
	static const size_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
		for (size_t i = gaps[g]; i < count; i++) {
			uint64_t pair = pairs[i];
			size_t to = i;

			for (;
			     to >= gaps[g] && age_at(pairs[to - gaps[g]], now) > age_at(pair, now);
			     to -= gaps[g])
				pairs[to] = pairs[to - gaps[g]];
			pairs[to] = pair;
		}
	}
}

/* The clients whose keys begin so: hardly ever more than one. */
static size_t clients_named(
    const struct snapshot *s, uint32_t name, uint32_t clients[], size_t most)
{
	uint32_t low = 0, high = s->client_count;
	size_t count = 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (client_name(s->clients[s->by_key[middle]].public_key) < name)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < s->client_count && count < most; low++) {
		if (client_name(s->clients[s->by_key[low]].public_key) != name)
			break;
		clients[count++] = s->by_key[low];
	}
	return count;
}

size_t networks_find(const struct networks *n, const struct snapshot *s, const struct addr *source,
    int64_t now_real_ns, uint32_t clients[], size_t most)
{
	struct chain c = chain_of(n, source);
	uint64_t pairs[NETWORKS_FOUND_MOST];
	size_t count = 0, found = 0;

	for (uint32_t page = 0; page < NETWORKS_CHAIN_MOST && page < n->pages; page++) {
		size_t room = NETWORKS_FOUND_MOST - count;
		uint32_t here = collect(n, &c, pairs + count, room);

		count += here < room ? here : room;
		if (here < NETWORKS_OF_NETWORK)
			break;
		go_on(n, &c);
	}
	sort_by_age(pairs, count, time_at(now_real_ns));
	for (size_t i = 0; i < count && found < most; i++)
		found += clients_named(s, client_in(pairs[i]), clients + found, most - found);
	return found;
}

/* --- Remembering */

/* What one look at a page tells. */
struct look {
	uint32_t same;   /* where the pair stands already; NETWORKS_PAGE_PAIRS: nowhere */
	uint32_t victim; /* whose place a new one takes */
	uint32_t of_network;
};

/* Whoever came long ago makes room; but first the client itself, so that one that goes through many
 * networks puts nobody out of more than one place. */
static struct look look_at(
    const struct networks *n, const struct chain *c, uint32_t client, uint16_t now)
{
	struct look l = {.same = NETWORKS_PAGE_PAIRS};
	uint32_t worst = 0;

	for (uint32_t i = 0; i < NETWORKS_PAGE_PAIRS; i++) {
		uint64_t pair = get(n, c->page, i);
		bool own = client_in(pair) == client;
		uint32_t rank = age_at(pair, now) + 1;

		if (pair == 0)
			rank = UINT32_MAX;
		else if (own)
			rank += 1U << 16;
		if (is_of(pair, c)) {
			l.of_network++;
			if (own)
				l.same = i;
		}
		if (rank > worst) {
			worst = rank;
			l.victim = i;
		}
	}
	return l;
}

void networks_seen(struct networks *n, const struct addr *source,
    const uint8_t key[static CLIENT_KEY_BYTES], int64_t now_real_ns)
{
	struct chain c = chain_of(n, source), at = c;
	uint16_t now = time_at(now_real_ns);
	uint32_t client = client_name(key), to = 0;
	uint64_t pair = (uint64_t)client << 32 | (uint64_t)c.network << 16 | now;

	for (uint32_t page = 0; page < NETWORKS_CHAIN_MOST && page < n->pages; page++) {
		struct look l = look_at(n, &c, client, now);

		at = c;
		to = l.victim;
		if (l.same < NETWORKS_PAGE_PAIRS)
			to = l.same;
		if (l.same < NETWORKS_PAGE_PAIRS || l.of_network < NETWORKS_OF_NETWORK)
			break;
		go_on(n, &c);
	}
	if (get(n, at.page, to) != pair)
		put(n, at.page, to, pair);
}
