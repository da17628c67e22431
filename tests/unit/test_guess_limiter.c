#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/clock.h"
#include "client/guess_limiter.h"

#define NOW (100 * NS_PER_SECOND)

static struct guess_limiter wrong;

static int set_up(void **state)
{
	(void)state;
	guess_limiter_init(&wrong);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static void add(const char *source, int times, int64_t now)
{
	struct addr a = address(source);

	while (times-- > 0)
		guess_limiter_add(&wrong, &a, now);
}

static bool paused(const char *source, int64_t now)
{
	struct addr a = address(source);

	return guess_limiter_too_many(&wrong, &a, now);
}

static void a_source_pays_for_itself(void **state)
{
	(void)state;
	add("192.0.2.1", GUESS_LIMITER_SOURCE_RATE, NOW);
	assert_false(paused("192.0.2.1", NOW));
	add("192.0.2.1", 1, NOW);
	assert_true(paused("192.0.2.1", NOW));
	assert_false(paused("192.0.2.2", NOW));
}

static void a_64_is_one_source(void **state)
{
	(void)state;
	for (int i = 0; i <= GUESS_LIMITER_SOURCE_RATE; i++) {
		struct addr a = address("2001:db8::");

		randombytes_buf(a.bytes + 8, 8);
		guess_limiter_add(&wrong, &a, NOW);
	}
	assert_true(paused("2001:db8::1", NOW));
	assert_false(paused("2001:db8:0:1::1", NOW));
}

static void a_pause_ends_however_many_were_wrong(void **state)
{
	int64_t each = NS_PER_SECOND / GUESS_LIMITER_SOURCE_RATE;

	(void)state;
	add("192.0.2.1", 1500, NOW);
	assert_true(paused("192.0.2.1", NOW + each - 1));
	assert_false(paused("192.0.2.1", NOW + each));
	add("192.0.2.1", 1, NOW + each);
	assert_true(paused("192.0.2.1", NOW + each));
	assert_false(paused("192.0.2.1", NOW + 10 * NS_PER_SECOND));
}

static void very_many_sources_stop_all_guesses(void **state)
{
	(void)state;
	for (uint32_t i = 0; i <= GUESS_LIMITER_TOTAL_RATE; i++) {
		struct addr a = address("10.0.0.0");

		assert_false(paused("192.0.2.1", NOW));
		a.bytes[14] = (uint8_t)(i >> 8);
		a.bytes[15] = (uint8_t)i;
		guess_limiter_add(&wrong, &a, NOW);
	}
	assert_true(paused("192.0.2.1", NOW));
	assert_false(paused("192.0.2.1", NOW + NS_PER_SECOND));
}

/* So that nobody can choose a source that shares the slot of another. */
static void each_limiter_has_a_hash_of_its_own(void **state)
{
	static struct guess_limiter other;

	(void)state;
	guess_limiter_init(&other);
	assert_memory_not_equal(other.hash_key, wrong.hash_key, sizeof other.hash_key);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_source_pays_for_itself),
	    TEST(a_64_is_one_source),
	    TEST(a_pause_ends_however_many_were_wrong),
	    TEST(very_many_sources_stop_all_guesses),
	    TEST(each_limiter_has_a_hash_of_its_own),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
