/* All the workers of a process: places for scripts, one helper for each program that stays, and an
 * eye on whatever they leave behind. */
#ifndef RUNNER_POOL_H
#define RUNNER_POOL_H

#include "proc/child.h"
#include "runner/worker.h"

struct runner_pool {
	const struct runner_settings *settings;
	struct runner_worker *scripts; /* most_at_once */
	struct runner_worker helpers[RUNNER_TASK_COUNT];
	struct runner_worker *helper_of[RUNNER_TASK_COUNT]; /* NULL: not by a helper */
	struct children children;
};

/* Starts nothing yet. `bench` stays the caller's. False: out of memory. */
bool runner_pool_open(struct runner_pool *c, struct runner_context *bench);
/* A place where no script runs; NULL when there is none, or but one and `keep_one` is set. */
struct runner_worker *runner_pool_place(struct runner_pool *c, bool keep_one);
/* Kills who is late, starts helpers that are due. */
void runner_pool_check(struct runner_pool *c, int64_t now_ns);
/* When there will be something to check; INT64_MAX: never. */
int64_t runner_pool_next(const struct runner_pool *c);
/* Reaps whoever has ended, and kills what has lost its parent. At every SIGCHLD. */
void runner_pool_reap(struct runner_pool *c);
/* Ends every program, and what it has started; waits a second for that at most. */
void runner_pool_end(struct runner_pool *c);

#endif
