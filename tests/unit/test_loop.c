#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"

/* Less than a second: C libraries that mistake one form of time for another wait not at all. */
#define WAIT_NS (300 * NS_PER_MS)

static void waits_until_the_time(void **state)
{
	int64_t until_ns;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	until_ns = clock_boot_ns() + WAIT_NS;
	assert_false(loop_wait_readable(ends[0], until_ns));
	assert_int_equal(errno, 0);
	assert_true(clock_boot_ns() >= until_ns);
	assert_false(loop_wait_readable(ends[0], until_ns)); /* is over already */
	assert_int_equal(errno, 0);
	close(ends[0]);
	close(ends[1]);
}

static void hears_what_is_there_and_an_end(void **state)
{
	char byte;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_true(loop_wait_readable(ends[0], 0));
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[1]);
	assert_true(loop_wait_readable(ends[0], INT64_MAX / 2));
	close(ends[0]);
}

/* What one slice of work, or one source, has been called for. */
struct worked {
	struct loop loop;
	int slices, left, turns_of_source;
};

static bool do_slice(void *context)
{
	struct worked *w = context;

	w->slices++;
	return --w->left > 0;
}

static void give_work(void *context)
{
	struct worked *w = context;

	w->turns_of_source++;
	w->loop.working = true;
}

/* A slice follows each turn, there is no wait while some is left, and none is done without need. */
static void work_between_the_turns(void **state)
{
	struct worked w = {.left = 3};
	int ends[2];
	struct loop_source source;

	(void)state;
	assert_true(loop_open(&w.loop));
	assert_false(loop_turn(&w.loop, 0));
	w.loop.work = do_slice;
	w.loop.work_context = &w;
	assert_false(loop_turn(&w.loop, 0));
	assert_int_equal(w.slices, 0);
	assert_int_equal(pipe(ends), 0);
	source = (struct loop_source){ends[0], give_work, &w};
	assert_true(loop_add(&w.loop, &source));
	assert_int_equal(write(ends[1], "x", 1), 1);
	for (int turn = 1; turn <= 2; turn++) {
		assert_true(loop_turn(&w.loop, -1));
		assert_int_equal(w.slices, turn);
		assert_int_equal(w.turns_of_source, turn); /* it is not kept waiting by work */
	}
	loop_remove(&w.loop, &source);
	assert_true(loop_turn(&w.loop, -1)); /* or this would never end */
	assert_int_equal(w.slices, 3);
	assert_false(loop_turn(&w.loop, 0));
	assert_int_equal(w.slices, 3);
	close(ends[0]);
	close(ends[1]);
	loop_close(&w.loop);
}

/* Nothing before the time, and then once. That the kernel tells of a clock that is set is not
 * tried: it is everybody's. */
static void a_timer_goes_off_at_a_time_of_the_clock(void **state)
{
	int timer = timer_open_real();
	int64_t when_ns = clock_real_ns() + WAIT_NS;

	(void)state;
	assert_true(timer >= 0);
	assert_true(timer_set_at(timer, when_ns));
	assert_true(loop_wait_readable(timer, clock_boot_ns() + 10 * NS_PER_SECOND));
	assert_true(clock_real_ns() >= when_ns);
	timer_read(timer);
	assert_false(loop_wait_readable(timer, 0));
	assert_true(timer_set(timer, 1, 0));
	assert_true(loop_wait_readable(timer, clock_boot_ns() + 10 * NS_PER_SECOND));
	close(timer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_until_the_time),
	    cmocka_unit_test(hears_what_is_there_and_an_end),
	    cmocka_unit_test(work_between_the_turns),
	    cmocka_unit_test(a_timer_goes_off_at_a_time_of_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
