#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rate.h"
#include "base/secret.h"
#include "grant/grant_table.h"

static const struct ledger_what by_policy;

static struct addr address(uint8_t last)
{
	return (struct addr){{[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = last}};
}

static void entries_are_found_by_client_and_address(void **state)
{
	struct ledger *l = ledger_new(8, 3);
	struct addr a = address(1), b = address(2);
	struct ledger_entry *e;

	(void)state;
	assert_null(ledger_find(l, 0, &a, &by_policy));
	e = ledger_add(l, 0, &a, &by_policy);
	assert_non_null(e);
	assert_non_null(ledger_add(l, 1, &a, &by_policy));
	assert_ptr_equal(ledger_find(l, 0, &a, &by_policy), e);
	assert_null(ledger_find(l, 2, &a, &by_policy));
	assert_null(ledger_find(l, 0, &b, &by_policy));
	assert_int_equal(ledger_count(l), 2);
	ledger_remove(l, e);
	assert_null(ledger_find(l, 0, &a, &by_policy));
	assert_non_null(ledger_find(l, 1, &a, &by_policy));
	ledger_free(l);
}

static void capacity_and_clients_are_limits(void **state)
{
	struct ledger *l = ledger_new(2, 1);
	struct addr a = address(1), b = address(2), c = address(3);

	(void)state;
	assert_null(ledger_add(l, 1, &a, &by_policy));
	assert_non_null(ledger_add(l, 0, &a, &by_policy));
	assert_non_null(ledger_add(l, 0, &b, &by_policy));
	assert_null(ledger_add(l, 0, &c, &by_policy));
	assert_int_equal(ledger_held_by(l, 0), 2);
	assert_int_equal(ledger_held_by(l, 1), 0);
	ledger_remove(l, ledger_find(l, 0, &a, &by_policy));
	assert_int_equal(ledger_held_by(l, 0), 1);
	assert_non_null(ledger_add(l, 0, &c, &by_policy));
	ledger_free(l);
}

static void count_one(struct ledger_entry *e, void *context)
{
	struct ledger *l = context;

	ledger_remove(l, e);
}

static void all_are_in_the_parts_once(void **state)
{
	struct ledger *l = ledger_new(256, 4);
	size_t seen = 0;

	(void)state;
	for (uint8_t i = 0; i < 200; i++) {
		struct addr a = address(i);

		assert_non_null(ledger_add(l, i % 4, &a, &by_policy));
	}
	for (size_t part = 0; part < ledger_parts(l); part++) {
		for (const struct ledger_entry *e = ledger_part(l, part); e != NULL; e = e->next)
			seen++;
	}
	assert_int_equal(seen, 200);
	assert_null(ledger_part(l, ledger_parts(l)));
	ledger_each(l, count_one, l);
	assert_int_equal(ledger_count(l), 0);
	ledger_free(l);
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
	    cmocka_unit_test(entries_are_found_by_client_and_address),
	    cmocka_unit_test(capacity_and_clients_are_limits),
	    cmocka_unit_test(all_are_in_the_parts_once),
	    cmocka_unit_test(bucket_refills_and_never_overflows),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
