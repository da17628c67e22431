/* A client whose clock is fast, and is put right: whatever it sent, in whatever order, nothing is
 * granted twice, nothing else is refused for it, and the floor never stands ahead of the clock. The
 * same at random, beside a model that remembers everything, with restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "admit/replay_file.h"
#include "replay_admit.h"

#define S         INT64_C(1000000000)
#define MOST_EVER 6000
#define RECENT    400 /* of what is sent again: more than a window has */

static const int64_t NOW = INT64_C(1795206902) * S;

static struct replay guard;
static int file;
static int64_t window;
static int64_t latest; /* that the clock ever was: not the last where it was set back */

static void start(enum replay_origin origin, int64_t now)
{
	const struct replay_start s = {.origin = origin,
	    .boot_id = "this boot",
	    .boot_ns = NOW - 3600 * S,
	    .now_ns = now,
	    .window_ns = {window, window}};

	replay_close(&guard);
	assert_true(replay_prepare(file, &s));
	assert_true(replay_open(&guard, dup(file)));
	assert_true(replay_configure(&guard, 16, s.window_ns));
}

static void begin(int64_t window_ns)
{
	window = window_ns;
	latest = NOW;
	file = replay_memory_file();
	start(REPLAY_FIRST, NOW);
}

static void end(void)
{
	replay_close(&guard);
	close(file);
}

static struct replay_packet packet_of(
    uint8_t holder, int64_t stamp, uint32_t n, uint8_t who[static 32], uint8_t nonce[static 16])
{
	memset(who, 0, 32);
	memset(nonce, 0, REPLAY_NONCE_BYTES);
	who[0] = holder;
	memcpy(nonce, &n, sizeof n);
	return (struct replay_packet){REPLAY_CLIENT, who, nonce, stamp, {{0}}};
}

/* As the keeper treats a packet; the floor is looked at each time. */
static enum verdict knock(uint8_t holder, int64_t stamp, uint32_t n, int64_t now)
{
	uint8_t who[32], nonce[REPLAY_NONCE_BYTES];
	const struct replay_packet p = packet_of(holder, stamp, n, who, nonce);
	const struct replay_set *set;
	enum verdict v = VERDICT_STALE;

	if (now > latest)
		latest = now;
	if (replay_in_window(stamp, now, window))
		v = replay_admit(&guard, &p, now);
	set = replay_find(&guard, replay_holder_hash(&guard, &p));
	assert_true(set == NULL || set->floor_ns <= latest);
	return v;
}

/* --- So many, in one order or another */

enum order { RISING, FALLING, SHUFFLED, ALL_AT_ONCE, ORDERS };

/* A place among `count`, each once: a step that shares no divisor with 64, 65 or 1000. */
static uint32_t place(enum order order, uint32_t i, uint32_t count)
{
	if (order == ALL_AT_ONCE)
		return 0;
	if (order == SHUFFLED)
		return i * 37 % count;
	return order == FALLING ? count - 1 - i : i;
}

static void send_ahead(enum verdict *got, uint32_t count, enum order order, int64_t ahead)
{
	for (uint32_t i = 0; i < count; i++) {
		got[i] = knock(1, NOW + ahead + place(order, i, count), i, NOW);
		assert_int_equal(
		    got[i], i < REPLAY_AHEAD_MOST ? VERDICT_PASS : VERDICT_TOO_MANY_AHEAD);
	}
}

/* None of it again, and each right knock that comes meanwhile. */
static void go_on(const enum verdict *got, uint32_t count, enum order order, int64_t ahead)
{
	int64_t step = window / 20;
	uint32_t right = 0;

	for (int64_t now = NOW; now <= NOW + ahead + window + step; now += step) {
		for (uint32_t i = 0; i < count; i++) {
			if (got[i] != VERDICT_PASS)
				continue;
			assert_int_not_equal(
			    knock(1, NOW + ahead + place(order, i, count), i, now), VERDICT_PASS);
		}
		for (uint32_t i = 0; i < 70; i++, right++)
			assert_int_equal(
			    knock(1, now + 1 + i, 100000 + right, now + 1 + i), VERDICT_PASS);
		if (right % 3 == 0)
			start(REPLAY_KEPT, now + 100);
		/* another one's is no business of this one */
		assert_int_equal(knock(2, now, 200000 + right, now + 100), VERDICT_PASS);
	}
}

static void whatever_was_sent_ahead(void **state)
{
	static const uint32_t counts[] = {48, 49, 64, 65, 1000};
	static const int64_t windows[] = {60 * S, 7200 * S};
	static enum verdict got[1000];

	(void)state;
	for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
		for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
			for (enum order order = RISING; order < ORDERS; order++) {
				int64_t ahead = windows[w] / 2;

				begin(windows[w]);
				send_ahead(got, counts[c], order, ahead);
				go_on(got, counts[c], order, ahead);
				end();
			}
		}
	}
}

