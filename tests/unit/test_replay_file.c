/* The replay guard's file: restarts, boots, clocks, and damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admit/replay_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "caught_log.h"
#include "mapped_files.h"
#include "replay_admit.h"
#include "short_memory.h"

#define S INT64_C(1000000000)

static const int64_t NOW = INT64_C(1795206902) * S;
static const int64_t WINDOWS[REPLAY_KINDS] = {[REPLAY_CLIENT] = 60 * S, 300 * S};

static struct replay guard;
static int file;

static struct replay_start started_at(int64_t now)
{
	struct replay_start s = {.origin = REPLAY_KEPT,
	    .boot_id = "this boot",
	    .boot_ns = NOW - 3600 * S,
	    .now_ns = now};

	memcpy(s.window_ns, WINDOWS, sizeof WINDOWS);
	return s;
}

/* A daemon's start with what its predecessor, however it ended, left in the file. */
static void start_by(const struct replay_start *s)
{
	replay_close(&guard);
	assert_true(replay_prepare(file, s));
	assert_true(replay_open(&guard, dup(file)));
	assert_true(replay_configure(&guard, 16, WINDOWS));
}

static void start(int64_t now)
{
	const struct replay_start s = started_at(now);

	start_by(&s);
}

/* What is logged meanwhile. */
static const char *said_at_start(const struct replay_start *s)
{
	caught_log_begin(LOG_LEVEL_ERROR);
	start_by(s);
	return caught_log_end();
}

static int set_up(void **state)
{
	struct replay_start s = started_at(NOW);

	(void)state;
	s.origin = REPLAY_FIRST;
	file = replay_memory_file();
	start_by(&s);
	return file < 0;
}

static int tear_down(void **state)
{
	(void)state;
	replay_close(&guard);
	return close(file);
}

struct packet {
	enum replay_kind kind;
	uint8_t holder;
	uint32_t nonce;
	int64_t stamp;
};

static enum verdict verdict_of(const struct packet *a, int64_t now)
{
	uint8_t who[32] = {a->holder}, nonce[REPLAY_NONCE_BYTES] = {0};
	const struct replay_packet p = {a->kind, who, nonce, a->stamp, {{0}}};

	memcpy(nonce, &a->nonce, sizeof a->nonce);
	if (!replay_in_window(a->stamp, now, WINDOWS[a->kind]))
		return VERDICT_STALE;
	return replay_admit(&guard, &p, now);
}

static enum verdict knock(uint8_t holder, int64_t stamp, uint32_t nonce, int64_t now)
{
	return verdict_of(&(struct packet){REPLAY_CLIENT, holder, nonce, stamp}, now);
}

static void survives_the_end(void **state)
{
	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	assert_int_equal(knock(1, NOW + 59 * S, 2, NOW), VERDICT_PASS);
	for (int i = 0; i < 20; i++) {
		int64_t now = NOW + (i + 1) * S;

		start(now);
		assert_int_equal(knock(1, NOW, 1, now), VERDICT_REPLAYED);
		assert_int_equal(knock(1, NOW + 59 * S, 2, now), VERDICT_REPLAYED);
		/* and honest ones are not lost, on the way at the start neither */
		assert_int_equal(knock(1, now - S / 2, 100 + (uint32_t)i, now), VERDICT_PASS);
		assert_int_equal(knock(2, now - 50 * S, 200 + (uint32_t)i, now), VERDICT_PASS);
	}
}

/* To two places, so that one is whole while the other is written. */
static void marks_are_written_by_turns(void **state)
{
	const struct replay_marks *marks = guard.header->marks;

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		uint64_t newer = guard.marks.turn % 2, turn = guard.marks.turn;

		assert_int_equal(marks[newer].turn, turn);
		assert_int_equal(marks[1 - newer].turn, turn - 1);
		for (int place = 0; place < 2; place++)
			assert_true(
			    marks[place].check == replay_marks_check(&guard, &marks[place]));
		assert_int_equal(knock(1, NOW + i, i, NOW + i + 1), VERDICT_PASS);
		assert_true(guard.marks.turn > turn);
	}
}

