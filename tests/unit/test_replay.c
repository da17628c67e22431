#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admit/replay_file.h"
#include "replay_admit.h"

#define S INT64_C(1000000000)

static const int64_t NOW = INT64_C(1795206902) * S;
static const int64_t WINDOW = 60 * S;

static struct replay guard;

static int set_up(void **state)
{
	(void)state;
	return !replay_open_empty(&guard, 16, WINDOW);
}

static int tear_down(void **state)
{
	(void)state;
	replay_close(&guard);
	return 0;
}

/* A packet as the keeper treats it. */
static enum verdict verdict_of(uint32_t holder, int64_t timestamp, uint32_t n, int64_t now)
{
	uint8_t who[32] = {0}, nonce[REPLAY_NONCE_BYTES] = {0};
	const struct replay_packet p = {REPLAY_CLIENT, who, nonce, timestamp, {{0}}};

	memcpy(who, &holder, sizeof holder);
	memcpy(nonce, &n, sizeof n);
	if (!replay_in_window(timestamp, now, WINDOW))
		return VERDICT_STALE;
	return replay_admit(&guard, &p, now);
}

static bool admitted(int64_t timestamp, uint32_t n, int64_t now)
{
	return verdict_of(1, timestamp, n, now) == VERDICT_PASS;
}

static const struct replay_set *set_of(uint32_t holder)
{
	uint8_t who[32] = {0};
	const struct replay_packet p = {.kind = REPLAY_CLIENT, .holder = who};
	const struct replay_set *set;

	memcpy(who, &holder, sizeof holder);
	set = replay_find(&guard, replay_holder_hash(&guard, &p));
	assert_non_null(set);
	return set;
}

static uint32_t entries_of(uint32_t holder)
{
	const struct replay_set *set = set_of(holder);
	uint32_t count = 0;

	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++)
		count += set->entries[i].nonce != 0;
	return count;
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
	(void)state;
	assert_true(admitted(NOW, 1, NOW));
	assert_false(admitted(NOW, 1, NOW));
	assert_true(admitted(NOW, 2, NOW));
	/* the nonce counts, not the stamp beside it */
	assert_false(admitted(NOW + 1, 1, NOW));
	/* and whose it is */
	assert_int_equal(verdict_of(2, NOW, 1, NOW), VERDICT_PASS);
}

static void a_device_is_no_client(void **state)
{
	const uint8_t who[32] = {1}, nonce[REPLAY_NONCE_BYTES] = {1};
	const struct replay_packet client = {REPLAY_CLIENT, who, nonce, NOW, {{0}}};
	const struct replay_packet device = {REPLAY_DEVICE, who, nonce, NOW, {{0}}};

	(void)state;
	assert_int_equal(replay_grant(&guard, &client, NOW), VERDICT_PASS);
	assert_int_equal(replay_check(&guard, &client, NOW), VERDICT_REPLAYED);
	assert_int_equal(replay_check(&guard, &device, NOW), VERDICT_PASS);
	assert_int_equal(replay_grant(&guard, &device, NOW), VERDICT_PASS);
	assert_int_equal(replay_check(&guard, &device, NOW), VERDICT_REPLAYED);
}

/* The reference forgets a nonce after one window, while its stamp is good for almost two. */
static void stamped_ahead_is_refused_for_as_long_as_it_is_fresh(void **state)
{
	int64_t stamp = NOW + 59 * S;

	(void)state;
	assert_true(admitted(stamp, 1, NOW));
	for (int64_t s = 0; s <= 130; s++) {
		assert_true(admitted(NOW + s * S, (uint32_t)(100 + s), NOW + s * S));
		assert_false(admitted(stamp, 1, NOW + s * S));
	}
}

static void full_set_raises_the_floor(void **state)
{
	const int64_t now = NOW + 10000;

	(void)state;
	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++)
		assert_true(admitted(NOW + i, i, now));
	assert_true(set_of(1)->floor_ns == INT64_MIN);
	assert_true(admitted(NOW + 1000, 1000, now));
	assert_true(set_of(1)->floor_ns == NOW);
	/* the one that had to go is refused by the floor, its elders too, the next one not */
	assert_int_equal(verdict_of(1, NOW, 0, now), VERDICT_REPLAYED);
	assert_int_equal(verdict_of(1, NOW, 7777, now), VERDICT_REPLAYED);
	assert_int_equal(verdict_of(1, NOW - 1, 7778, now), VERDICT_REPLAYED);
	assert_true(admitted(NOW + 1, 7779, now));
	assert_int_equal(entries_of(1), REPLAY_ENTRIES);
}

