/* Packets that a kill cuts off between the replay guard and the grant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "admit/replay_file.h"
#include "base/clock.h"
#include "base/log.h"

#define S INT64_C(1000000000)

static const int64_t NOW = INT64_C(1795206902) * S;
static const int64_t WINDOWS[REPLAY_KINDS] = {[REPLAY_CLIENT] = 60 * S, 300 * S};

enum { HOME = 1, ELSEWHERE };

static struct replay guard;
static int file;
static int64_t until; /* of the grant of the last that passed */

static void start_in(const char *boot_id, enum replay_origin origin, int64_t now)
{
	struct replay_start s = {.origin = origin, .boot_ns = NOW - 3600 * S, .now_ns = now};

	snprintf(s.boot_id, sizeof s.boot_id, "%s", boot_id);
	memcpy(s.window_ns, WINDOWS, sizeof WINDOWS);
	replay_close(&guard);
	assert_true(replay_prepare(file, &s));
	assert_true(replay_open(&guard, dup(file)));
	assert_true(replay_configure(&guard, 16, WINDOWS));
}

/* After a kill, of whatever was not settled. */
static void start(void)
{
	start_in("this boot", REPLAY_KEPT, NOW + S);
}

static int set_up(void **state)
{
	(void)state;
	file = replay_memory_file();
	start_in("this boot", REPLAY_FIRST, NOW);
	return file < 0;
}

static int tear_down(void **state)
{
	(void)state;
	replay_close(&guard);
	return close(file);
}

/* Up to where it is granted; `ends_ns` from now. */
static enum verdict begin_for(uint32_t n, uint8_t source, int64_t ends_ns)
{
	const uint8_t who[32] = {(uint8_t)(1 + n / 40)};
	uint8_t nonce[REPLAY_NONCE_BYTES] = {0};
	const struct replay_packet p = {REPLAY_CLIENT, who, nonce, NOW, {{source}}};
	enum verdict v;

	memcpy(nonce, &n, sizeof n);
	v = replay_check(&guard, &p, NOW + S);
	if (v != VERDICT_PASS)
		return v;
	until = clock_boot_ns() + ends_ns;
	return replay_remember(&guard, &p, NOW + S, &until);
}

static enum verdict begin(uint32_t n, uint8_t source)
{
	return begin_for(n, source, 60 * S);
}

static bool is_replayed(uint32_t n, uint8_t source)
{
	return begin(n, source) == VERDICT_REPLAYED;
}

static void goes_on_once_and_to_the_same_end(void **state)
{
	int64_t end;

	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	end = until;
	start();
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	assert_true(until == end);
	assert_true(is_replayed(1, HOME));
	replay_settle(&guard);
	assert_true(is_replayed(1, HOME));
	start();
	assert_true(is_replayed(1, HOME));
}

/* What a new configuration gives for a shorter time. */
static void an_end_that_is_earlier_stands(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	start();
	assert_int_equal(begin_for(1, HOME, 5 * S), VERDICT_PASS);
	assert_true(until <= clock_boot_ns() + 5 * S);
}

static void not_from_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	start();
	assert_true(is_replayed(1, ELSEWHERE));
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
}

static void not_what_was_settled(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	replay_settle(&guard);
	assert_int_equal(begin(2, HOME), VERDICT_PASS);
	start();
	assert_true(is_replayed(1, HOME));
	assert_int_equal(begin(2, HOME), VERDICT_PASS);
}

static void not_within_one_life(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	assert_true(is_replayed(1, HOME));
}

static void not_in_another_boot(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	start_in("another boot", REPLAY_KEPT, NOW + S);
	assert_true(is_replayed(1, HOME));
	start_in("this boot", REPLAY_KEPT, NOW + S);
	assert_true(is_replayed(1, HOME));
}

static void not_when_its_time_is_over(void **state)
{
	(void)state;
	assert_int_equal(begin_for(1, HOME, S), VERDICT_PASS);
	assert_int_equal(begin_for(2, HOME, 30 * S), VERDICT_PASS);
	start();
	assert_true(is_replayed(1, HOME));
	assert_int_equal(begin(2, HOME), VERDICT_PASS);
}

static void not_while_the_clock_is_behind(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	start_in("this boot", REPLAY_KEPT, NOW);
	assert_int_equal(guard.marks.clock_behind, 1);
	guard.marks.clock_ns = NOW + 2 * S;
	assert_true(is_replayed(1, HOME));
}

/* Of two starts without a knock, too. */
static void survives_another_kill(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	start();
	assert_int_equal(begin(2, HOME), VERDICT_PASS);
	start();
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	assert_int_equal(begin(2, HOME), VERDICT_PASS);
	start();
	replay_settle(&guard);
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
}

/* The kill came before it was remembered: then it is remembered now. */
static void what_was_not_remembered_yet(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	assert_int_equal(guard.marks.used, 1);
	replay_put_entry(&guard, &guard.sets[0], 0, 0, 0);
	start();
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	assert_true(is_replayed(1, HOME));
	replay_settle(&guard);
	start();
	assert_true(is_replayed(1, HOME));
}

static void what_is_damaged_is_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(struct replay_pending); i++) {
		assert_int_equal(begin(i, HOME), VERDICT_PASS);
		((uint8_t *)guard.header->pending)[i] ^= 1;
		start();
		assert_true(is_replayed(i, HOME));
		memset(guard.header->pending, 0, sizeof guard.header->pending);
	}
}

/* More than there can be: each is remembered, and what has no place does not go on. */
static void more_than_there_is_room_for(void **state)
{
	const uint32_t many = REPLAY_PENDING + 9;
	uint32_t went_on = 0;

	(void)state;
	for (uint32_t i = 0; i < many; i++)
		assert_int_equal(begin(i, HOME), VERDICT_PASS);
	start();
	for (uint32_t i = REPLAY_PENDING; i < many; i++)
		assert_true(is_replayed(i, HOME));
	for (uint32_t i = 200; i < 210; i++)
		assert_int_equal(begin(i, HOME), VERDICT_PASS);
	start();
	for (uint32_t i = 0; i < REPLAY_PENDING; i++)
		went_on += begin(i, HOME) == VERDICT_PASS;
	assert_int_equal(went_on, REPLAY_PENDING - 10);
	for (uint32_t i = 200; i < 210; i++)
		assert_int_equal(begin(i, HOME), VERDICT_PASS);
}

static void not_what_nobody_has_kept(void **state)
{
	(void)state;
	assert_int_equal(begin(1, HOME), VERDICT_PASS);
	start();
	replay_drop_pending(&guard);
	assert_true(is_replayed(1, HOME));
	start();
	assert_true(is_replayed(1, HOME));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(goes_on_once_and_to_the_same_end),
	    T(an_end_that_is_earlier_stands),
	    T(not_from_elsewhere),
	    T(not_what_was_settled),
	    T(not_within_one_life),
	    T(not_in_another_boot),
	    T(not_what_nobody_has_kept),
	    T(not_when_its_time_is_over),
	    T(not_while_the_clock_is_behind),
	    T(survives_another_kill),
	    T(what_was_not_remembered_yet),
	    T(what_is_damaged_is_nothing),
	    T(more_than_there_is_room_for),
	};

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
