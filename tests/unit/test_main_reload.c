/* Main, as it is asked for reloads without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/secret.h"
#include "main/processes.h"

#define MS NS_PER_MS

bool __real_timer_set(int fd, int64_t first_ns, int64_t every_ns);
bool __wrap_timer_set(int fd, int64_t first_ns, int64_t every_ns);
int64_t __wrap_clock_boot_ns(void);

static int64_t now_ns, step_ns, wait_ns;

/* Whoever looks at the clock has been at work for a while. */
int64_t __wrap_clock_boot_ns(void)
{
	return now_ns += step_ns;
}

bool __wrap_timer_set(int fd, int64_t first_ns, int64_t every_ns)
{
	wait_ns = first_ns;
	return __real_timer_set(fd, first_ns, every_ns);
}

static void begin(struct main_process *m)
{
	static const struct main_options options = {
	    .config = "/nonexistent/postern.yaml", .state_dir = "/nonexistent"};

	*m = (struct main_process){.options = &options};
	m->children[ROLE_DESK].main = m;
	m->children[ROLE_DESK].peer.channel = (struct channel){-1, ROLE_MAIN, ROLE_DESK};
	assert_true(secret_init() && loop_open(&m->loop));
	assert_true(main_open_reload(m));
	now_ns = NS_PER_SECOND;
	step_ns = 0;
}

/* How long the desk's next wish waits, after a reload that took so long. */
static int64_t wait_after(struct main_process *m, int64_t took_ns)
{
	m->reload.ready(m->reload.context);
	assert_true(loop_wait_readable(m->loader.source.fd, INT64_MAX / 2));
	step_ns = took_ns;
	m->loader.source.ready(m->loader.source.context);
	step_ns = 0;
	assert_false(m->reload_wanted);
	main_want_reload(m);
	return wait_ns;
}

/* As long as it took is for everything else, within limits. */
static void the_desk_waits_its_turn(void **state)
{
	struct main_process m;

	(void)state;
	begin(&m);
	main_want_reload(&m);
	assert_int_equal(wait_ns, 1); /* at once */
	assert_int_equal(wait_after(&m, 7 * MS), 7 * MS);
	assert_int_equal(wait_after(&m, 300 * MS), 300 * MS);
	assert_int_equal(wait_after(&m, 60 * NS_PER_SECOND), 5 * NS_PER_SECOND);
	loop_close(&m.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_desk_waits_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
