/* All the workers of a process: places for scripts, one helper for each program that stays, and an
 * eye on whatever they leave behind. */
#ifndef RUNNER_POOL_H
#define RUNNER_POOL_H

#include "runner/worker.h"

struct runner_crew {
	const struct runner_settings *settings;
	struct runner_worker *scripts; /* most_at_once */
	struct runner_worker helpers[RUNNER_TASK_COUNT];
	struct runner_worker *helper_of[RUNNER_TASK_COUNT]; /* NULL: not by a helper */
	struct runner_children children;
};

/* Starts nothing yet. `bench` stays the caller's. False: out of memory. */
bool runner_crew_open(struct runner_crew *c, struct runner_bench *bench);
/* A place where no script runs; NULL when there is none, or but one and `keep_one` is set. */
struct runner_worker *runner_crew_place(struct runner_crew *c, bool keep_one);
/* Kills who is late, starts helpers that are due. */
void runner_crew_check(struct runner_crew *c, int64_t now_ns);
/* When there will be something to check; INT64_MAX: never. */
int64_t runner_crew_next(const struct runner_crew *c);
/* Reaps whoever has ended, and kills what has lost its parent. At every SIGCHLD. */
void runner_crew_reap(struct runner_crew *c);
/* Ends every program, and what it has started; waits a second for that at most. */
void runner_crew_end(struct runner_crew *c);

#endif
