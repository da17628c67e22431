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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_until_the_time),
	    cmocka_unit_test(hears_what_is_there_and_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
