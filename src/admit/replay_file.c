/* The file of the replay guard while it is in use; replay_start.c opens it. */
#include "admit/replay_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/secret.h"

#define HAND_STEPS 256 /* sets looked at for one that may be given away */

/* --- Keyed hashes and checks */

uint64_t replay_holder_hash(const struct replay *r, const struct replay_packet *p)
{
	uint64_t h = secret_hash(r->header->key, p->holder, p->kind == REPLAY_CLIENT ? 32 : 16);

	/* Never 0; the lowest bit is the kind. */
	return (h & ~UINT64_C(3)) | 2 | (uint64_t)p->kind;
}

uint64_t replay_nonce_hash(const struct replay *r, const struct replay_packet *p)
{
	return secret_hash(r->header->key, p->nonce, REPLAY_NONCE_BYTES) | 1;
}

/* Part of a set's check: bound to its place, so that parts and sets cannot change places. */
static uint64_t part(
    const struct replay *r, const struct replay_set *set, uint64_t place, int64_t a, uint64_t b)
{
	const uint64_t words[3] = {place << 32 | (uint64_t)(set - r->sets), (uint64_t)a, b};

	return secret_hash(r->header->key, words, sizeof words);
}

static uint64_t part_of_entry(const struct replay *r, const struct replay_set *set, uint32_t i)
{
	const struct replay_entry *e = &set->entries[i];

	return e->nonce == 0 && e->timestamp_ns == 0 ? 0
	                                             : part(r, set, i, e->timestamp_ns, e->nonce);
}

static uint64_t part_of_floor(const struct replay *r, const struct replay_set *set)
{
	return part(r, set, REPLAY_ENTRIES, set->floor_ns, set->holder);
}

uint64_t replay_holder_check(const struct replay *r, const struct replay_set *set)
{
	return part(r, set, REPLAY_ENTRIES + 1, 0, set->holder);
}

uint64_t replay_set_check(const struct replay *r, const struct replay_set *set)
{
	uint64_t check = part_of_floor(r, set);

	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++)
		check ^= part_of_entry(r, set, i);
	return check;
}

void replay_put_entry(
    const struct replay *r, struct replay_set *set, uint32_t i, int64_t stamp, uint64_t nonce)
{
	uint64_t before = part_of_entry(r, set, i);

	set->entries[i] = (struct replay_entry){stamp, nonce};
	set->check ^= before ^ part_of_entry(r, set, i);
}

void replay_put_floor(const struct replay *r, struct replay_set *set, int64_t floor_ns)
{
	uint64_t before = part_of_floor(r, set);

	set->floor_ns = floor_ns;
	set->check ^= before ^ part_of_floor(r, set);
}

void replay_empty_set(
    const struct replay *r, struct replay_set *set, uint64_t holder, int64_t floor)
{
	memset(set, 0, sizeof *set);
	set->floor_ns = floor;
	set->holder = holder;
	set->holder_check = replay_holder_check(r, set);
	set->check = replay_set_check(r, set);
}

uint64_t replay_marks_check(const struct replay *r, const struct replay_marks *m)
{
	return secret_hash(r->header->key, m, offsetof(struct replay_marks, check));
}

void replay_save_marks(struct replay *r)
{
	r->marks.turn++;
	r->marks.check = replay_marks_check(r, &r->marks);
	r->header->marks[r->marks.turn % 2] = r->marks;
}

void replay_raise_floor(struct replay *r, enum replay_kind kind, int64_t floor_ns)
{
	if (floor_ns <= r->marks.floor_ns[kind])
		return;
	r->marks.floor_ns[kind] = floor_ns;
	replay_save_marks(r);
	replay_save_marks(r);
}

bool replay_sync(const struct replay *r, const struct replay_set *set)
{
	uintptr_t page = (uintptr_t)set & ~(uintptr_t)(REPLAY_PAGE - 1);

	return msync((void *)page, REPLAY_PAGE, MS_SYNC) == 0 &&
	       msync(r->header, REPLAY_PAGE, MS_SYNC) == 0;
}

void replay_clock_recovered(struct replay *r, int64_t now_ns)
{
	int64_t boot_ns = now_ns - clock_boot_ns();

	/* What a power loss took was stamped before this boot, which only now can be told. */
	for (int kind = 0; kind < REPLAY_KINDS; kind++)
		replay_raise_floor(r, (enum replay_kind)kind, boot_ns + REPLAY_TOLERANCE_NS);
	r->marks.clock_behind = 0;
	replay_save_marks(r);
	replay_save_marks(r);
	log_line(
	    LOG_LEVEL_WARN, "the clock has passed the last knock that was granted: granting again");
}

/* --- Sets */

bool replay_is_past(int64_t timestamp_ns, int64_t now_ns, int64_t window_ns)
{
	return timestamp_ns < now_ns &&
	       (uint64_t)now_ns - (uint64_t)timestamp_ns > (uint64_t)window_ns;
}