/* Then the other is read, and nothing is lost. */
static void marks_that_are_damaged_in_one_place(void **state)
{
	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	for (uint32_t place = 0; place < 2; place++) {
		guard.header->marks[place].check ^= 1;
		start(NOW + S);
		for (int i = 0; i < 2; i++)
			assert_true(guard.header->marks[i].check ==
			            replay_marks_check(&guard, &guard.header->marks[i]));
		assert_int_equal(knock(1, NOW, 1, NOW + S), VERDICT_REPLAYED);
		assert_int_equal(knock(1, NOW + S, 2 + place, NOW + S), VERDICT_PASS);
	}
}

static void a_new_file_has_a_key_of_its_own(void **state)
{
	(void)state;
	assert_false(sodium_is_zero(guard.header->key, sizeof guard.header->key));
}

/* In whole blocks, one at least for the first. */
static void reserved_in_blocks(void **state)
{
	static const uint32_t sets[] = {0, 1, REPLAY_BLOCK, REPLAY_BLOCK + 1};
	static const uint32_t there[] = {0, REPLAY_BLOCK, REPLAY_BLOCK, 2 * REPLAY_BLOCK};

	(void)state;
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
		int fd = replay_memory_file();
		struct stat st;

		assert_true(replay_file_reserve(fd, sets[i]));
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, REPLAY_FILE_BYTES(there[i]));
		close(fd);
	}
	assert_false(replay_file_reserve(-1, 1));
}

static void no_start_without_memory(void **state)
{
	const struct replay_start s = started_at(NOW);
	struct replay other;

	(void)state;
	short_memory(1);
	assert_false(replay_prepare(file, &s));
	assert_true(short_memory_failed());
	for (size_t nth = 1; nth <= 2; nth++) {
		short_memory(nth);
		assert_false(replay_open(&other, dup(file)));
		assert_true(short_memory_failed());
		replay_close(&other);
	}
}

/* What nobody has put in order is not gone on with. */
static void only_what_was_prepared(void **state)
{
	const struct replay_start s = started_at(NOW);
	int fd = replay_memory_file();
	struct replay other;

	(void)state;
	assert_false(replay_open(&other, dup(fd)));
	replay_close(&other);
	assert_true(replay_file_reserve(fd, 1));
	assert_false(replay_open(&other, dup(fd)));
	replay_close(&other);
	assert_true(replay_prepare(fd, &s));
	assert_true(replay_open(&other, dup(fd)));
	replay_close(&other);
	assert_false(replay_prepare(-1, &s));
	assert_false(replay_open(&other, -1));
	close(fd);
}

