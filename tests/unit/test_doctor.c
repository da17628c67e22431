/* What postern-doctor makes of what cannot be made on purpose: clocks, and a full table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "doctor/clock.h"
#include "doctor/kernel.h"

#define NOW (1800000000 * NS_PER_SECOND)

static struct clock_facts well(void)
{
	return (struct clock_facts){.now_ns = NOW,
	    .not_before_ns = NOW - 1,
	    .window_ns = 60 * NS_PER_SECOND,
	    .error_ns = 16 * NS_PER_SECOND,
	    .synchronised = true};
}

static void assert_judged(const struct clock_facts *f, enum finding expected, const char *text)
{
	struct clock_judgement j = clock_judge(f);

	assert_int_equal(j.what, expected);
	assert_non_null(strstr(j.text, text));
	assert_int_equal(j.remedy == NULL, expected == FINDING_OK);
}

static void a_clock_that_is_right(void **state)
{
	struct clock_facts f = well();

	(void)state;
	assert_judged(&f, FINDING_OK, "kept right");
	f.error_ns = f.window_ns;
	assert_judged(&f, FINDING_OK, "kept right");
}

static void a_clock_that_nothing_keeps(void **state)
{
	struct clock_facts f = well();

	(void)state;
	f.synchronised = false;
	assert_judged(&f, FINDING_WARNING, "nothing keeps it right");
}

static void a_clock_that_may_be_off(void **state)
{
	struct clock_facts f = well();

	(void)state;
	f.error_ns = f.window_ns + 1;
	assert_judged(&f, FINDING_WARNING, "may be off");
}

/* Files are dated by a coarser clock: a minute is nothing. */
static void a_clock_that_was_set_back(void **state)
{
	struct clock_facts f = well();

	(void)state;
	f.not_before_ns = NOW + 60 * NS_PER_SECOND;
	assert_judged(&f, FINDING_OK, "kept right");
	f.not_before_ns++;
	assert_judged(&f, FINDING_PROBLEM, "over already");
	f.now_ns = 0; /* as without a battery */
	f.synchronised = false;
	assert_judged(&f, FINDING_PROBLEM, "over already");
}

static void a_table_of_connections(void **state)
{
	(void)state;
	assert_int_equal(connections_judge(0, 262144), FINDING_OK);
	assert_int_equal(connections_judge(800, 1000), FINDING_OK);
	assert_int_equal(connections_judge(801, 1000), FINDING_WARNING);
	assert_int_equal(connections_judge(950, 1000), FINDING_WARNING);
	assert_int_equal(connections_judge(951, 1000), FINDING_PROBLEM);
	assert_int_equal(connections_judge(1000, 1000), FINDING_PROBLEM);
	assert_int_equal(connections_judge(5, 0), FINDING_OK); /* without a limit */
	assert_int_equal(connections_judge(UINT64_MAX, UINT64_MAX), FINDING_PROBLEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_clock_that_is_right),
	    cmocka_unit_test(a_clock_that_nothing_keeps),
	    cmocka_unit_test(a_clock_that_may_be_off),
	    cmocka_unit_test(a_clock_that_was_set_back),
	    cmocka_unit_test(a_table_of_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
