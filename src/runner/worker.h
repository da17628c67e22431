/* A process that works for the runner: a script, started for one question, or a helper, which
 * stays and is asked one question at a time. It ends by runner_worker_kill, or by itself; then the
 * runner, who reaps, says so with runner_worker_ended. */
#ifndef RUNNER_WORKER_H
#define RUNNER_WORKER_H

#include "base/loop.h"
#include "base/rate.h"
#include "proc/program.h"
#include "runner/child.h"

#define RUNNER_STDERR_BYTES 400 /* of it that are logged; the rest is thrown away */

/* What all workers of a process share. */
struct runner_context {
	struct loop *loop;
	const struct runner_settings *settings;
	struct rate log_rate; /* of what anybody outside can cause to be logged */
	/* Gives an answer away; the worker is idle, or ending, when it is called. */
	void (*answer)(void *context, const struct runner_request *, struct runner_reply *);
	/* Called when a worker may have become idle by what it printed. */
	void (*go_on)(void *context);
	void *context;
};

struct runner_worker {
	struct runner_context *bench;
	const struct runner_program *program;
	struct runner_child child; /* pid 0: not running */
	struct loop_source out, err;
	char *output; /* output_most + 1 bytes */
	size_t used;
	char errors[RUNNER_STDERR_BYTES + 1];
	size_t error_size;
	bool busy;   /* `request` waits for its answer */
	bool ending; /* killed, not yet reaped */
	struct runner_request request;
	int64_t deadline_ns;
	/* Helpers only */
	uint32_t last_id; /* not to be guessed: an answer is to the question, not before it */
	struct rate error_rate;
	int64_t backoff_ns;
	int64_t start_at_ns; /* not before */
};

bool runner_worker_init(struct runner_worker *w, struct runner_context *bench);

/* Starts the script for this question. False: it could not be started, and nothing was answered. */
bool runner_worker_run(
    struct runner_worker *w, const struct runner_request *request, int64_t now_ns);
/* Starts the helper; when that fails, and whenever it ends, it is due again after a pause that
 * doubles until it has given a good answer. */
void runner_worker_start(struct runner_worker *w, int64_t now_ns);
/* Asks a helper that runs and is not busy. */
void runner_worker_ask(
    struct runner_worker *w, const struct runner_request *request, int64_t now_ns);

/* Kills it if its deadline is over. */
void runner_worker_check(struct runner_worker *w, int64_t now_ns);
/* Kills it, whatever it does; nothing is answered. */
void runner_worker_kill(struct runner_worker *w);
/* It has ended, with this status of waitid. Its process group must be gone. */
void runner_worker_ended(struct runner_worker *w, int code, int status, int64_t now_ns);

#endif