static void nothing_is_left_open(void **state)
{
	int fd = guard.fd;

	(void)state;
	assert_int_equal(mapped_files("postern-replay"), 1);
	replay_close(&guard);
	assert_int_equal(mapped_files("postern-replay"), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	replay_close(&guard); /* there is nothing to close any more */
}

/* Whichever of the two is read by the next start, and each kind by itself. */
static void a_floor_for_all_is_in_both_places(void **state)
{
	const struct replay_marks *marks = guard.header->marks;

	(void)state;
	replay_raise_floor(&guard, REPLAY_DEVICE, NOW);
	replay_raise_floor(&guard, REPLAY_CLIENT, NOW - S);
	replay_raise_floor(&guard, REPLAY_CLIENT, NOW - 2 * S);
	for (int i = 0; i < 2; i++) {
		assert_true(marks[i].floor_ns[REPLAY_DEVICE] == NOW);
		assert_true(marks[i].floor_ns[REPLAY_CLIENT] == NOW - S);
	}
}

static void floors_survive(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(knock(1, NOW + i, i, NOW + i), VERDICT_PASS);
	start(NOW + S);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(knock(1, NOW + i, i, NOW + S), VERDICT_REPLAYED);
	assert_int_equal(knock(1, NOW + 200, 200, NOW + S), VERDICT_PASS);
}

static void only_a_new_boot_refuses_what_was_before_it(void **state)
{
	struct replay_start s = started_at(NOW + 40 * S);

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	memcpy(s.boot_id, "next boot", 9);
	s.boot_ns = NOW + 20 * S;
	start_by(&s);
	for (int i = 0; i < 2; i++) {
		uint32_t n = 10 * (uint32_t)i;
		int64_t edge = s.boot_ns + REPLAY_TOLERANCE_NS, now = NOW + 40 * S;

		assert_int_equal(knock(1, NOW, 1, now), VERDICT_REPLAYED);
		/* as a packet of the lost moments is */
		assert_int_equal(knock(1, NOW + 1, 2, now), VERDICT_NOT_REMEMBERED);
		assert_int_equal(knock(3, edge, 3, now), VERDICT_NOT_REMEMBERED);
		assert_int_equal(knock(3, edge + 1, 4 + n, now), VERDICT_PASS);
		/* the same boot from now on, and the floor stands */
		start(now);
	}
}

static void a_power_loss_that_takes_a_new_set(void **state)
{
	struct replay_start s = started_at(NOW + 40 * S);

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	assert_int_equal(knock(2, NOW, 1, NOW), VERDICT_PASS);
	memset(&guard.sets[1], 0, sizeof guard.sets[1]);
	memcpy(s.boot_id, "next boot", 9);
	s.boot_ns = NOW + 20 * S;
	assert_string_equal(said_at_start(&s), ""); /* as it may be, and nothing is damaged */
	assert_string_equal(guard.header->boot_id, "next boot");
	assert_int_equal(knock(2, NOW, 1, NOW + 40 * S), VERDICT_NOT_REMEMBERED);
	assert_int_equal(knock(2, NOW + 40 * S, 2, NOW + 40 * S), VERDICT_PASS);
	assert_int_equal(knock(1, NOW + 40 * S, 2, NOW + 40 * S), VERDICT_PASS);
}

static void a_clock_that_is_behind(void **state)
{
	const int64_t back = NOW - 30 * S;
	const struct replay_start s = started_at(back);

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	assert_non_null(strstr(said_at_start(&s), "the clock is behind the last knock"));
	assert_int_equal(knock(1, NOW, 1, back), VERDICT_REPLAYED);
	assert_int_equal(knock(2, back, 2, back), VERDICT_NOT_REMEMBERED);
	assert_int_equal(knock(2, NOW + S, 2, back), VERDICT_NOT_REMEMBERED);
	start(back); /* it is not forgotten by another start */
	assert_int_equal(knock(2, NOW, 2, NOW), VERDICT_NOT_REMEMBERED);
	assert_int_equal(guard.marks.clock_behind, 1);
	assert_int_equal(knock(2, NOW + 1, 2, NOW + 1), VERDICT_PASS);
	assert_int_equal(guard.marks.clock_behind, 0);
	assert_int_equal(knock(1, NOW, 1, NOW + 1), VERDICT_REPLAYED);
	start(NOW + 2);
	assert_int_equal(knock(2, NOW + 2, 3, NOW + 2), VERDICT_PASS);
}

/* A machine without a battery for its clock, after a power loss: the lost moments are those before
 * the boot by the clock once it is right, and not by what it was at the start. */
static void a_new_boot_with_a_clock_that_is_behind(void **state)
{
	struct replay_start s = started_at(NOW - 3600 * S);

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	memcpy(s.boot_id, "next boot", 9);
	s.boot_ns = s.now_ns - 10 * S;
	start_by(&s);
	assert_true(guard.marks.clock_ns == NOW + 60 * S);
	/* granted in the last moments, and lost */
	for (int64_t now = NOW - 30 * S; now <= NOW + 60 * S; now += S)
		assert_int_equal(knock(1, NOW + 20 * S, 2, now), VERDICT_NOT_REMEMBERED);
	/* the clock is put right */
	assert_int_equal(knock(1, NOW + 20 * S, 2, NOW + 70 * S), VERDICT_NOT_REMEMBERED);
	assert_int_equal(guard.marks.clock_behind, 0);
}

/* Then it can be told when this boot was, and what was stamped before that is refused. */
static void a_clock_that_was_put_right(void **state)
{
	const int64_t now = NOW + 1000 * 3600 * S, before = clock_boot_ns();
	int64_t after;

	(void)state;
	guard.marks.clock_behind = 1;
	caught_log_begin(LOG_LEVEL_WARN);
	replay_clock_recovered(&guard, now);
	assert_non_null(strstr(caught_log_end(), "granting again"));
	after = clock_boot_ns();
	assert_int_equal(guard.marks.clock_behind, 0);
	for (int kind = 0; kind < REPLAY_KINDS; kind++) {
		int64_t floor_ns = guard.marks.floor_ns[kind] - REPLAY_TOLERANCE_NS;

		assert_true(floor_ns >= now - after && floor_ns <= now - before);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(guard.header->marks[i].clock_behind, 0);
}

static void nothing_known_is_closed_for_a_window(void **state)
{
	static const enum replay_origin origins[] = {REPLAY_LOST, REPLAY_KEPT};
	char until[CLOCK_TEXT_BYTES];
	const char *text;

	(void)state;
	for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
		struct replay_start s = started_at(NOW);

		assert_int_equal(ftruncate(file, 0), 0);
		s.origin = origins[i];
		text = said_at_start(&s);
		assert_non_null(strstr(text, "file=replay"));
		assert_non_null(strstr(text, clock_text(NOW + 60 * S, until)));
		assert_non_null(strstr(text, clock_text(NOW + 300 * S, until)));
		start(NOW + S); /* and another start does not open it */
		assert_int_equal(knock(1, NOW + 60 * S, 1, NOW + S), VERDICT_NOT_REMEMBERED);
		assert_int_equal(knock(1, NOW + 60 * S + 1, 1, NOW + S), VERDICT_PASS);
		assert_int_equal(
		    verdict_of(&(struct packet){REPLAY_DEVICE, 1, 1, NOW + 300 * S}, NOW + S),
		    VERDICT_NOT_REMEMBERED);
		assert_int_equal(
		    verdict_of(&(struct packet){REPLAY_DEVICE, 1, 1, NOW + 300 * S + 1}, NOW + S),
		    VERDICT_PASS);
	}
}

static void another_version_is_closed(void **state)
{
	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	guard.header->version++;
	start(NOW + S);
	assert_int_equal(knock(1, NOW, 1, NOW + S), VERDICT_NOT_REMEMBERED);
	assert_int_equal(knock(1, NOW + 62 * S, 1, NOW + 62 * S), VERDICT_PASS);
}

static void a_damaged_set_is_its_holders(void **state)
{
	const struct replay_start s = started_at(NOW + S);

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	assert_int_equal(knock(2, NOW, 1, NOW), VERDICT_PASS);
	assert_string_equal(said_at_start(&s), "");
	guard.sets[0].entries[0].nonce ^= 2;
	assert_non_null(strstr(said_at_start(&s), "granted to 1 clients or devices is damaged"));
	assert_int_equal(knock(1, NOW, 1, NOW + S), VERDICT_NOT_REMEMBERED);
	assert_int_equal(knock(1, NOW + 61 * S, 2, NOW + S), VERDICT_NOT_REMEMBERED);
	assert_int_equal(knock(2, NOW, 1, NOW + S), VERDICT_REPLAYED);
	assert_int_equal(knock(2, NOW + S, 2, NOW + S), VERDICT_PASS);
	assert_int_equal(knock(1, NOW + 62 * S, 3, NOW + 62 * S), VERDICT_PASS);
}

static void sets_that_change_places_are_damaged(void **state)
{
	struct replay_set first;

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	assert_int_equal(knock(2, NOW, 1, NOW), VERDICT_PASS);
	first = guard.sets[0];
	guard.sets[0] = guard.sets[1];
	start(NOW + S);
	assert_int_equal(knock(1, NOW, 1, NOW + S), VERDICT_NOT_REMEMBERED);
	guard.sets[1] = first;
	start(NOW + S);
	assert_int_equal(knock(2, NOW, 1, NOW + S), VERDICT_NOT_REMEMBERED);
}

/* --- The disk */

static unsigned int syncs, writes;
static bool disk_is_full;

int __real_msync(void *p, size_t size, int flags);
int __wrap_msync(void *p, size_t size, int flags)
{
	syncs++;
	return disk_is_full ? -1 : __real_msync(p, size, flags);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	writes++;
	return disk_is_full ? -1 : __real_pwrite64(fd, data, size, offset);
}

static void stamped_far_ahead_is_on_the_disk_first(void **state)
{
	const int64_t now = NOW + S;

	(void)state;
	syncs = 0;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	writes = 0;
	for (uint32_t i = 2; i < 100; i++)
		assert_int_equal(knock(1, NOW + i, i, NOW + i), VERDICT_PASS);
	assert_int_equal(knock(1, now + REPLAY_TOLERANCE_NS, 100, now), VERDICT_PASS);
	assert_int_equal(syncs, 0);
	assert_int_equal(knock(1, now + REPLAY_TOLERANCE_NS + 1, 101, now), VERDICT_PASS);
	assert_int_equal(syncs, 2); /* the set and the marks */
	disk_is_full = true;
	assert_int_equal(knock(1, now + 10 * S, 102, now), VERDICT_NO_MEMORY);
	disk_is_full = false;
	assert_int_equal(knock(1, now + 10 * S, 102, now), VERDICT_REPLAYED);
	assert_int_equal(writes, 0);
}

static bool no_mapping;

void *__real_mremap(void *old, size_t old_size, size_t size, int flags);
void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags)
{
	return no_mapping ? MAP_FAILED : __real_mremap(old, old_size, size, flags);
}

