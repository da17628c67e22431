#include "proc/process.h"

#include <errno.h>
#include <signal.h>

#include "base/secret.h"
#include "proc/sandbox.h"

#define BEGIN_TIMEOUT_MS 10000

static const enum message_type ready_message[ROLE_COUNT] = {
    [ROLE_DOORMAN] = MESSAGE_DOORMAN_READY,
    [ROLE_KEEPER] = MESSAGE_KEEPER_READY,
    [ROLE_DESK] = MESSAGE_DESK_READY,
    [ROLE_RUNNER] = MESSAGE_RUNNER_READY,
    [ROLE_PRIVILEGED_RUNNER] = MESSAGE_PRIVILEGED_RUNNER_READY,
};

bool process_begin(struct process *p, enum role role, struct message *begin)
{
	const struct message_begin *how;

	/* The terminal's Ctrl-C is for main, which then stops us in order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	log_open(role_name(role), LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	p->main = (struct channel){PROCESS_CHANNEL_FD, role, ROLE_MAIN};
	if (!secret_init() || !loop_open(&p->loop) ||
	    channel_wait(&p->main, begin, PHASE_START, BEGIN_TIMEOUT_MS) != CHANNEL_MESSAGE)
		return false;
	how = &begin->body.BEGIN_DOORMAN; /* all begin with the same struct */
	log_open(role_name(role), how->log_level, how->log_format);
	return true;
}

bool process_settle(struct process *p, const struct message_begin *begin,
    void (*ready)(void *context), void *context)
{
	p->main_source = (struct loop_source){p->main.fd, ready, context};
	if (!loop_add(&p->loop, &p->main_source) ||
	    !sandbox_close(p->main.self, begin->uid, begin->gid))
		return false;
	process_report(p, 0);
	return true;
}

void process_report(const struct process *p, int error)
{
	const struct message_outcome outcome = {error};

	channel_send(&p->main, ready_message[p->main.self], &outcome, NULL, 0);
}
