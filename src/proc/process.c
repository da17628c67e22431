#include "proc/process.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/secret.h"

#define BEGIN_TIMEOUT_MS 10000
#define CHECK_SLICE      8192 /* elements: about 1 ms */

/* What each process tells main, and the name of the channel to it. */
static const struct {
	enum message_type ready;
	enum message_type alive;
	enum message_fd channel;
} of_role[ROLE_COUNT] = {
    [ROLE_DOORMAN] = {MESSAGE_DOORMAN_READY, MESSAGE_DOORMAN_ALIVE, FD_DOORMAN},
    [ROLE_KEEPER] = {MESSAGE_KEEPER_READY, MESSAGE_KEEPER_ALIVE, FD_KEEPER},
    [ROLE_DESK] = {MESSAGE_DESK_READY, MESSAGE_DESK_ALIVE, FD_DESK},
    [ROLE_RUNNER] = {MESSAGE_RUNNER_READY, MESSAGE_RUNNER_ALIVE, FD_RUNNER},
    [ROLE_PRIVILEGED_RUNNER] = {MESSAGE_PRIVILEGED_RUNNER_READY, MESSAGE_PRIVILEGED_RUNNER_ALIVE,
        FD_PRIVILEGED_RUNNER},
};

/* What a table took goes back to the system with it: each reload puts new ones beside the old. */
static void allocate_tables_apart(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, PROCESS_TABLE_BYTES);
#endif
}

static bool begin(struct process *p, enum role role)
{
	allocate_tables_apart();
	/* A terminal's Ctrl-C and a SIGTERM for all of us are for main, which then stops us in
	 * order: a stop means the same however it arrives. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, program_invocation_short_name); /* it was executed by descriptor */
	/* Until main has said how. */
	log_go_on(role_name(role), (struct log_settings){.level = LOG_LEVEL_INFO,
	                               .journal = getenv("JOURNAL_STREAM") != NULL});
	if (!hello_receive(PROCESS_CHANNEL_FD, &p->hello, BEGIN_TIMEOUT_MS))
		return false;
	log_go_on(role_name(role), p->hello.log);
	sandbox_take_best(p->hello.best);
	if (secret_init() && loop_open(&p->loop) &&
	    peer_wait(&p->main, PHASE_START, BEGIN_TIMEOUT_MS) == CHANNEL_MESSAGE &&
	    peer_open(&p->main, &p->loop))
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot start", "error", strerror(errno), NULL);
	return false;
}

int process_run(struct process *p, enum role role, const struct sandbox_policy *policy,
    message_handler *const *handlers, void *context, void (*settled)(void *context))
{
	p->main = (struct peer){.channel = {PROCESS_CHANNEL_FD, role, ROLE_MAIN},
	    .handlers = handlers,
	    .context = context};
	if (!begin(p, role) || !sandbox_close(policy, p->hello.uid, p->hello.gid))
		return 1;
	process_report(p, 0);
	if (settled != NULL)
		settled(context);
	return loop_run(&p->loop) ? 0 : 1;
}

bool process_open_peer(
    struct process *p, struct peer *peer, enum role role, struct message_fds *fds)
{
	peer->channel = (struct channel){
	    message_fds_take(fds, of_role[role].channel), p->main.channel.self, role};
	peer->handlers = p->main.handlers;
	peer->context = p->main.context;
	errno = EPROTO;
	return peer->channel.fd >= 0 && peer_open(peer, &p->loop);
}

bool process_take_ping(void *context, const struct message_empty *m, struct message_fds *fds)
{
	const struct process *p = context;

	(void)fds;
	channel_try_send(&p->main.channel, of_role[p->main.channel.self].alive, m);
	return true;
}

bool process_take_check(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct process *p = context;
	int error = 0;

	(void)m;
	if (fds->fd[FD_SNAPSHOT] >= 0) {
		snapshot_unmap(&p->next);
		error = snapshot_begin(&p->next, fds->fd[FD_SNAPSHOT]) ? 0 : errno;
	}
	if (error == 0)
		error = snapshot_check(&p->next, CHECK_SLICE);
	if (error != 0 && error != EAGAIN)
		snapshot_unmap(&p->next);
	process_report(p, error);
	return true;
}

bool process_snapshot(struct process *p, struct snapshot *out, const struct message_fds *fds)
{
	if (fds->fd[FD_SNAPSHOT] >= 0)
		return snapshot_map(out, fds->fd[FD_SNAPSHOT]);
	errno = snapshot_check(&p->next, 0);
	if (errno != 0)
		return false;
	*out = p->next;
	p->next = (struct snapshot){0};
	return true;
}

void process_report(const struct process *p, int error)
{
	const struct message_outcome outcome = {error, (uint8_t)sandbox_without()};

	channel_send(&p->main.channel, of_role[p->main.channel.self].ready, &outcome, NULL);
}