static void a_disk_that_is_full_from_the_start(void **state)
{
	(void)state;
	disk_is_full = true;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_NO_MEMORY);
	disk_is_full = false;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
}

/* For more holders there is no room: the next configuration is refused, and all goes on. */
static void a_mapping_that_does_not_grow(void **state)
{
	uint32_t capacity = guard.capacity;

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	no_mapping = true;
	assert_false(replay_configure(&guard, 1000, WINDOWS));
	no_mapping = false;
	assert_false(replay_configure(&guard, UINT32_MAX, WINDOWS));
	assert_int_equal(guard.capacity, capacity);
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_REPLAYED);
	assert_true(replay_configure(&guard, 1000, WINDOWS));
	assert_true(guard.capacity >= 1000);
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_REPLAYED);
}

static void a_disk_that_fills_up_refuses_the_new_ones(void **state)
{
	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	disk_is_full = true;
	for (uint8_t i = 2; i <= REPLAY_BLOCK; i++)
		assert_int_equal(knock(i, NOW, 1, NOW), VERDICT_PASS);
	assert_int_equal(knock(100, NOW, 1, NOW), VERDICT_NO_MEMORY);
	assert_int_equal(knock(1, NOW, 2, NOW), VERDICT_PASS);
	/* until there is room again, or something is past */
	assert_int_equal(knock(100, NOW + 61 * S, 1, NOW + 61 * S), VERDICT_PASS);
	assert_int_equal(knock(1, NOW, 2, NOW), VERDICT_NOT_REMEMBERED);
	disk_is_full = false;
	assert_int_equal(knock(101, NOW + 61 * S, 1, NOW + 61 * S), VERDICT_PASS);
}

