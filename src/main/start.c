/* Starting the roles, and making them known to each other. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "main/executable.h"
#include "main/ladder.h"
#include "main/processes.h"
#include "main/spawn.h"
#include "main/state_file.h"
#include "proc/counters.h"
#include "proc/hello.h"

/* What the processes inherit, by process and name: the ends of the channels between them, their
 * counters, and what main has opened. Closed here once they have it. */
struct inherited {
	struct message_fds of[ROLE_COUNT];
};

static void close_inherited(struct inherited *in)
{
	for (enum role role = FIRST_ROLE; role < ROLE_COUNT; role++)
		message_fds_close(&in->of[role]);
}

static bool connect_roles(
    struct inherited *in, enum role a, enum message_fd to_b, enum role b, enum message_fd to_a)
{
	int ends[2];

	if (!channel_pair(ends))
		return false;
	in->of[a].fd[to_b] = ends[0];
	in->of[b].fd[to_a] = ends[1];
	return true;
}

/* The desk reads what those of the role `owner` count. */
static bool share_counters(
    struct inherited *in, enum role owner, unsigned int count, enum message_fd name)
{
	int fd = counters_create(count);

	if (fd < 0)
		return false;
	in->of[owner].fd[name] = fd;
	return (in->of[ROLE_DESK].fd[name] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0;
}

/* What main keeps; -1: there is none. */
static void share(struct inherited *in, enum role role, enum message_fd name, int fd)
{
	if (fd >= 0)
		in->of[role].fd[name] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Where a doorman's knocks come from, when they come past the stack. */
static int ring_of(const struct main_process *m, unsigned int doorman)
{
	return m->shield.loaded.rings > doorman ? m->shield.loaded.ring[doorman] : -1;
}

static bool open_inherited(struct inherited *in, const struct main_process *m,
    const struct snapshot *snapshot, struct replay_start *r)
{
	uint32_t holders = snapshot_holders(snapshot);
	bool rules = runner_settings_make_rules(&m->programs.settings);

	for (enum role role = ROLE_MAIN; role < ROLE_COUNT; role++)
		in->of[role] = message_fds_none();
	in->of[ROLE_KEEPER].fd[FD_REPLAY] =
	    replay_file_open(m->options->state_dir, m->options->control, holders, &r->origin);
	if (in->of[ROLE_KEEPER].fd[FD_REPLAY] < 0)
		return false;
	if (rules &&
	    (in->of[ROLE_KEEPER].fd[FD_RULE_JOURNAL] = rules_file_open(m->options->state_dir)) < 0)
		return false;
	if (!rules)
		rules_file_mind(m->options->state_dir);
	if (snapshot->settings->openme)
		in->of[ROLE_DOORMAN].fd[FD_NETWORKS] =
		    networks_file_open(m->options->state_dir, snapshot->client_count);
	in->of[ROLE_DOORMAN].fd[FD_HELD] = fcntl(m->held, F_DUPFD_CLOEXEC, 0);
	in->of[ROLE_KEEPER].fd[FD_HELD] = fcntl(m->held, F_DUPFD_CLOEXEC, 0);
	if (m->firewall >= 0)
		in->of[ROLE_KEEPER].fd[FD_FIREWALL] = fcntl(m->firewall, F_DUPFD_CLOEXEC, 0);
	share(in, ROLE_DOORMAN, FD_SHIELD_CONTROL, m->shield.loaded.control);
	share(in, ROLE_DOORMAN, FD_RING, ring_of(m, 0));
	share(in, ROLE_DESK, FD_SHIELD_COUNTS, m->shield.loaded.counts);
	share(in, ROLE_KEEPER, FD_SHIELD_PROGRAM, m->shield.loaded.xdp);
	in->of[ROLE_DESK].fd[FD_CONTROL] = fcntl(m->control, F_DUPFD_CLOEXEC, 0);
	if (connect_roles(in, ROLE_DOORMAN, FD_KEEPER, ROLE_KEEPER, FD_DOORMAN) &&
	    connect_roles(in, ROLE_DESK, FD_KEEPER, ROLE_KEEPER, FD_DESK) &&
	    (!programs_need(&m->programs, ROLE_RUNNER) ||
	        connect_roles(in, ROLE_RUNNER, FD_KEEPER, ROLE_KEEPER, FD_RUNNER)) &&
	    (!rules || connect_roles(in, ROLE_PRIVILEGED_RUNNER, FD_KEEPER, ROLE_KEEPER,
	                   FD_PRIVILEGED_RUNNER)) &&
	    share_counters(in, ROLE_DOORMAN, m->doormen, FD_DOORMAN_COUNTERS) &&
	    share_counters(in, ROLE_KEEPER, 1, FD_KEEPER_COUNTERS) &&
	    in->of[ROLE_DESK].fd[FD_CONTROL] >= 0)
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot make channels between the processes", "error",
	    strerror(errno), NULL);
	return false;
}

static bool send_begin(struct main_process *m, const struct child *child,
    const struct message_begin *begin, const struct message_fds *fds)
{
	static const enum message_type types[ROLE_COUNT] = {[ROLE_DOORMAN] = MESSAGE_BEGIN_DOORMAN,
	    [ROLE_KEEPER] = MESSAGE_BEGIN_KEEPER,
	    [ROLE_DESK] = MESSAGE_BEGIN_DESK,
	    [ROLE_RUNNER] = MESSAGE_BEGIN_RUNNER,
	    [ROLE_PRIVILEGED_RUNNER] = MESSAGE_BEGIN_PRIVILEGED_RUNNER};
	const enum role role = child->role;
	const void *body = role == ROLE_RUNNER || role == ROLE_PRIVILEGED_RUNNER
	                       ? (const void *)&m->programs.settings
	                       : begin;

	return channel_send(&child->peer.channel, types[role], body, fds);
}

/* One of the doormen but the first: it inherits the same, with a channel of its own to the keeper,
 * who hears of it. */
static bool add_doorman(struct main_process *m, const struct child *doorman,
    const struct message_begin *begin, const struct inherited *in)
{
	static const struct message_empty nothing;
	struct message_fds for_keeper = message_fds_none(), fds = in->of[ROLE_DOORMAN];
	int ends[2];
	bool ok;

	if (!channel_pair(ends))
		return false;
	fds.fd[FD_KEEPER] = ends[0];
	fds.fd[FD_SHIELD_CONTROL] = -1; /* the first one tells the kernel the keys */
	fds.fd[FD_RING] = ring_of(m, begin->number);
	for_keeper.fd[FD_DOORMAN] = ends[1];
	ok = send_begin(m, doorman, begin, &fds) &&
	     channel_send(&m->children[ROLE_KEEPER].peer.channel, MESSAGE_DOORMAN_JOINS, &nothing,
	         &for_keeper);
	close(ends[0]);
	close(ends[1]);
	return ok;
}

/* Tells all of them who they are to be, with what they inherit. */
static bool introduce(struct main_process *m, const struct identity who[static ROLE_COUNT],
    const struct settings *settings, const struct inherited *in, const struct replay_start *replay)
{
	struct message_begin begin = {.control_uid = getuid(),
	    .viewer_uid = m->viewer.uid,
	    .openspa = settings->openspa.enabled,
	    .firewall = (enum conf_firewall)settings->firewall,
	    .doormen = (uint8_t)m->doormen,
	    .patience_ms = (uint32_t)programs_patience_ms(&m->programs)};
	bool ok = true;

	memcpy(begin.boot_id, replay->boot_id, sizeof begin.boot_id);
	for (size_t i = FIRST_ROLE; ok && i < CHILDREN; i++) {
		const struct child *child = &m->children[i];
		const struct hello hello = {.uid = who[child->role].uid,
		    .gid = who[child->role].gid,
		    .log = log_get_settings(),
		    .best = settings->sandbox == CONF_SANDBOX_BEST};

		begin.number = i < ROLE_COUNT ? 0 : (uint8_t)(i - ROLE_COUNT + 1);
		ok = child->pid == 0 ||
		     (hello_send(child->peer.channel.fd, hello) &&
		         (i < ROLE_COUNT ? send_begin(m, child, &begin, &in->of[child->role])
		                         : add_doorman(m, child, &begin, in)));
	}
	return ok;
}

static bool spawn_all(struct main_process *m)
{
	for (unsigned int i = FIRST_ROLE; i < ROLE_COUNT + m->doormen - 1; i++) {
		const enum role role = i < ROLE_COUNT ? (enum role)i : ROLE_DOORMAN;
		struct child *child = &m->children[i];
		int executable;

		child->role = role;
		if (!programs_need(&m->programs, role))
			continue;
		child->main = m;
		child->peer.handlers = m->handlers;
		child->peer.context = child;
		child->ready_awaited = true; /* also while a start that failed is undone */
		executable = executable_open(role);
		if (executable < 0)
			return false;
		child->pid = spawn_role(role, executable, &child->peer.channel);
		close(executable);
		if (child->pid < 0) {
			child->pid = 0;
			log_event(LOG_LEVEL_ERROR, "cannot start a process", "process",
			    role_name(role), "error", strerror(errno), NULL);
			return false;
		}
		cgroups_enter(&m->cgroups, role, child->pid);
	}
	return true;
}

static bool wait_for_all(struct main_process *m)
{
	for (size_t i = FIRST_ROLE; i < CHILDREN; i++) {
		if (m->children[i].pid > 0 && !main_wait_ready(&m->children[i], READY_TIMEOUT_MS)) {
			log_event(LOG_LEVEL_ERROR, "a process did not start", "process",
			    role_name(m->children[i].role), "error", strerror(errno), NULL);
			return false;
		}
	}
	return true;
}

/* When this machine was started, and by which name; now. */
static bool look_at_clock(struct replay_start *r, const struct settings *settings)
{
	r->now_ns = clock_real_ns();
	r->boot_ns = r->now_ns - clock_boot_ns();
	r->window_ns[REPLAY_CLIENT] = settings->replay_window_ns;
	r->window_ns[REPLAY_DEVICE] = settings->openspa.window_ns;
	if (clock_boot_id(r->boot_id))
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot read the boot id", "error", strerror(errno), "remedy",
	    "a proc file system at /proc", NULL);
	return false;
}

