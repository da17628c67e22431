#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doorman/trial_pace.h"

#define MS INT64_C(1000000)

/* Since the last one: processor time, time that others took, and the pause that follows. */
static const struct {
	int64_t ran_ms, waited_ms, pause_ms;
} spans[] = {
    {1, 0, 0},                  /* too short to tell */
    {2, 0, 0},                  /* all to itself */
    {40, 9, 0},                 /* noise */
    {40, 10, 10}, {40, 40, 40}, /* half each: a third, then */
    {40, 60, 60}, {40, 61, 59}, /* never less than a quarter */
    {40, 119, 1}, {40, 120, 0}, /* for which the scheduler has seen already */
    {40, 4000, 0}, {40, -5, 0}, /* woken early, in a pause */
};

static void a_pause_for_each_span(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
		struct trial_pace p;

		trial_pace_begin(&p, 500 * MS, 70 * MS);
		assert_int_equal(
		    trial_pace_pause(&p, (500 + spans[i].ran_ms + spans[i].waited_ms) * MS,
		        (70 + spans[i].ran_ms) * MS),
		    spans[i].pause_ms * MS);
	}
}

/* A pause that it took itself is not time that others took. */
static void spans_follow_each_other(void **state)
{
	int64_t boot = 0, cpu = 0, pause;
	struct trial_pace p;

	(void)state;
	trial_pace_begin(&p, boot, cpu);
	pause = trial_pace_pause(&p, boot += 8 * MS, cpu += 4 * MS);
	assert_int_equal(pause, 4 * MS);
	assert_int_equal(trial_pace_pause(&p, boot += pause + MS, cpu += MS), 0);
	assert_int_equal(trial_pace_pause(&p, boot += MS, cpu += MS), 0);
	assert_int_equal(trial_pace_pause(&p, boot += 4 * MS, cpu += 2 * MS), 2 * MS);
}

/* However hard the others press, a quarter of what there is; alone, nearly all. */
static void shares(void **state)
{
	(void)state;
	for (int64_t rivals = 0; rivals < 4; rivals++) {
		int64_t boot = 0, cpu = 0;
		struct trial_pace p;

		trial_pace_begin(&p, 0, 0);
		while (boot < 1000 * MS) {
			cpu += 3 * MS;
			boot += 3 * MS * (1 + rivals);
			boot += trial_pace_pause(&p, boot, cpu);
		}
		assert_true(cpu * 4 >= boot - 50 * MS);
		assert_true(rivals > 0 || cpu == boot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pause_for_each_span),
	    cmocka_unit_test(spans_follow_each_other),
	    cmocka_unit_test(shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