/* What is past is so by the configuration in force. */
static void a_window_that_is_made_longer(void **state)
{
	static const int64_t longer[REPLAY_KINDS] = {[REPLAY_CLIENT] = 120 * S, 300 * S};

	(void)state;
	assert_int_equal(knock(1, NOW, 1, NOW), VERDICT_PASS);
	disk_is_full = true;
	for (uint8_t i = 2; i <= REPLAY_BLOCK; i++)
		assert_int_equal(knock(i, NOW, 1, NOW), VERDICT_PASS);
	assert_true(replay_configure(&guard, 16, longer));
	assert_int_equal(knock(100, NOW + 61 * S, 1, NOW + 61 * S), VERDICT_NO_MEMORY);
	assert_int_equal(knock(100, NOW + 121 * S, 1, NOW + 121 * S), VERDICT_PASS);
	disk_is_full = false;
}

/* --- Damage, wherever it is */

#define ADMITTED 70

static struct packet packets[ADMITTED];

static void admit_some(void)
{
	for (uint32_t i = 0; i < ADMITTED; i++) {
		int64_t ahead = i % 3 == 0 ? 55 * S : 0;

		packets[i] = (struct packet){i % 4 == 0 ? REPLAY_DEVICE : REPLAY_CLIENT,
		    (uint8_t)(i % 5), i, NOW + (int64_t)i + ahead};
		assert_int_equal(verdict_of(&packets[i], NOW + 1000), VERDICT_PASS);
	}
}

