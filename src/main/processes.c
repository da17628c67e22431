/* What main says to a role, and hears. */
#include "main/processes.h"

#include <errno.h>

#include "base/clock.h"
#include "base/exit.h"

#define READY_TIMEOUT_MS 10000

void main_fail(struct main_process *m, enum role role, const char *what)
{
	if (m->loop.stopped)
		return;
	log_event(LOG_LEVEL_ERROR, what, "process", role_name(role), "then",
	    "stopping; the ports stay shut", NULL);
	m->exit_status = EXIT_FAILED;
	loop_stop(&m->loop);
}

/* Until `*awaited` is no more what it was, or the time is over: one deadline, whatever else is said
 * meanwhile. False with errno. */
static bool wait_for_answer(struct child *child, const int *awaited, int timeout_ms)
{
	int64_t until = clock_boot_ns() + timeout_ms * NS_PER_MS;
	enum channel_result result = CHANNEL_MESSAGE;
	int before = *awaited;

	child->main->waiting = true;
	while (*awaited == before && result == CHANNEL_MESSAGE) {
		int64_t left_ms = (until - clock_boot_ns()) / NS_PER_MS;

		result = peer_wait(&child->peer, PHASE_RUN, left_ms > 0 ? (int)left_ms : 0);
	}
	child->main->waiting = false;
	errno = result == CHANNEL_CLOSED ? EPIPE : ETIMEDOUT;
	return result == CHANNEL_MESSAGE;
}

bool main_wait_ready(struct child *child)
{
	child->error = -1;
	child->ready_awaited = true;
	if (!wait_for_answer(child, &child->error, READY_TIMEOUT_MS))
		return false;
	errno = child->error;
	return errno == 0;
}

/* A program that the runner could not end in time counts as one that did not answer. */
static const char *run_task(struct child *runner, uint8_t task, int timeout_ms)
{
	static const char *const names[] = {[RUNNER_DONE] = NULL,
	    [RUNNER_REFUSED] = "it said no",
	    [RUNNER_FAILED] = "it failed",
	    [RUNNER_TIMEOUT] = "it did not end in time",
	    [RUNNER_BUSY] = "it was not run"};
	const struct message_server_task wanted = {.task = task};

	runner->task_outcome = -1;
	if (runner->pid <= 0 ||
	    !channel_send(&runner->peer.channel, MESSAGE_SERVER_TASK, &wanted, NULL))
		return "the process for scripts has ended";
	if (wait_for_answer(runner, &runner->task_outcome, timeout_ms))
		return names[runner->task_outcome];
	return errno == ETIMEDOUT ? names[RUNNER_TIMEOUT] : "the process for scripts has ended";
}

bool main_server_task(struct main_process *m, enum runner_task task)
{
	const char *name = task == RUNNER_SERVER_START ? "serverStart" : "serverStop";
	const char *why;

	if (!programs_has(&m->programs, task))
		return true;
	why = run_task(&m->children[ROLE_PRIVILEGED_RUNNER], (uint8_t)task,
	    programs_patience_ms(&m->programs));
	if (why != NULL)
		log_event(LOG_LEVEL_ERROR, "a script of the server did not do its work", "task",
		    name, "why", why, NULL);
	else
		log_event(LOG_LEVEL_INFO, "a script of the server has run", "task", name, NULL);
	return why == NULL;
}