static void many_never_get_in_twice(void **state)
{
	const int64_t now = NOW + S;

	(void)state;
	for (uint32_t i = 0; i < 2000; i++)
		assert_true(admitted(NOW + (int64_t)i * 1000, i, now));
	for (uint32_t i = 0; i < 2000; i++)
		assert_false(admitted(NOW + (int64_t)i * 1000, i, now));
	assert_int_equal(entries_of(1), REPLAY_ENTRIES);
}

/* Whoever knocks with a fast clock is not shut out when it is put right. */
static void a_fast_clock_that_is_put_right(void **state)
{
	uint32_t refused = 0;

	(void)state;
	for (uint32_t i = 0; i < 65; i++) {
		enum verdict v = verdict_of(1, NOW + 50 * S + i, i, NOW);

		assert_int_equal(v, i < REPLAY_AHEAD_MOST ? VERDICT_PASS : VERDICT_TOO_MANY_AHEAD);
		refused += v != VERDICT_PASS;
		assert_true(set_of(1)->floor_ns <= NOW);
	}
	assert_int_equal(refused, 65 - REPLAY_AHEAD_MOST);
	/* right knocks, and more than there are places left for */
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(admitted(NOW + i, 1000 + i, NOW + i));
		assert_true(set_of(1)->floor_ns <= NOW + i);
	}
	/* and nothing of what was granted twice */
	for (int64_t s = 0; s <= 120; s++)
		for (uint32_t i = 0; i < REPLAY_AHEAD_MOST; i++)
			assert_false(admitted(NOW + 50 * S + i, i, NOW + s * S));
	/* what was refused for want of room was not granted, and may be once there is some */
	assert_true(admitted(NOW + 50 * S + 64, 64, NOW + 51 * S));
}

static uint64_t hash_of(enum replay_kind kind, size_t at)
{
	uint8_t who[33] = {0};
	const struct replay_packet p = {.kind = kind, .holder = who};

	who[at]++;
	return replay_holder_hash(&guard, &p);
}

/* All of a key or a UUID, and nothing behind it. */
static void every_byte_tells_holders_apart(void **state)
{
	static const size_t bytes[REPLAY_KINDS] = {[REPLAY_CLIENT] = 32, [REPLAY_DEVICE] = 16};
	static const uint8_t nobody[32];

	(void)state;
	for (int kind = 0; kind < REPLAY_KINDS; kind++) {
		const struct replay_packet p = {.kind = (enum replay_kind)kind, .holder = nobody};

		for (size_t at = 0; at <= bytes[kind]; at++)
			assert_int_equal(hash_of(p.kind, at) == replay_holder_hash(&guard, &p),
			    at == bytes[kind]);
	}
}

/* Neither for what comes ahead of it, nor for the oldest of a full set. */
static void stamped_now_is_not_ahead(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < REPLAY_AHEAD_MOST; i++)
		assert_true(admitted(NOW, i, NOW));
	assert_int_equal(verdict_of(1, NOW + S, 1000, NOW), VERDICT_PASS);
	for (uint32_t i = REPLAY_AHEAD_MOST + 1; i < REPLAY_ENTRIES; i++)
		assert_true(admitted(NOW, i, NOW));
	assert_int_equal(entries_of(1), REPLAY_ENTRIES);
	assert_int_equal(verdict_of(1, NOW, 2000, NOW), VERDICT_PASS);
	/* The floor stands at the clock now, not ahead of it: what is below may have been there. */
	assert_true(set_of(1)->floor_ns == NOW);
	assert_int_equal(verdict_of(1, NOW, 3000, NOW), VERDICT_REPLAYED);
}

static void a_full_set_of_the_future_refuses_and_forgets_nothing(void **state)
{
	const int64_t back = NOW - 30 * S;

	(void)state;
	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++)
		assert_true(admitted(NOW + i, i, NOW + 1000));
	/* the server's clock goes back: all of them are ahead of it now */
	assert_int_equal(verdict_of(1, back, 1000, back), VERDICT_TOO_MANY_AHEAD);
	assert_int_equal(entries_of(1), REPLAY_ENTRIES);
	assert_int_equal(verdict_of(2, back, 1000, back), VERDICT_PASS);
}

