/* A desk that has been taken over, to be put in the place of postern-desk. It does its work, and
 * answers nothing on the control socket; the first word that is sent there makes it bad:
 *
 *   reload    wants a reload, and another whenever one is done
 *   never     wants one, and never takes a configuration over
 *   flood     wants reloads without end
 *   deaf      does nothing any more
 *   ask       asks the keeper for sessions without end */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/process.h"

#define AT_ONCE 100

MESSAGES_TO_DESK(MESSAGE_DECLARE)

static const struct message_asker asker;
static const struct message_cursor cursor;

struct desk {
	struct process process;
	struct peer keeper;
	struct loop_source control;
	struct loop_source word; /* never read, so that it is always ready */
	char how[16];
};

static bool is(const struct desk *d, const char *how)
{
	return strcmp(d->how, how) == 0;
}

static void want_reload(const struct desk *d)
{
	channel_try_send(&d->process.main.channel, MESSAGE_RELOAD_WANTED, &asker);
}

static void be_bad(void *context)
{
	struct desk *d = context;

	if (d->how[0] == '\0' && recv(d->word.fd, d->how, sizeof d->how - 1, MSG_PEEK) > 0) {
		log_event(LOG_LEVEL_WARN, "rogue desk", "how", d->how, NULL);
		if (is(d, "reload") || is(d, "never"))
			want_reload(d);
	}
	while (is(d, "deaf"))
		poll(NULL, 0, -1);
	for (int i = 0; i < AT_ONCE; i++) {
		if (is(d, "ask"))
			channel_try_send(&d->keeper.channel, MESSAGE_SESSIONS_WANTED, &cursor);
		if (is(d, "flood"))
			want_reload(d);
	}
}

static void control_ready(void *context)
{
	struct desk *d = context;

	d->word = (struct loop_source){accept4(d->control.fd, NULL, NULL, SOCK_CLOEXEC), be_bad, d};
	loop_add(&d->process.loop, &d->word);
}

bool desk_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct desk *d = context;

	(void)m;
	d->control = (struct loop_source){message_fds_take(fds, FD_CONTROL), control_ready, d};
	return loop_add(&d->process.loop, &d->control) &&
	       process_open_peer(&d->process, &d->keeper, ROLE_KEEPER, fds);
}

bool desk_take_config(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct desk *d = context;

	(void)m;
	(void)fds;
	if (!is(d, "never"))
		process_report(&d->process, 0);
	return true;
}

bool desk_take_status(void *context, const struct message_status *m, struct message_fds *fds)
{
	(void)context;
	(void)m;
	(void)fds;
	return true;
}

bool desk_take_reload_done(void *context, const struct message_text *m, struct message_fds *fds)
{
	(void)m;
	(void)fds;
	if (is(context, "reload"))
		want_reload(context);
	return true;
}

bool desk_take_sessions(void *context, const struct message_sessions *m, struct message_fds *fds)
{
	(void)context;
	(void)m;
	(void)fds;
	return true;
}

MESSAGES_TO_DESK(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_DESK(MESSAGE_ENTRY)};

int main(void)
{
	static struct desk d;

	return process_run(&d.process, ROLE_DESK, &sandbox_desk, handlers, &d, NULL);
}
