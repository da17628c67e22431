#include "client/hint_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Open addressing. A cell is 0, or a mark of 12 bits from the client's id (never 0) over 20 bits of
 * its number. Where it stands the id says, too, so that of the cells passed on the way hardly any
 * is another's with the same mark; the mac tells those. */
#define CLIENT_BITS 20
#define CLIENT_MASK ((1U << CLIENT_BITS) - 1)
#define MARKS       ((1U << (32 - CLIENT_BITS)) - 1)
#define LEAST_CELLS 16

#define DAYS      3
#define NO_DAY    INT64_MIN
#define MACS_MOST 8   /* of clients called the same: a ninth is not found by its hint */
#define WALK_MOST 512 /* cells; of a million ids at random the longest walk is some 100 */
#define CLEAR_AT  64  /* cells cleared for each client that could be taken in */

#define PAUSE_NS      (10 * NS_PER_MS)
#define PAUSE_MOST_NS NS_PER_SECOND

_Static_assert(HINT_CLIENTS_MOST == 1U << CLIENT_BITS, "numbers fit into a cell");

struct day {
	int64_t day;      /* that can be searched; NO_DAY */
	int64_t wanted;   /* that it is to be */
	uint32_t cleared; /* cells */
	uint32_t taken;   /* clients that were taken in, or have no key */
	uint32_t *cells;
};

struct hint_table {
	struct snapshot config;
	const struct hint_keys *keys;
	uint32_t clients; /* that the keys are of, also when the configuration is unmapped */
	uint32_t cells;   /* of each day */
	struct day days[DAYS];
	int64_t pause_ns;
	struct hint_table *before; /* until this one is complete; with a configuration of its own */
};

/* --- Life */

static bool open_days(struct hint_table *t)
{
	for (size_t i = 0; i < DAYS; i++) {
		t->days[i] = (struct day){.day = NO_DAY, .wanted = NO_DAY};
		t->days[i].cells = calloc(t->cells, sizeof *t->days[i].cells);
		t->days[i].cleared = t->cells;
		if (t->days[i].cells == NULL)
			return false;
	}
	return true;
}

struct hint_table *hint_table_new(const struct snapshot *s, int keys)
{
	struct hint_table *t = NULL;

	errno = EFBIG;
	if (s->client_count <= HINT_CLIENTS_MOST)
		t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	t->config = *s;
	t->clients = s->client_count;
	t->pause_ns = PAUSE_NS;
	t->cells = LEAST_CELLS + s->client_count + s->client_count / 3 * 2;
	t->keys = hint_keys_map(keys, s->client_count);
	if (t->keys != NULL && open_days(t))
		return t;
	hint_table_free(t);
	return NULL;
}

static void drop_before(struct hint_table *t)
{
	if (t->before != NULL)
		snapshot_unmap(&t->before->config);
	hint_table_free(t->before);
	t->before = NULL;
}

void hint_table_free(struct hint_table *t)
{
	if (t == NULL)
		return;
	drop_before(t);
	hint_keys_unmap_of(t->keys, t->clients);
	for (size_t i = 0; i < DAYS; i++)
		free(t->days[i].cells);
	free(t);
}

/* Of two that may follow each other quickly the older one, when the younger has not come so far. */
void hint_table_follow(
    struct hint_table *t, struct hint_table *before, struct snapshot *config_before)
{
	if (t != NULL && before != NULL && before->before != NULL && !hint_table_complete(before)) {
		t->before = before->before;
		before->before = NULL;
	} else if (t != NULL && before != NULL) {
		drop_before(before);
		t->before = before;
		*config_before = (struct snapshot){0}; /* before->config is the same */
		return;
	}
	hint_table_free(before);
	snapshot_unmap(config_before);
}

/* --- Finding */

static uint32_t first_cell(const struct hint_table *t, uint32_t id)
{
	return (uint32_t)(((uint64_t)id * t->cells) >> 32);
}

static uint32_t mark_of(uint32_t id)
{
	return id % MARKS + 1;
}

static const struct day *find_day(const struct hint_table *t, int64_t day)
{
	for (size_t i = 0; i < DAYS; i++) {
		if (t->days[i].day == day)
			return &t->days[i];
	}
	return NULL;
}

/* What a knock says that its mac is about. */
struct said {
	const uint8_t *nonce;
	int64_t timestamp_ns;
	const uint8_t *target;
	const uint8_t *ephemeral;
};

static bool is_made_by(const struct hint_table *t, uint32_t client, const struct said *s)
{
	return hint_fits(t->keys->keys[client], s->nonce, s->timestamp_ns, s->target, s->ephemeral);
}

