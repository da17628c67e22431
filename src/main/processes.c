/* What main says to a role, and hears. */
#include "main/processes.h"

#include <errno.h>

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

bool main_wait_ready(struct main_process *m, struct child *child)
{
	struct message message;

	do {
		enum channel_result result =
		    channel_wait(&child->channel, &message, PHASE_RUN, READY_TIMEOUT_MS);

		if (result != CHANNEL_MESSAGE) {
			errno = result == CHANNEL_CLOSED ? EPIPE : ETIMEDOUT;
			return false;
		}
		/* The desk may ask before it has heard that a reload is under way: its turn
		 * comes after this one. */
		if (message.type == MESSAGE_RELOAD_WANTED)
			m->reload_asked_by_desk = true;
	} while (message.type == MESSAGE_RELOAD_WANTED);
	errno = message.body.DOORMAN_READY.error; /* the same struct for all */
	return errno == 0;
}

/* A program that the privileged runner could not end in time counts as one that did not answer. */
static const char *outcome_of(struct child *privileged, uint8_t task, int timeout_ms)
{
	static const char *const names[] = {[RUNNER_DONE] = NULL,
	    [RUNNER_REFUSED] = "it said no",
	    [RUNNER_FAILED] = "it failed",
	    [RUNNER_TIMEOUT] = "it did not end in time",
	    [RUNNER_BUSY] = "it was not run"};
	const struct message_server_task wanted = {.task = task};
	struct message message;

	if (privileged->pid <= 0 ||
	    !channel_send(&privileged->channel, MESSAGE_SERVER_TASK, &wanted, NULL, 0))
		return "the process for scripts has ended";
	switch (channel_wait(&privileged->channel, &message, PHASE_RUN, timeout_ms)) {
	case CHANNEL_MESSAGE:
		if (message.type == MESSAGE_SERVER_TASK_DONE &&
		    message.body.SERVER_TASK_DONE.task == task &&
		    message.body.SERVER_TASK_DONE.outcome <= RUNNER_BUSY)
			return names[message.body.SERVER_TASK_DONE.outcome];
		return "the process for scripts spoke out of turn";
	case CHANNEL_CLOSED:
		return "the process for scripts has ended";
	case CHANNEL_EMPTY:
		break;
	}
	return names[RUNNER_TIMEOUT];
}

bool main_server_task(struct main_process *m, enum runner_task task)
{
	const char *name = task == RUNNER_SERVER_START ? "serverStart" : "serverStop";
	const char *why;

	if (!programs_has(&m->programs, task))
		return true;
	why = outcome_of(&m->children[ROLE_PRIVILEGED_RUNNER], (uint8_t)task,
	    programs_patience_ms(&m->programs));
	if (why != NULL)
		log_event(LOG_LEVEL_ERROR, "a script of the server did not do its work", "task",
		    name, "why", why, NULL);
	else
		log_event(LOG_LEVEL_INFO, "a script of the server has run", "task", name, NULL);
	return why == NULL;
}