/* None of what was granted gets in again while it is fresh, and after that everybody does. */
static void assert_closed(const char *what, size_t where)
{
	static const int64_t later[] = {2, 30, 59, 100};

	for (size_t t = 0; t < sizeof later / sizeof *later; t++)
		for (uint32_t i = 0; i < ADMITTED; i++)
			if (verdict_of(&packets[i], NOW + later[t] * S) == VERDICT_PASS)
				fail_msg("%s %zu: packet %u got in again", what, where, i);
	for (uint8_t holder = 0; holder < 5; holder++) {
		struct packet p = {REPLAY_DEVICE, holder, 1000, NOW + 302 * S};

		if (knock(holder, NOW + 62 * S, 1000, NOW + 62 * S) != VERDICT_PASS ||
		    verdict_of(&p, NOW + 302 * S) != VERDICT_PASS)
			fail_msg("%s %zu: %u is locked out", what, where, holder);
	}
}

static void put(const uint8_t *bytes, size_t size)
{
	replay_close(&guard);
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, bytes, size, 0), size);
	start(NOW + S);
}

static uint8_t *whole(size_t *size)
{
	uint8_t *bytes;
	struct stat st;

	assert_int_equal(fstat(file, &st), 0);
	*size = (size_t)st.st_size;
	bytes = malloc(*size);
	assert_non_null(bytes);
	assert_int_equal(pread(file, bytes, *size, 0), st.st_size);
	return bytes;
}

static void every_byte_flipped(void **state)
{
	size_t size, used;
	uint8_t *bytes;

	(void)state;
	admit_some();
	used = REPLAY_FILE_BYTES(guard.marks.used);
	bytes = whole(&size);
	for (size_t i = 0; i < used; i++) {
		if (i == sizeof(struct replay_header))
			i = REPLAY_PAGE;
		bytes[i] ^= 1 << i % 8;
		put(bytes, size);
		bytes[i] ^= 1 << i % 8;
		assert_closed("byte", i);
	}
	free(bytes);
}