static uint32_t find_own(const struct hint_table *t, const struct said *s)
{
	const struct day *d = find_day(t, hint_day(s->timestamp_ns));
	uint32_t id = hint_named(s->nonce), at = first_cell(t, id), macs = 0;

	for (uint32_t i = 0; d != NULL && i < WALK_MOST && d->cells[at] != 0; i++) {
		uint32_t cell = d->cells[at];

		if (cell >> CLIENT_BITS == mark_of(id)) {
			if (is_made_by(t, cell & CLIENT_MASK, s))
				return cell & CLIENT_MASK;
			if (++macs == MACS_MOST)
				break;
		}
		at = at + 1 < t->cells ? at + 1 : 0;
	}
	return DIRECTORY_NOBODY;
}

uint32_t hint_table_find(const struct hint_table *t, const uint8_t nonce[static OPENME_NONCE_BYTES],
    int64_t timestamp_ns, const uint8_t target[static ADDR_BYTES],
    const uint8_t ephemeral[static OPENME_PUBLIC_BYTES])
{
	const struct said said = {nonce, timestamp_ns, target, ephemeral};
	uint32_t client = find_own(t, &said);
	int64_t now = -1;

	if (client != DIRECTORY_NOBODY || t->before == NULL)
		return client;
	client = find_own(t->before, &said);
	if (client != DIRECTORY_NOBODY)
		now =
		    snapshot_find_client(&t->config, t->before->config.clients[client].public_key);
	return now < 0 ? DIRECTORY_NOBODY : (uint32_t)now;
}

/* --- Filling */

/* False when it would stand too far off. */
static bool put(const struct hint_table *t, struct day *d, uint32_t client)
{
	uint32_t id = hint_id(t->keys->keys[client], d->day), at = first_cell(t, id);

	for (uint32_t i = 0; i < WALK_MOST; i++) {
		if (d->cells[at] == 0) {
			d->cells[at] = mark_of(id) << CLIENT_BITS | client;
			return true;
		}
		at = at + 1 < t->cells ? at + 1 : 0;
	}
	return false;
}

static void want(struct day *d, int64_t day)
{
	d->day = NO_DAY;
	d->wanted = day;
	d->cleared = 0;
}

/* The days around now; those that are there already stay. */
static void turn_days(struct hint_table *t, int64_t today)
{
	/* The most important first. */
	const int64_t wanted[DAYS] = {today, today + 1, today - 1};

	for (size_t i = 0; i < DAYS; i++) {
		size_t at = 0;

		while (at < DAYS && t->days[at].wanted != wanted[i])
			at++;
		if (at < DAYS) {
			const struct day found = t->days[at];

			t->days[at] = t->days[i];
			t->days[i] = found;
		}
	}
	for (size_t i = 0; i < DAYS; i++) {
		if (t->days[i].wanted != wanted[i])
			want(&t->days[i], wanted[i]);
	}
}

/* Whether there was something to do, and some of it is done. */
static bool work_on(const struct hint_table *t, struct day *d, uint32_t most, uint32_t ready)
{
	if (d->day == NO_DAY) {
		uint32_t left = t->cells - d->cleared;
		uint32_t count = left / CLEAR_AT < most ? left : most * CLEAR_AT;

		memset(d->cells + d->cleared, 0, count * sizeof *d->cells);
		d->cleared += count;
		if (d->cleared == t->cells) {
			d->taken = 0;
			d->day = d->wanted;
		}
		return true;
	}
	if (d->taken == ready)
		return false;
	for (uint32_t i = 0; i < most && d->taken < ready; i++, d->taken++) {
		if (hint_keys_has(t->keys, d->taken))
			put(t, d, d->taken);
	}
	return true;
}

bool hint_table_complete(const struct hint_table *t)
{
	for (size_t i = 0; i < DAYS; i++) {
		if (t->days[i].day == NO_DAY || t->days[i].taken < t->config.client_count)
			return false;
	}
	return true;
}

bool hint_table_work(struct hint_table *t, uint32_t most, int64_t now_ns)
{
	uint32_t ready = hint_keys_ready(t->keys);

	if (ready > t->config.client_count)
		ready = t->config.client_count; /* the count there is its writer's */
	turn_days(t, hint_day(now_ns));
	for (size_t i = 0; i < DAYS; i++) {
		if (work_on(t, &t->days[i], most, ready)) {
			t->pause_ns = PAUSE_NS;
			return true;
		}
	}
	if (t->before != NULL && hint_table_complete(t))
		drop_before(t);
	return false;
}

int64_t hint_table_pause_ns(struct hint_table *t)
{
	int64_t pause_ns = t->pause_ns;

	t->pause_ns = pause_ns < PAUSE_MOST_NS / 2 ? 2 * pause_ns : PAUSE_MOST_NS;
	return pause_ns;
}
