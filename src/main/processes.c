/* What main says to a role, and hears. */
#include "main/processes.h"

#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/exit.h"

#define LOOK_MS 50 /* how soon a signal to stop is seen while waiting */

void main_fail(struct main_process *m, enum role role, const char *what)
{
	if (m->loop.stopped)
		return;
	log_event(LOG_LEVEL_ERROR, what, "process", role_name(role), "then",
	    "stopping; the ports stay shut", NULL);
	m->exit_status = EXIT_FAILED;
	loop_stop(&m->loop);
}

struct child *main_doorman(struct main_process *m, unsigned int number)
{
	return &m->children[number == 0 ? (unsigned int)ROLE_DOORMAN : ROLE_COUNT + number - 1];
}

bool main_is_to_stop(const struct main_process *m)
{
	sigset_t pending;

	return m->exit_status == EXIT_DONE && !m->loop.stopped && sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* Until `*awaited` is no more what it was, the time is over, or the daemon is to stop: one
 * deadline, whatever else is said meanwhile. False with errno. */
static bool wait_for_answer(struct child *child, const int *awaited, int timeout_ms)
{
	int64_t until = clock_boot_ns() + timeout_ms * NS_PER_MS;
	const bool stopped = child->main->loop.stopped;
	int before = *awaited;

	while (*awaited == before) {
		if (child->main->loop.stopped != stopped) {
			errno = EPROTO;
			return false;
		}
		errno = main_is_to_stop(child->main)                                    ? EINTR
		        : clock_boot_ns() >= until                                      ? ETIMEDOUT
		        : peer_wait(&child->peer, PHASE_RUN, LOOK_MS) == CHANNEL_CLOSED ? EPIPE
		                                                                        : 0;
		if (errno != 0)
			return false;
	}
	main_feed_watchdog();
	return true;
}

bool main_wait_ready(struct child *child, int timeout_ms)
{
	child->error = -1;
	child->ready_awaited = true;
	if (!wait_for_answer(child, &child->error, timeout_ms))
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
	if (wait_for_answer(runner, &runner->task_outcome, timeout_ms) &&
	    runner->task_outcome >= RUNNER_DONE && runner->task_outcome <= RUNNER_BUSY)
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