static void every_page_and_sector_zeroed(void **state)
{
	static const size_t runs[] = {512, 1024, REPLAY_PAGE};
	uint8_t *bytes, *damaged;
	size_t size;

	(void)state;
	admit_some();
	bytes = whole(&size);
	damaged = malloc(size);
	assert_non_null(damaged);
	for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
		for (size_t i = 0; i < size; i += runs[r]) {
			memcpy(damaged, bytes, size);
			memset(damaged + i, 0, runs[r]);
			put(damaged, size);
			assert_closed("run from", i);
		}
	}
	free(damaged);
	free(bytes);
}

static void cut_off_at_every_length(void **state)
{
	size_t size;
	uint8_t *bytes;

	(void)state;
	admit_some();
	bytes = whole(&size);
	for (size_t length = 0; length < size; length += length < 300 ? 1 : 97) {
		put(bytes, length);
		assert_closed("length", length);
	}
	free(bytes);
}

static void any_rubbish(void **state)
{
	uint8_t rubbish[3 * REPLAY_PAGE];

	(void)state;
	admit_some();
	for (unsigned int i = 0; i < 200; i++) {
		uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)i};

		randombytes_buf_deterministic(rubbish, sizeof rubbish, seed);
		put(rubbish, sizeof rubbish);
		assert_closed("rubbish", i);
	}
}

static void many_holders_and_a_file_that_grows(void **state)
{
	const uint32_t many = 5000;
	struct stat st;

	(void)state;
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, REPLAY_PAGE);
	assert_true(replay_configure(&guard, many, WINDOWS));
	for (uint32_t i = 0; i < many; i++) {
		uint8_t who[32] = {0}, nonce[REPLAY_NONCE_BYTES] = {0};
		const struct replay_packet p = {REPLAY_CLIENT, who, nonce, NOW, {{0}}};

		memcpy(who, &i, sizeof i);
		assert_int_equal(replay_check(&guard, &p, NOW), VERDICT_PASS);
		assert_int_equal(replay_grant(&guard, &p, NOW), VERDICT_PASS);
	}
	assert_int_equal(fstat(file, &st), 0);
	assert_in_range(
	    st.st_size, REPLAY_FILE_BYTES(many), REPLAY_FILE_BYTES(many + REPLAY_BLOCK));
	start(NOW + S); /* with fewer in the configuration, too */
	for (uint32_t i = 0; i < many; i++) {
		uint8_t who[32] = {0}, nonce[REPLAY_NONCE_BYTES] = {0};
		const struct replay_packet p = {REPLAY_CLIENT, who, nonce, NOW, {{0}}};

		memcpy(who, &i, sizeof i);
		assert_int_equal(replay_check(&guard, &p, NOW + S), VERDICT_REPLAYED);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(survives_the_end),
	    T(marks_that_are_damaged_in_one_place),
	    T(a_new_file_has_a_key_of_its_own),
	    T(reserved_in_blocks),
	    T(no_start_without_memory),
	    T(only_what_was_prepared),
	    T(nothing_is_left_open),
	    T(marks_are_written_by_turns),
	    T(a_floor_for_all_is_in_both_places),
	    T(floors_survive),
	    T(only_a_new_boot_refuses_what_was_before_it),
	    T(a_power_loss_that_takes_a_new_set),
	    T(a_clock_that_is_behind),
	    T(a_new_boot_with_a_clock_that_is_behind),
	    T(a_clock_that_was_put_right),
	    T(nothing_known_is_closed_for_a_window),
	    T(another_version_is_closed),
	    T(a_damaged_set_is_its_holders),
	    T(sets_that_change_places_are_damaged),
	    T(stamped_far_ahead_is_on_the_disk_first),
	    T(a_disk_that_is_full_from_the_start),
	    T(a_mapping_that_does_not_grow),
	    T(a_disk_that_fills_up_refuses_the_new_ones),
	    T(a_window_that_is_made_longer),
	    T(every_byte_flipped),
	    T(every_page_and_sector_zeroed),
	    T(cut_off_at_every_length),
	    T(any_rubbish),
	    T(many_holders_and_a_file_that_grows),
	};

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