struct replay_set *replay_find(const struct replay *r, uint64_t holder)
{
	for (uint32_t i = (uint32_t)(holder >> 8) & r->index_mask; r->index[i] != 0;
	     i = (i + 1) & r->index_mask) {
		struct replay_set *set = &r->sets[r->index[i] - 1];

		if (set->holder == holder)
			return set;
	}
	return NULL;
}

static void enter(struct replay *r, uint32_t number)
{
	uint32_t i = (uint32_t)(r->sets[number].holder >> 8) & r->index_mask;

	while (r->index[i] != 0)
		i = (i + 1) & r->index_mask;
	r->index[i] = number + 1;
	r->index_used++;
}

static void index_sets(struct replay *r)
{
	memset(r->index, 0, ((size_t)r->index_mask + 1) * sizeof *r->index);
	r->index_used = 0;
	for (uint32_t i = 0; i < r->marks.used; i++)
		if (r->sets[i].holder != 0)
			enter(r, i);
}

/* Where a set went to another holder its old place in the index stays, until it is made anew. */
static void enter_new(struct replay *r, uint32_t number)
{
	if (r->index_used > r->index_mask / 4 * 3)
		index_sets(r);
	else
		enter(r, number);
}

static bool grow(struct replay *r)
{
	static const uint8_t block[REPLAY_BLOCK * sizeof(struct replay_set)];

	if (r->there >= r->capacity)
		return false;
	if (pwrite(r->fd, block, sizeof block, (off_t)REPLAY_FILE_BYTES(r->there)) !=
	    (ssize_t)sizeof block)
		return false;
	r->there += REPLAY_BLOCK;
	return true;
}

/* The highest stamp that the set refuses; INT64_MAX unless it is past. */
static int64_t past_of(const struct replay *r, const struct replay_set *set, int64_t now_ns)
{
	int64_t window = r->window_ns[replay_kind_of(set->holder)], highest = set->floor_ns;

	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++) {
		const struct replay_entry *e = &set->entries[i];

		if (e->nonce != 0 && e->timestamp_ns > highest)
			highest = e->timestamp_ns;
	}
	return replay_is_past(highest, now_ns, window) ? highest : INT64_MAX;
}

/* What the old holder may not send again, nobody of its kind may then: no harm, for it is out of
 * the window. */
static struct replay_set *take_over_past(struct replay *r, int64_t now_ns)
{
	for (uint32_t n = 0; n < HAND_STEPS && n < r->marks.used; n++) {
		struct replay_set *set = &r->sets[r->hand++ % r->marks.used];
		int64_t past = past_of(r, set, now_ns);

		if (past != INT64_MAX) {
			replay_raise_floor(r, replay_kind_of(set->holder), past);
			return set;
		}
	}
	return NULL;
}

struct replay_set *replay_take(struct replay *r, uint64_t holder, int64_t now_ns)
{
	struct replay_set *set;

	if (r->marks.used < r->there || grow(r)) {
		set = &r->sets[r->marks.used];
		replay_empty_set(r, set, holder, INT64_MIN);
		r->marks.used++;
		replay_save_marks(r);
		replay_save_marks(r);
	} else {
		set = take_over_past(r, now_ns);
		if (set == NULL)
			return NULL;
		replay_empty_set(r, set, holder, INT64_MIN);
	}
	enter_new(r, (uint32_t)(set - r->sets));
	return set;
}

/* --- Size */

static bool map(struct replay *r, uint32_t capacity)
{
	size_t old = REPLAY_FILE_BYTES(r->capacity), size = REPLAY_FILE_BYTES(capacity);
	void *p = r->header == NULL ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0)
	                            : mremap(r->header, old, size, MREMAP_MAYMOVE);

	if (p == MAP_FAILED)
		return false;
	r->header = p;
	r->sets = (struct replay_set *)((uint8_t *)p + REPLAY_PAGE);
	r->capacity = capacity;
	return true;
}

/* Sets may be more than the file has: those are not touched before it has grown. */
bool replay_map(struct replay *r, uint32_t capacity)
{
	uint32_t size = 64, *index;

	while (size < capacity * 2)
		size *= 2;
	index = calloc(size, sizeof *index);
	if (index == NULL || !map(r, capacity)) {
		free(index);
		return false;
	}
	free(r->index);
	r->index = index;
	r->index_mask = size - 1;
	index_sets(r);
	return true;
}

bool replay_configure(
    struct replay *r, uint32_t holders, const int64_t window_ns[static REPLAY_KINDS])
{
	/* And some for those who have just left the configuration. */
	uint64_t capacity = ((uint64_t)holders + holders / 4 + 64) / REPLAY_BLOCK * REPLAY_BLOCK;

	if (capacity > UINT32_MAX / 4)
		return false;
	if (capacity > r->capacity && !replay_map(r, (uint32_t)capacity))
		return false;
	memcpy(r->window_ns, window_ns, sizeof r->window_ns);
	return true;
}

void replay_close(struct replay *r)
{
	if (r->header != NULL) {
		munmap(r->header, REPLAY_FILE_BYTES(r->capacity));
		fd_close(r->fd);
	}
	free(r->index);
	*r = (struct replay){0};
}
