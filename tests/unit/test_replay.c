#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admit/replay.h"

#define S INT64_C(1000000000)

static const int64_t NOW = INT64_C(1795206902) * S;
static const int64_t WINDOW = 60 * S;

struct nonce {
	uint8_t bytes[REPLAY_NONCE_BYTES];
};

static struct nonce nonce_of(uint32_t n)
{
	struct nonce nonce = {{0}};

	memcpy(nonce.bytes, &n, sizeof n);
	return nonce;
}

/* A packet as the keeper treats it. */
static bool admitted(struct replay *r, int64_t timestamp, uint32_t n, int64_t now)
{
	struct nonce nonce = nonce_of(n);

	return replay_in_window(timestamp, now, WINDOW) &&
	       replay_is_new(r, timestamp, nonce.bytes) &&
	       replay_remember(r, timestamp, nonce.bytes, now, WINDOW);
}

static void window_includes_its_edge(void **state)
{
	static const struct {
		int64_t offset;
		bool inside;
	} edges[] = {{0, true}, {60 * S - 1, true}, {60 * S, true}, {60 * S + 1, false},
	    {-60 * S + 1, true}, {-60 * S, true}, {-60 * S - 1, false}};

	(void)state;
	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
		assert_int_equal(
		    replay_in_window(NOW + edges[i].offset, NOW, WINDOW), edges[i].inside);
}

static void window_does_not_overflow(void **state)
{
	(void)state;
	assert_false(replay_in_window(INT64_MIN, NOW, WINDOW));
	assert_false(replay_in_window(INT64_MAX, NOW, WINDOW));
	assert_false(replay_in_window(INT64_MIN, INT64_MAX, INT64_MAX));
	assert_false(replay_in_window(INT64_MAX, INT64_MIN, INT64_MAX));
	assert_true(replay_in_window(0, NOW, INT64_MAX));
	assert_true(replay_in_window(INT64_MAX, INT64_MAX, 1));
	/* other units than nanoseconds are simply outside */
	assert_false(replay_in_window(NOW / 1000, NOW, WINDOW));
	assert_false(replay_in_window(NOW / S, NOW, WINDOW));
}

static void once_only(void **state)
{
	struct replay r = {0};

	(void)state;
	assert_true(admitted(&r, NOW, 1, NOW));
	assert_false(admitted(&r, NOW, 1, NOW));
	assert_true(admitted(&r, NOW, 2, NOW));
	/* the nonce counts, not the stamp beside it */
	assert_false(admitted(&r, NOW + 1, 1, NOW));
	replay_clear(&r);
}

/* The reference forgets a nonce after one window, while its stamp is good for almost two. */
static void stamped_ahead_is_refused_for_as_long_as_it_is_fresh(void **state)
{
	struct replay r = {0};
	int64_t stamp = NOW + 59 * S;

	(void)state;
	assert_true(admitted(&r, stamp, 1, NOW));
	for (int64_t s = 0; s <= 130; s++) {
		assert_true(admitted(&r, NOW + s * S, (uint32_t)(100 + s), NOW + s * S));
		assert_false(admitted(&r, stamp, 1, NOW + s * S));
	}
	replay_clear(&r);
}

static void full_set_raises_the_floor(void **state)
{
	struct replay r = {0};

	(void)state;
	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++)
		assert_true(admitted(&r, NOW + i, i, NOW));
	assert_false(r.has_floor);
	assert_true(admitted(&r, NOW + 1000, 1000, NOW));
	assert_true(r.has_floor);
	assert_true(r.floor_ns == NOW);
	/* the one that had to go is refused by the floor, its elders too, the next one not */
	assert_false(admitted(&r, NOW, 0, NOW));
	assert_false(admitted(&r, NOW, 7777, NOW));
	assert_false(admitted(&r, NOW - 1, 7778, NOW));
	assert_true(admitted(&r, NOW + 1, 7779, NOW));
	assert_int_equal(r.count, REPLAY_ENTRIES);
	replay_clear(&r);
}

static void many_never_get_in_twice(void **state)
{
	struct replay r = {0};

	(void)state;
	for (uint32_t i = 0; i < 2000; i++)
		assert_true(admitted(&r, NOW + (int64_t)i * 1000, i, NOW));
	for (uint32_t i = 0; i < 2000; i++)
		assert_false(admitted(&r, NOW + (int64_t)i * 1000, i, NOW));
	assert_int_equal(r.count, REPLAY_ENTRIES);
	replay_clear(&r);
}

