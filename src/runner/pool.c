#include "runner/pool.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"

/* The first task with this helper has the process. */
static struct runner_worker *helper_for(struct runner_pool *c, int task)
{
	const struct runner_program *program = &c->settings->programs[task];

	for (int i = 0; i < task; i++)
		if (c->helper_of[i] != NULL &&
		    strcmp(c->settings->programs[i].path, program->path) == 0)
			return c->helper_of[i];
	c->helpers[task].program = program;
	return &c->helpers[task];
}

bool runner_pool_open(struct runner_pool *c, struct runner_context *bench)
{
	const struct runner_settings *s = bench->settings;
	bool ok;

	c->settings = s;
	c->children = children_open();
	c->scripts = calloc(s->most_at_once, sizeof *c->scripts);
	ok = c->scripts != NULL;
	for (uint32_t i = 0; ok && i < s->most_at_once; i++)
		ok = runner_worker_init(&c->scripts[i], bench);
	for (int i = 0; ok && i < RUNNER_TASK_COUNT; i++)
		ok = runner_worker_init(&c->helpers[i], bench);
	for (int i = 0; ok && i < RUNNER_TASK_COUNT; i++)
		if (s->programs[i].asked == CONF_ASKED_HELPER)
			c->helper_of[i] = helper_for(c, i);
	return ok;
}

struct runner_worker *runner_pool_place(struct runner_pool *c, bool keep_one)
{
	struct runner_worker *found = NULL;
	uint32_t places = 0;

	for (uint32_t i = 0; i < c->settings->most_at_once; i++) {
		if (c->scripts[i].child.pid > 0)
			continue;
		found = &c->scripts[i];
		places++;
	}
	return keep_one && places == 1 ? NULL : found;
}

void runner_pool_check(struct runner_pool *c, int64_t now_ns)
{
	for (uint32_t i = 0; i < c->settings->most_at_once; i++)
		runner_worker_check(&c->scripts[i], now_ns);
	for (int i = 0; i < RUNNER_TASK_COUNT; i++) {
		struct runner_worker *w = &c->helpers[i];

		runner_worker_check(w, now_ns);
		if (w->program != NULL && w->child.pid <= 0 && w->start_at_ns <= now_ns)
			runner_worker_start(w, now_ns);
	}
}

int64_t runner_pool_next(const struct runner_pool *c)
{
	int64_t when = INT64_MAX;

	for (uint32_t i = 0; i < c->settings->most_at_once; i++)
		if (c->scripts[i].busy)
			when = MIN(when, c->scripts[i].deadline_ns);
	for (int i = 0; i < RUNNER_TASK_COUNT; i++) {
		const struct runner_worker *w = &c->helpers[i];

		if (w->busy)
			when = MIN(when, w->deadline_ns);
		if (w->program != NULL && w->child.pid <= 0)
			when = MIN(when, w->start_at_ns);
	}
	return when;
}

static struct runner_worker *worker_of(struct runner_pool *c, pid_t pid)
{
	for (uint32_t i = 0; i < c->settings->most_at_once; i++)
		if (c->scripts[i].child.pid == pid)
			return &c->scripts[i];
	for (int i = 0; i < RUNNER_TASK_COUNT; i++)
		if (c->helpers[i].child.pid == pid)
			return &c->helpers[i];
	return NULL;
}

static bool is_ours(void *context, pid_t pid)
{
	return worker_of(context, pid) != NULL;
}

/* Reaps whoever has ended. A program's group is killed while its leader is still a zombie: after
 * that the number may be another's. */
void runner_pool_reap(struct runner_pool *c)
{
	siginfo_t info;

	for (;;) {
		struct runner_worker *w;

		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
			break;
		w = worker_of(c, info.si_pid);
		if (w != NULL)
			kill(-info.si_pid, SIGKILL);
		waitpid(info.si_pid, NULL, 0);
		if (w != NULL)
			runner_worker_ended(w, info.si_code, info.si_status, clock_boot_ns());
	}
	children_kill_strangers(c->children, is_ours, c);
}

void runner_pool_end(struct runner_pool *c)
{
	static const struct timespec pause = {0, 2 * NS_PER_MS};

	for (uint32_t i = 0; i < c->settings->most_at_once; i++)
		runner_worker_kill(&c->scripts[i]);
	for (int i = 0; i < RUNNER_TASK_COUNT; i++)
		runner_worker_kill(&c->helpers[i]);
	for (int i = 0; i < 500; i++) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return;
		children_kill_strangers(c->children, is_ours, c);
		if (pid == 0)
			nanosleep(&pause, NULL);
	}
}
