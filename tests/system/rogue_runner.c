/* A runner of either kind that has been taken over, to be put in the place of postern-runner. It
 * says that it lives, and opens rules, without running anything; all other questions it never
 * answers. */
#include <string.h>

#include "proc/process.h"

MESSAGES_TO_RUNNERS(MESSAGE_DECLARE)

struct runner {
	struct process process;
	struct peer keeper;
};

bool runner_begin(void *context, const struct runner_settings *m, struct message_fds *fds)
{
	struct runner *r = context;

	(void)m;
	return process_open_peer(&r->process, &r->keeper, ROLE_KEEPER, fds);
}

bool runner_take_request(void *context, const struct runner_request *m, struct message_fds *fds)
{
	struct runner *r = context;
	const struct runner_reply opened = {.ticket = m->ticket, .outcome = RUNNER_DONE};

	(void)fds;
	if (m->task == RUNNER_RULE_ADD)
		channel_send(&r->keeper.channel, MESSAGE_RULED, &opened, NULL);
	return true;
}

bool runner_take_server_task(
    void *context, const struct message_server_task *m, struct message_fds *fds)
{
	(void)context;
	(void)m;
	(void)fds;
	return true;
}

MESSAGES_TO_RUNNERS(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_RUNNERS(MESSAGE_ENTRY)};

int main(int argc, char *argv[])
{
	static struct runner r;
	const bool privileged = argc > 1 && strcmp(argv[1], role_name(ROLE_PRIVILEGED_RUNNER)) == 0;

	return process_run(&r.process, privileged ? ROLE_PRIVILEGED_RUNNER : ROLE_RUNNER,
	    privileged ? &sandbox_privileged_runner : &sandbox_runner, handlers, &r, NULL);
}
