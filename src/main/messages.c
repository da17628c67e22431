/* What main does on what the other processes say. The context is a struct child. */
#include <errno.h>

#include "main/processes.h"

static void out_of_turn(struct child *child)
{
	main_fail(child->main, child->peer.channel.peer, "a process spoke out of turn");
}

bool main_take_ready(void *context, const struct message_outcome *m, struct message_fds *fds)
{
	struct child *child = context;

	(void)fds;
	if (!child->ready_awaited || m->error < 0 || m->without >= 1 << SANDBOX_LAYERS)
		out_of_turn(child);
	child->main->without |= m->without;
	child->ready_awaited = false;
	child->error = m->error < 0 ? EPROTO : m->error;
	return true;
}

bool main_take_alive(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct child *child = context;

	(void)m;
	(void)fds;
	child->silent = 0;
	return true;
}

bool main_take_task_done(
    void *context, const struct message_server_task *m, struct message_fds *fds)
{
	struct child *child = context;

	(void)fds;
	if (m->outcome > RUNNER_BUSY)
		out_of_turn(child);
	else
		child->task_outcome = m->outcome;
	return true;
}

bool main_take_stopping(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct child *child = context;

	(void)m;
	(void)fds;
	child->main->keeper_gets_on = true;
	return true;
}

/* One at a time, the next when it is told that the last is done. From the loop, not from here: a
 * reload by signal may be under way. */
bool main_take_reload_wanted(void *context, const struct message_asker *m, struct message_fds *fds)
{
	struct child *child = context;

	(void)fds;
	if (child->main->reload_wanted) {
		out_of_turn(child);
		return true;
	}
	child->main->desk_asker = (struct asker){ASKED_BY_CONTROL, m->uid};
	main_want_reload(child->main);
	return true;
}

bool main_take_audit(void *context, const struct message_audit *m, struct message_fds *fds)
{
	struct child *child = context;

	(void)fds;
	if (!audit_take(&child->main->audit, m))
		out_of_turn(child);
	return true;
}

bool main_take_stranger(void *context, const struct message_stranger *m, struct message_fds *fds)
{
	struct child *child = context;

	(void)fds;
	if (!audit_take_stranger(&child->main->audit, m))
		out_of_turn(child);
	return true;
}

MESSAGES_TO_MAIN(MESSAGE_TAKE)

message_handler *const main_handlers[MESSAGE_COUNT] = {MESSAGES_TO_MAIN(MESSAGE_ENTRY)};
