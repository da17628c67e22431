#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admit/budget.h"
#include "base/clock.h"
#include "base/secret.h"

/* As the documents say them. */
#define ALL_SAVED         (NS_PER_SECOND / 4)
#define ALL_SHARE         2 /* a second's part */
#define KEPT_SAVED        (NS_PER_SECOND / 16)
#define COST              (NS_PER_SECOND / 2000) /* of one operation here */
#define ALL_AT_ONCE       (ALL_SAVED / COST)
#define KEPT_AT_ONCE      (KEPT_SAVED / COST)
#define SOURCE_PER_SECOND 50
#define SOURCE_AT_ONCE    100
#define NOW               (100 * NS_PER_SECOND)

static struct budget budget;

static int set_up(void **state)
{
	(void)state;
	budget_init(&budget);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

/* How many of `times` attempts are let through. */
static int taken(const struct addr *source, int times, int64_t now)
{
	int count = 0;

	while (times-- > 0) {
		struct budget_time *t = budget_take(&budget, source, now);

		if (t != NULL)
			budget_spend(t, COST);
		count += t != NULL;
	}
	return count;
}

static struct addr numbered(const char *base, uint32_t number)
{
	struct addr a = address(base);

	for (int i = 0; i < 4; i++)
		a.bytes[15 - i] = (uint8_t)(a.bytes[15 - i] + (number >> 8 * i));
	return a;
}

static void a_source_has_its_share_and_no_more(void **state)
{
	struct addr one = address("192.0.2.1"), two = address("192.0.2.2");

	(void)state;
	assert_int_equal(taken(&one, 1000, NOW), SOURCE_AT_ONCE);
	/* They may share a slot, once in a thousand runs: then draw another key. */
	while (taken(&two, 1, NOW) == 0) {
		budget_init(&budget);
		taken(&one, 1000, NOW);
	}
	assert_int_equal(taken(&two, 1000, NOW), SOURCE_AT_ONCE - 1);
}

static void a_64_is_one_source(void **state)
{
	int count = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct addr a = numbered("2001:db8::", i * 7919);

		count += taken(&a, 1, NOW);
	}
	assert_int_equal(count, SOURCE_AT_ONCE);
}

static void a_share_comes_back_with_time(void **state)
{
	struct addr a = address("192.0.2.1");

	(void)state;
	assert_int_equal(taken(&a, 1000, NOW), SOURCE_AT_ONCE);
	assert_int_equal(taken(&a, 1000, NOW + NS_PER_SECOND / SOURCE_PER_SECOND - 1), 0);
	assert_int_equal(taken(&a, 1000, NOW + NS_PER_SECOND / SOURCE_PER_SECOND), 1);
	assert_int_equal(taken(&a, 1000, NOW + NS_PER_SECOND), SOURCE_PER_SECOND - 1);
	assert_int_equal(taken(&a, 1000, NOW + 1000 * NS_PER_SECOND), SOURCE_AT_ONCE);
}

/* As many as fit into half a processor, be they dear or cheap. */
static void so_much_a_second_for_all(void **state)
{
	static const int64_t costs[] = {COST, 40 * COST, COST / 10};

	(void)state;
	for (size_t c = 0; c < sizeof costs / sizeof *costs; c++) {
		int64_t spent = 0;
		uint32_t number = 0;

		budget_init(&budget);
		for (int64_t now = NOW; now <= NOW + 10 * NS_PER_SECOND;
		     now += NS_PER_SECOND / 20) {
			struct budget_time *t;

			for (;; number++) {
				struct addr source = numbered("10.0.0.0", number);

				t = budget_take(&budget, &source, now);
				if (t == NULL)
					break;
				budget_spend(t, costs[c]);
				spent += costs[c];
			}
		}
		assert_in_range(spent, 5 * NS_PER_SECOND, 5 * NS_PER_SECOND + ALL_SAVED + costs[c]);
	}
}

static void nobody_knows_who_shares_a_slot(void **state)
{
	static struct budget other;

	(void)state;
	memset(&other, 0xff, sizeof other);
	budget = other;
	budget_init(&budget);
	budget_init(&other);
	for (int i = 0; i < BUDGET_SOURCES; i++)
		assert_int_equal(other.granted[i].until_ns, 0); /* nobody, whatever stood there */
	assert_memory_not_equal(budget.hash_key, other.hash_key, sizeof other.hash_key);
}

/* What a source asks beyond its share is not taken from what is for all. */
static void who_asks_too_much_takes_nothing_from_others(void **state)
{
	struct addr greedy = address("192.0.2.1");
	int count = 0;

	(void)state;
	taken(&greedy, 100000, NOW);
	for (uint32_t i = 0; i < 20 * BUDGET_SOURCES; i++) {
		struct addr a = numbered("10.0.0.0", i);

		count += taken(&a, 1, NOW);
	}
	assert_int_equal(count, ALL_AT_ONCE - SOURCE_AT_ONCE);
}