/* What there was no room for is refused by itself: it was not granted, and may come when there is.
 */
static void what_was_refused_may_come_later(void **state)
{
	int64_t late = NOW + 55 * S;

	(void)state;
	begin(60 * S);
	for (uint32_t i = 0; i < REPLAY_AHEAD_MOST; i++)
		assert_int_equal(knock(1, NOW + 50 * S + i, i, NOW), VERDICT_PASS);
	assert_int_equal(knock(1, late, 1000, NOW), VERDICT_TOO_MANY_AHEAD);
	assert_int_equal(knock(1, NOW, 1001, NOW), VERDICT_PASS);
	assert_int_equal(knock(1, late, 1000, NOW + 51 * S), VERDICT_PASS);
	assert_int_equal(knock(1, late, 1000, NOW + 51 * S), VERDICT_REPLAYED);
	end();
}

/* --- Each order of a few, to the last */

#define FEW 6

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t kept = *a;

	*a = *b;
	*b = kept;
}

/* Of a set that has room for one entry ahead and four in all. */
static void try_order(const uint32_t order[static FEW])
{
	static const int64_t stamps[FEW] = {-10, -5, 0, 5, 20, 30};
	bool granted[FEW] = {false};

	begin(60 * S);
	for (uint32_t i = 0; i < REPLAY_ENTRIES - 4; i++)
		knock(1, NOW + (i < REPLAY_AHEAD_MOST - 1 ? 40 * S : -50 * S) + i, 1000 + i, NOW);
	for (int64_t now = NOW; now <= NOW + 100 * S; now += 10 * S) {
		for (uint32_t i = 0; i < FEW; i++) {
			uint32_t n = order[i];
			enum verdict v = knock(1, NOW + stamps[n] * S, n, now);

			assert_false(v == VERDICT_PASS && granted[n]);
			granted[n] = granted[n] || v == VERDICT_PASS;
		}
		start(REPLAY_KEPT, now);
	}
	end();
}

static void each_order_from(uint32_t order[static FEW], uint32_t first)
{
	if (first == FEW)
		try_order(order);
	for (uint32_t i = first; i < FEW; i++) {
		swap(&order[first], &order[i]);
		each_order_from(order, first + 1);
		swap(&order[first], &order[i]);
	}
}

static void each_order_of_a_few(void **state)
{
	uint32_t order[FEW] = {0, 1, 2, 3, 4, 5};

	(void)state;
	each_order_from(order, 0);
}

/* --- At random, beside a model that forgets nothing */

struct sent {
	uint8_t holder;
	int64_t stamp;
	bool granted;
};

static struct sent all[MOST_EVER];
static uint32_t sent;
static uint64_t dice;

static uint64_t roll(uint64_t most)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % most;
}

static void send_it(uint32_t n, int64_t now)
{
	enum verdict v = knock(all[n].holder, all[n].stamp, n, now);

	/* Never twice; and what is stamped now is never refused while the clock goes right. */
	assert_false(v == VERDICT_PASS && all[n].granted);
	if (!all[n].granted && now >= latest && all[n].stamp == now)
		assert_int_equal(v, VERDICT_PASS);
	if (v == VERDICT_TOO_MANY_AHEAD)
		assert_true(all[n].stamp > now || now < latest);
	all[n].granted = all[n].granted || v == VERDICT_PASS;
}

/* `steady`: the server's clock is never set back. */
static void run(uint64_t seed, bool steady)
{
	int64_t now = NOW;

	dice = seed;
	sent = 0;
	begin(60 * S);
	while (sent < MOST_EVER) {
		bool ahead = roll(3) == 0;

		all[sent] = (struct sent){.holder = (uint8_t)(1 + roll(3)),
		    .stamp = ahead ? now + (int64_t)roll(60 * S) : now};
		send_it(sent++, now);
		send_it(sent - 1 - (uint32_t)roll(sent < RECENT ? sent : RECENT), now);
		now += roll(20) == 0 ? (int64_t)roll(100 * S) : (int64_t)roll(S / 4) + 1;
		if (!steady && roll(200) == 0)
			now -= (int64_t)roll(90 * S);
		if (roll(100) == 0)
			start(REPLAY_KEPT, now);
	}
	end();
}

static void nothing_twice_at_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		run(seed * UINT64_C(0x9e3779b97f4a7c15), true);
}

static void nor_when_the_clock_goes_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		run(seed * UINT64_C(0xd1b54a32d192ed03), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whatever_was_sent_ahead),
	    cmocka_unit_test(what_was_refused_may_come_later),
	    cmocka_unit_test(each_order_of_a_few),
	    cmocka_unit_test(nothing_twice_at_random),
	    cmocka_unit_test(nor_when_the_clock_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