static void clock_set_back_lets_nothing_in(void **state)
{
	(void)state;
	assert_true(admitted(NOW, 1, NOW));
	/* an hour on, the entry leaves and the floor stands where it was */
	assert_true(admitted(NOW + 3600 * S, 2, NOW + 3600 * S));
	assert_true(set_of(1)->floor_ns == NOW);
	/* the clock goes back: the old packet is in the window again */
	assert_true(replay_in_window(NOW, NOW, WINDOW));
	assert_false(admitted(NOW, 1, NOW));
	assert_false(admitted(NOW + 3600 * S, 2, NOW + 3600 * S));
}

/* Whatever order the entries that leave stand in. */
static void the_floor_never_moves_back(void **state)
{
	const int64_t later = NOW + 3600 * S;

	(void)state;
	assert_true(admitted(NOW + 5 * S, 1, NOW + 5 * S));
	assert_true(admitted(NOW, 2, NOW + 5 * S));
	assert_true(admitted(later, 3, later));
	assert_true(set_of(1)->floor_ns == NOW + 5 * S);
	/* the clock goes back to where both were fresh */
	assert_false(admitted(NOW, 2, NOW));
	assert_false(admitted(NOW + 5 * S, 1, NOW));
	assert_false(admitted(NOW + 5 * S, 1, NOW + 5 * S));
}

/* More holders than there are sets: a set goes to another only when all in it is past, and even
 * then nothing of it gets in again. */
static void sets_are_given_away_when_they_are_past(void **state)
{
	uint32_t sets = guard.capacity;

	(void)state;
	for (uint32_t i = 0; i < sets; i++)
		assert_int_equal(verdict_of(i, NOW, i, NOW), VERDICT_PASS);
	assert_int_equal(verdict_of(1000, NOW, 1, NOW), VERDICT_NO_MEMORY);
	assert_int_equal(verdict_of(3, NOW + 1, 1000, NOW + 1), VERDICT_PASS);
	assert_int_equal(verdict_of(1000, NOW + 60 * S, 1, NOW + 60 * S), VERDICT_NO_MEMORY);
	/* one after the other, however many */
	for (uint32_t i = 0; i < 20 * sets; i++) {
		int64_t now = NOW + 61 * S + i * (5 * S);

		assert_int_equal(verdict_of(1000 + i, now, i, now), VERDICT_PASS);
		assert_int_equal(verdict_of(1000 + i, now, i, now), VERDICT_REPLAYED);
	}
	/* the clock goes back to where they were fresh */
	for (uint32_t i = 0; i < sets; i++)
		assert_int_equal(verdict_of(i, NOW, i, NOW), VERDICT_NOT_REMEMBERED);
	assert_true(guard.there <= sets);
}

/* The index has free places when all sets are used, also where their number is a power of two. */
static void a_stranger_to_a_full_guard(void **state)
{
	(void)state;
	replay_close(&guard);
	assert_true(replay_open_empty(&guard, 52, WINDOW));
	assert_int_equal(guard.capacity, 128);
	for (uint32_t i = 0; i < 128; i++)
		assert_int_equal(verdict_of(i, NOW, i, NOW), VERDICT_PASS);
	assert_int_equal(verdict_of(1000, NOW, 1, NOW), VERDICT_NO_MEMORY);
}

/* What came last need not be the newest: none is given away while anything in it is fresh. */
static void all_in_a_set_has_to_be_past(void **state)
{
	uint32_t sets = guard.capacity;

	(void)state;
	for (uint32_t i = 0; i < sets; i++) {
		assert_int_equal(verdict_of(i, NOW, i, NOW), VERDICT_PASS);
		assert_int_equal(verdict_of(i, NOW - 59 * S, 1000 + i, NOW), VERDICT_PASS);
	}
	assert_int_equal(verdict_of(5000, NOW + 2 * S, 1, NOW + 2 * S), VERDICT_NO_MEMORY);
	assert_int_equal(verdict_of(5000, NOW + 61 * S, 1, NOW + 61 * S), VERDICT_PASS);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(window_includes_its_edge),
	    cmocka_unit_test(window_does_not_overflow),
	    T(once_only),
	    T(a_device_is_no_client),
	    T(stamped_ahead_is_refused_for_as_long_as_it_is_fresh),
	    T(full_set_raises_the_floor),
	    T(many_never_get_in_twice),
	    T(a_fast_clock_that_is_put_right),
	    T(every_byte_tells_holders_apart),
	    T(stamped_now_is_not_ahead),
	    T(a_full_set_of_the_future_refuses_and_forgets_nothing),
	    T(clock_set_back_lets_nothing_in),
	    T(the_floor_never_moves_back),
	    T(a_stranger_to_a_full_guard),
	    T(all_in_a_set_has_to_be_past),
	    T(sets_are_given_away_when_they_are_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