static void all_sources_together_have_a_budget(void **state)
{
	struct addr a;
	int64_t now = NOW;

	(void)state;
	for (int round = 0; round < 3; round++, now += 1000 * NS_PER_SECOND) {
		int count = 0;

		for (uint32_t i = 0; i < 100000; i++) {
			a = numbered("10.0.0.0", i);
			count += taken(&a, 1, now);
		}
		assert_int_equal(count, ALL_AT_ONCE);
	}
	now -= 1000 * NS_PER_SECOND;
	for (int i = 0; i < BUDGET_SOURCES; i++)
		budget.sources[i] = rate_of(SOURCE_PER_SECOND, SOURCE_AT_ONCE);
	a = numbered("10.0.0.0", 200000);
	assert_int_equal(taken(&a, 1, now), 0);
	assert_int_equal(taken(&a, 1, now + ALL_SHARE), 1);
	/* What was spent and was not there has to come in first. */
	assert_int_equal(taken(&a, 1, now + ALL_SHARE * COST - ALL_SHARE), 0);
	assert_int_equal(taken(&a, 1, now + ALL_SHARE * COST + ALL_SHARE), 1);
}

/* Every slot is shared by many of these; sharing gives nobody more than one share. */
static void sharing_a_slot_gives_no_more(void **state)
{
	struct addr a = address("192.0.2.1");

	(void)state;
	assert_int_equal(taken(&a, SOURCE_AT_ONCE, NOW), SOURCE_AT_ONCE);
	for (uint32_t i = 0; i < 20 * BUDGET_SOURCES; i++) {
		struct addr other = numbered("10.0.0.0", i);

		taken(&other, 1, NOW);
		assert_int_equal(taken(&a, 1, NOW), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

static void use_up_what_is_for_all(int64_t now)
{
	for (uint32_t i = 0; i < 100 * BUDGET_SOURCES; i++) {
		struct addr a = numbered("10.0.0.0", i);

		taken(&a, 1, now);
	}
}

/* Strangers, however many, leave room for those who were granted something within a day. */
static void a_part_is_kept_for_who_was_granted_lately(void **state)
{
	struct addr known = address("192.0.2.1"), stranger = address("192.0.2.2");
	int64_t day = 86400 * NS_PER_SECOND;

	(void)state;
	budget_grant(&budget, &known, NOW);
	for (int64_t now = NOW; now < NOW + day; now += day / 4) {
		use_up_what_is_for_all(now);
		assert_int_equal(taken(&stranger, 1, now), 0);
		assert_int_equal(taken(&known, 1000, now), SOURCE_AT_ONCE);
	}
	use_up_what_is_for_all(NOW + day);
	assert_int_equal(taken(&known, 1, NOW + day), 0);
}

static int slot_granted(void)
{
	int slot = 0;

	while (budget.granted[slot].until_ns == 0)
		slot++;
	return slot;
}

/* Another grant refills nothing; who takes over a slot begins with a share of its own. */
static void a_share_goes_with_its_source(void **state)
{
	struct addr one = address("192.0.2.1"), other;
	uint32_t number = 0;
	uint64_t source;
	int slot;

	(void)state;
	budget_grant(&budget, &one, NOW);
	assert_int_equal(taken(&one, 1000, NOW), SOURCE_AT_ONCE);
	budget_grant(&budget, &one, NOW);
	assert_int_equal(taken(&one, 1000, NOW), 0);
	slot = slot_granted();
	source = budget.granted[slot].source;
	do {
		other = numbered("198.51.100.0", number++);
		budget_grant(&budget, &other, NOW);
	} while (budget.granted[slot].source == source);
	assert_int_equal(taken(&other, 1000, NOW), SOURCE_AT_ONCE);
}

/* Nor can those who were granted something use up more than is kept. */
static void what_is_kept_is_bounded(void **state)
{
	int count = 0;

	(void)state;
	use_up_what_is_for_all(NOW);
	for (uint32_t i = 0; i < 20; i++) {
		struct addr a = numbered("192.0.2.0", i);

		budget_grant(&budget, &a, NOW);
		count += taken(&a, 1000, NOW);
		budget_grant(&budget, &a, NOW);
		count += taken(&a, 1000, NOW);
	}
	assert_int_equal(count, KEPT_AT_ONCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_source_has_its_share_and_no_more),
	    TEST(a_64_is_one_source),
	    TEST(a_share_comes_back_with_time),
	    TEST(so_much_a_second_for_all),
	    TEST(nobody_knows_who_shares_a_slot),
	    TEST(who_asks_too_much_takes_nothing_from_others),
	    TEST(all_sources_together_have_a_budget),
	    TEST(sharing_a_slot_gives_no_more),
	    TEST(a_part_is_kept_for_who_was_granted_lately),
	    TEST(a_share_goes_with_its_source),
	    TEST(what_is_kept_is_bounded),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