static bool prepare_replay(int fd, const struct replay_start *r)
{
	if (replay_prepare(fd, r))
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot put the replay guard's file in order", "error",
	    strerror(errno), NULL);
	return false;
}

bool main_start_roles(struct main_process *m, const struct snapshot *snapshot)
{
	const struct settings *settings = snapshot->settings;
	struct replay_start replay = {.origin = REPLAY_LOST};
	struct identity who[ROLE_COUNT] = {0};
	bool wanted[ROLE_COUNT], ok;
	struct inherited inherited;

	for (enum role role = ROLE_MAIN; role < ROLE_COUNT; role++)
		wanted[role] = programs_need(&m->programs, role);
	ok = open_inherited(&inherited, m, snapshot, &replay) && look_at_clock(&replay, settings) &&
	     prepare_replay(inherited.of[ROLE_KEEPER].fd[FD_REPLAY], &replay) &&
	     spawn_identities(who, wanted, m->programs.user, m->programs.rule_user) &&
	     ladder_has_rights(&who[FIRST_ROLE], wanted[ROLE_PRIVILEGED_RUNNER]);
	if (ok && !programs_reachable(&m->programs, who)) {
		m->exit_status = EXIT_CONFIG;
		ok = false;
	}
	main_note_earlier_children(m);
	ok = ok && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 && spawn_all(m) &&
	     introduce(m, who, settings, &inherited, &replay);
	close_inherited(&inherited);
	return ok && wait_for_all(m);
}
