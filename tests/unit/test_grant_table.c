#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/rate.h"
#include "base/secret.h"
#include "emulated.h"
#include "grant/grant_table.h"
#include "short_memory.h"

static const struct ports by_policy;

static struct addr address(uint8_t last)
{
	return (struct addr){{[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = last}};
}

static struct grant *add(struct grant_table *t, uint32_t holder, const struct addr *a)
{
	return grant_table_add(t, &(struct opening){.address = *a, .holder = holder});
}

static void grants_are_found_by_client_and_address(void **state)
{
	struct grant_table *t = grant_table_new(8, 3);
	struct addr a = address(1), b = address(2);
	struct grant *g;

	(void)state;
	assert_null(grant_table_find(t, 0, &a, &by_policy));
	g = add(t, 0, &a);
	assert_non_null(g);
	assert_non_null(add(t, 1, &a));
	assert_ptr_equal(grant_table_find(t, 0, &a, &by_policy), g);
	assert_null(grant_table_find(t, 2, &a, &by_policy));
	assert_null(grant_table_find(t, 0, &b, &by_policy));
	assert_int_equal(grant_table_count(t), 2);
	grant_table_remove(t, g);
	assert_null(grant_table_find(t, 0, &a, &by_policy));
	assert_non_null(grant_table_find(t, 1, &a, &by_policy));
	grant_table_free(t);
}

static void capacity_and_clients_are_limits(void **state)
{
	struct grant_table *t = grant_table_new(2, 1);
	struct addr a = address(1), b = address(2), c = address(3);

	(void)state;
	assert_null(add(t, 1, &a));
	assert_non_null(add(t, 0, &a));
	assert_non_null(add(t, 0, &b));
	assert_null(add(t, 0, &c));
	assert_int_equal(grant_table_held_by(t, 0), 2);
	assert_int_equal(grant_table_held_by(t, 1), 0);
	grant_table_remove(t, grant_table_find(t, 0, &a, &by_policy));
	assert_int_equal(grant_table_held_by(t, 0), 1);
	assert_non_null(add(t, 0, &c));
	grant_table_free(t);
}

static void all_are_met_once(void **state)
{
	struct grant_table *t = grant_table_new(256, 4);
	struct grant *next;
	size_t seen = 0;

	(void)state;
	assert_null(grant_table_next(NULL, NULL));
	assert_null(grant_table_next(t, NULL));
	for (uint8_t i = 0; i < 200; i++) {
		struct addr a = address(i);

		assert_non_null(add(t, i % 4, &a));
	}
	assert_null(grant_table_step(t));
	grant_table_walk(t);
	while (grant_table_step(t) != NULL)
		seen++;
	assert_int_equal(seen, 200);
	assert_null(grant_table_step(t));
	seen = 0;
	for (struct grant *g = grant_table_next(t, NULL); g != NULL; g = next) {
		next = grant_table_next(t, g);
		grant_table_remove(t, g);
		seen++;
	}
	assert_int_equal(seen, 200);
	assert_int_equal(grant_table_count(t), 0);
	grant_table_free(t);
}

/* Grants of one address each; whoever lives through the walk is met once, newcomers are not. */
static void a_walk_outlives_what_comes_and_goes(void **state)
{
	enum { OLD = 60 };
	struct grant_table *t = grant_table_new(256, OLD);
	struct addr a = address(1), b = address(2);
	uint8_t met[OLD] = {0};
	const struct grant *g;

	(void)state;
	for (uint32_t i = 0; i < OLD; i++)
		assert_non_null(add(t, i, &a));
	grant_table_walk(t);
	for (uint32_t steps = 0; (g = grant_table_step(t)) != NULL; steps++) {
		assert_true(addr_equal(&g->opening.address, &a));
		assert_int_equal(met[g->opening.holder]++, 0);
		assert_non_null(add(t, steps, &b));
		/* The next one, the one before it, and the one that was met just now. */
		if (steps == 10)
			for (uint32_t gone = 47; gone < 50; gone++)
				grant_table_remove(t, grant_table_find(t, gone, &a, &by_policy));
	}
	for (uint32_t i = 0; i < OLD; i++)
		assert_int_equal(met[i], i != 47 && i != 48);
	assert_int_equal(grant_table_count(t), 2 * OLD - 2 - 3);
	grant_table_walk(t);
	while ((g = grant_table_next(t, NULL)) != NULL)
		grant_table_remove(
		    t, grant_table_find(t, g->opening.holder, &g->opening.address, &by_policy));
	assert_null(grant_table_step(t));
	grant_table_free(t);
}

static long pages_touched(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}

/* A knock from an address that is new does not wait for memory. The buckets of a large table are a
 * megabyte. */
static void the_buckets_are_there_from_the_start(void **state)
{
	struct grant_table *t;
	long before;

	(void)state;
	if (is_emulated("count of its pages"))
		skip();
	(void)mallopt(M_PERTURB, 0); /* or malloc would touch all of it */
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	t = grant_table_new(1 << 20, 1);
	before = pages_touched();
	for (int i = 0; i < 1000; i++) {
		struct addr a = {{(uint8_t)i, (uint8_t)(i >> 8), 1}};

		assert_null(grant_table_find(t, 0, &a, &by_policy));
	}
	assert_true(pages_touched() - before < 50);
	grant_table_free(t);
}

/* Whichever allocation fails; what was allocated before is the sanitizer's to find. */
static void memory_may_be_short(void **state)
{
	struct grant_table *t = NULL;
	struct addr a = address(1);

	(void)state;
	for (size_t nth = 1; t == NULL; nth++) {
		short_memory(nth);
		t = grant_table_new(8, 3);
		assert_int_equal(t == NULL, short_memory_failed());
	}
	short_memory(1);
	assert_null(add(t, 0, &a));
	assert_int_equal(grant_table_count(t), 0);
	assert_int_equal(grant_table_held_by(t, 0), 0);
	assert_non_null(add(t, 0, &a));
	grant_table_free(t);
}

static void the_smallest_table(void **state)
{
	struct grant_table *t = grant_table_new(1, 1);
	struct addr a = address(1), b = address(2);

	(void)state;
	assert_non_null(add(t, 0, &a));
	assert_null(add(t, 0, &b));
	assert_ptr_equal(grant_table_at(t, &b), grant_table_find(t, 0, &a, &by_policy));
	assert_ptr_equal(grant_table_next(t, NULL), grant_table_at(t, &a));
	grant_table_walk(t);
	assert_ptr_equal(grant_table_step(t), grant_table_at(t, &a));
	assert_null(grant_table_step(t));
	grant_table_free(t);
}

/* Nobody who knows the code can choose addresses that fall into one bucket. */
static void each_table_has_an_order_of_its_own(void **state)
{
	struct grant_table *one = grant_table_new(512, 1), *other = grant_table_new(512, 1);
	bool same = true;

	(void)state;
	for (uint8_t i = 0; i < 64; i++) {
		struct addr a = address(i);

		assert_non_null(add(one, 0, &a));
		assert_non_null(add(other, 0, &a));
	}
	for (uint8_t i = 64; i < 128; i++) {
		struct addr a = address(i);

		same = same &&
		       (grant_table_at(one, &a) == NULL) == (grant_table_at(other, &a) == NULL);
	}
	assert_false(same);
	grant_table_free(one);
	grant_table_free(other);
}

static void bucket_refills_and_never_overflows(void **state)
{
	static const struct {
		int64_t pause_ns;
		bool given;
	} steps[] = {{0, true}, {0, true}, {0, true}, {0, false}, {99999999, false}, {1, true},
	    {0, false}, {250000000, true}, {0, true}, {0, false}, {49999999, false}, {1, true},
	    {3600000000000, true}, {0, true}, {0, true}, {0, false}};
	struct rate r = rate_of(10, 3);
	int64_t now = 1000000000000;

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		now += steps[i].pause_ns;
		assert_int_equal(rate_take(&r, now), steps[i].given);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grants_are_found_by_client_and_address),
	    cmocka_unit_test(capacity_and_clients_are_limits),
	    cmocka_unit_test(all_are_met_once),
	    cmocka_unit_test(a_walk_outlives_what_comes_and_goes),
	    cmocka_unit_test(the_buckets_are_there_from_the_start),
	    cmocka_unit_test(memory_may_be_short),
	    cmocka_unit_test(the_smallest_table),
	    cmocka_unit_test(each_table_has_an_order_of_its_own),
	    cmocka_unit_test(bucket_refills_and_never_overflows),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