static void clock_set_back_lets_nothing_in(void **state)
{
	struct replay r = {0};

	(void)state;
	assert_true(admitted(&r, NOW, 1, NOW));
	/* an hour on, the entry leaves and the floor stands where it was */
	assert_true(admitted(&r, NOW + 3600 * S, 2, NOW + 3600 * S));
	assert_true(r.floor_ns == NOW);
	/* the clock goes back: the old packet is in the window again */
	assert_true(replay_in_window(NOW, NOW, WINDOW));
	assert_false(admitted(&r, NOW, 1, NOW));
	assert_false(admitted(&r, NOW + 3600 * S, 2, NOW + 3600 * S));
	replay_clear(&r);
}

static void matters_until_it_is_past(void **state)
{
	struct replay r = {0};

	(void)state;
	assert_false(replay_matters(&r, NOW, WINDOW));
	assert_true(admitted(&r, NOW + 10 * S, 1, NOW));
	assert_true(replay_matters(&r, NOW, WINDOW));
	assert_true(replay_matters(&r, NOW + 70 * S, WINDOW));
	assert_false(replay_matters(&r, NOW + 70 * S + 1, WINDOW));
	replay_clear(&r);
}

/* With nothing left but the floor, below which everything is refused. */
static void the_floor_matters_too(void **state)
{
	const struct replay r = {.has_floor = true, .floor_ns = NOW};

	(void)state;
	assert_true(replay_matters(&r, NOW, WINDOW));
	assert_true(replay_matters(&r, NOW + 60 * S, WINDOW));
	assert_false(replay_matters(&r, NOW + 60 * S + 1, WINDOW));
	assert_true(replay_matters(&r, NOW - 3600 * S, WINDOW));
}

/* The clock has been set back an hour: what is stamped ahead of it has not left the window for
 * good. If it went, the floor would shut its client out for that hour. */
static void stamped_ahead_is_not_past(void **state)
{
	struct replay r = {0};
	int64_t now = NOW - 3600 * S;

	(void)state;
	assert_true(admitted(&r, NOW, 1, NOW));
	assert_true(replay_matters(&r, now, WINDOW));
	assert_true(admitted(&r, now, 2, now));
	assert_false(r.has_floor);
	assert_true(admitted(&r, now + 1, 3, now + 1));
	assert_int_equal(r.count, 3);
	assert_false(admitted(&r, NOW, 1, NOW));
	replay_clear(&r);
}

/* What goes for want of room takes nothing with it that is younger. */
static void the_oldest_goes_first(void **state)
{
	struct replay r = {0};

	(void)state;
	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++)
		assert_true(admitted(&r, NOW + (i * 7 % REPLAY_ENTRIES), i, NOW));
	for (int64_t i = 0; i < REPLAY_ENTRIES; i++) {
		assert_true(admitted(&r, NOW + 1000 + i, (uint32_t)(1000 + i), NOW));
		assert_true(r.floor_ns == NOW + i);
		assert_int_equal(r.count, REPLAY_ENTRIES);
	}
	replay_clear(&r);
	assert_null(r.entries);
	assert_false(r.has_floor);
}

static bool memory_is_short;

/* The linker puts it in place of the real one (--wrap). */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return memory_is_short ? NULL : __real_calloc(count, size);
}

/* What cannot be remembered must not be let in. */
static void without_memory_nobody_is_admitted(void **state)
{
	struct replay r = {0};
	bool let_in;

	(void)state;
	memory_is_short = true;
	let_in = admitted(&r, NOW, 1, NOW);
	memory_is_short = false;
	assert_false(let_in);
	assert_true(admitted(&r, NOW, 1, NOW));
	replay_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(window_includes_its_edge),
	    cmocka_unit_test(window_does_not_overflow),
	    cmocka_unit_test(once_only),
	    cmocka_unit_test(stamped_ahead_is_refused_for_as_long_as_it_is_fresh),
	    cmocka_unit_test(full_set_raises_the_floor),
	    cmocka_unit_test(many_never_get_in_twice),
	    cmocka_unit_test(clock_set_back_lets_nothing_in),
	    cmocka_unit_test(matters_until_it_is_past),
	    cmocka_unit_test(the_floor_matters_too),
	    cmocka_unit_test(stamped_ahead_is_not_past),
	    cmocka_unit_test(the_oldest_goes_first),
	    cmocka_unit_test(without_memory_nobody_is_admitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
