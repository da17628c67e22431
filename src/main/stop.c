/* Ending the roles. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/exit.h"
#include "base/fd.h"
#include "base/notify.h"
#include "main/processes.h"
#include "proc/child.h"

#define STOP_TIMEOUT_MS 3000
#define QUIET_MS        500 /* for what the doorman has in its hands */
#define LOST_STEPS      100 /* from a closed channel to the end of the process */
#define TURNS_A_BEAT    500 /* of 2 ms */
#define ORPHAN_STEPS    500
#define WORDS_MOST      10000 /* more than a channel holds */

static const struct timespec step = {0, 2000000};

/* Takes note of a process that has ended: with status 0, or something went wrong in it. */
static void note_end(struct main_process *m, struct child *child, int status)
{
	char text[40];

	child->pid = 0;
	if (status == 0)
		return;
	log_event(LOG_LEVEL_ERROR, "a process has ended", "process", role_name(child->role), "how",
	    child_how_ended(text, sizeof text, status), "event", "process-ended",
	    m->loop.stopped ? NULL : "then", "stopping; the ports stay shut", NULL);
	child->failed = true;
	if (m->exit_status == EXIT_DONE)
		m->exit_status = EXIT_FAILED;
}

/* Takes note of all who have ended; true when something went wrong in one of them. */
static bool note_ends(struct main_process *m)
{
	bool failed = false;

	for (size_t i = FIRST_ROLE; i < CHILDREN; i++) {
		struct child *child = &m->children[i];
		int status;

		if (child->pid <= 0 || waitpid(child->pid, &status, WNOHANG) != child->pid)
			continue;
		peer_close(&child->peer);
		note_end(m, child, status);
		failed = failed || child->failed;
	}
	return failed;
}

/* One that ends takes its neighbours along, and they may be noticed first: they end with 0. */
void main_lost(struct main_process *m, enum role role)
{
	bool said = note_ends(m);

	for (int waited = 0; !said && waited < LOST_STEPS; waited++) {
		nanosleep(&step, NULL);
		said = note_ends(m);
	}
	if (said)
		loop_stop(&m->loop);
	else
		main_fail(m, role, "a process has ended");
}

/* The keeper may have a while to go, with rules to take away by program. */
void main_extend_stop(const struct main_process *m)
{
	char state[80];

	if (!programs_need(&m->programs, ROLE_PRIVILEGED_RUNNER))
		return;
	snprintf(state, sizeof state, "EXTEND_TIMEOUT_USEC=%" PRId64,
	    2 * (int64_t)programs_patience_ms(&m->programs) * 1000);
	notify_manager(state);
}

static void hear(struct child *child)
{
	enum channel_result result = CHANNEL_MESSAGE;

	for (int i = 0; i < WORDS_MOST && result == CHANNEL_MESSAGE && child->pid > 0 &&
	                child->peer.channel.fd >= 0;
	     i++)
		result = peer_wait(&child->peer, PHASE_RUN, 0);
	if (result == CHANNEL_CLOSED)
		peer_close(&child->peer);
}

/* True when the keeper says that it is getting on. */
static bool gets_on(struct main_process *m)
{
	m->keeper_gets_on = false;
	hear(&m->children[ROLE_KEEPER]);
	return m->keeper_gets_on;
}

/* Whoever hangs while the keeper needs it holds up the stop. */
static void beat(struct main_process *m)
{
	for (size_t i = FIRST_ROLE; i < CHILDREN; i++)
		hear(&m->children[i]);
	main_ping_all(m);
}

static bool runs(const struct child *child, enum role first, enum role end)
{
	return child->pid > 0 && child->role >= first && child->role < end;
}

/* Waits for the roles from `first` to before `end`, and kills who is late. */
static void reap(struct main_process *m, enum role first, enum role end, int timeout_ms)
{
	int status = 0;

	for (int waited = 0, turns = 1;; waited += 2, turns++) {
		bool all = true;

		if (turns % TURNS_A_BEAT == 0)
			beat(m);

		for (size_t i = FIRST_ROLE; i < CHILDREN; i++) {
			struct child *child = &m->children[i];

			if (runs(child, first, end) && waitpid(child->pid, &status, WNOHANG) != 0)
				note_end(m, child, status);
			all = all && !runs(child, first, end);
		}
		if (all)
			return;
		if (gets_on(m)) {
			main_extend_stop(m);
			waited = 0;
		}
		if (waited >= timeout_ms)
			break;
		nanosleep(&step, NULL);
	}
	for (size_t i = FIRST_ROLE; i < CHILDREN; i++) {
		struct child *child = &m->children[i];

		if (runs(child, first, end)) {
			log_event(LOG_LEVEL_ERROR, "a process did not end in time and was killed",
			    "process", role_name(child->role), NULL);
			kill(child->pid, SIGKILL);
			waitpid(child->pid, NULL, 0);
			child->pid = 0;
		}
	}
}

static bool note_earlier(void *context, pid_t pid)
{
	struct main_process *m = context;

	if (m->earlier_count < EARLIER_MOST)
		m->earlier[m->earlier_count++] = pid;
	return true;
}

void main_note_earlier_children(struct main_process *m)
{
	struct children children = children_open();

	children_kill_strangers(children, note_earlier, m);
	fd_close(children.fd);
}

/* Those of before are no one's that we know, nor is anybody where there were so many. */
static bool is_known(void *context, pid_t pid)
{
	const struct main_process *m = context;

	for (size_t i = 0; i < m->earlier_count; i++)
		if (m->earlier[i] == pid || m->earlier_count == EARLIER_MOST)
			return true;
	for (size_t i = FIRST_ROLE; i < CHILDREN; i++)
		if (m->children[i].pid == pid)
			return true;
	return pid == m->audit.writer;
}

/* What the programs of a runner that was killed have started is ours then, and nobody else's to
 * end: a rule that it opens later would be known to nobody. */
static void end_orphans(struct main_process *m)
{
	struct children children = children_open();
	unsigned int left;

	for (enum role role = ROLE_RUNNER; role < ROLE_COUNT; role++)
		if (m->children[role].pid == 0)
			cgroups_kill(&m->cgroups, role);
	left = children_kill_strangers(children, is_known, m);
	if (left > 0)
		log_line(LOG_LEVEL_WARN,
		    "ending what programs of a process that was killed have left behind");
	for (int i = 0; left > 0 && i < ORPHAN_STEPS; i++) {
		nanosleep(&step, NULL);
		left = children_kill_strangers(children, is_known, m);
	}
	fd_close(children.fd);
}

static void hang_up(struct main_process *m, enum role role)
{
	for (size_t i = FIRST_ROLE; i < CHILDREN; i++)
		if (m->children[i].pid > 0 && m->children[i].role == role)
			peer_close(&m->children[i].peer);
}

/* With a privileged runner the keeper has rules to take away by program, and waits for each; and it
 * says what is left when that does not answer. */
static int keepers_time_ms(const struct main_process *m)
{
	return STOP_TIMEOUT_MS + (runner_settings_make_rules(&m->programs.settings)
	                                 ? programs_patience_ms(&m->programs)
	                                 : 0);
}

/* What is not judged any more stays in the sockets, for the next daemon. They finish side by side.
 */
static void quieten_doormen(struct main_process *m)
{
	static const struct message_empty nothing;
	bool serves = m->settings.openme || m->settings.openspa.enabled;
	bool told[DOORMEN_MOST] = {false};

	for (unsigned int i = 0; serves && i < m->doormen; i++) {
		const struct child *doorman = main_doorman(m, i);

		told[i] = doorman->pid > 0 && doorman->peer.channel.fd >= 0 &&
		          channel_try_send(&doorman->peer.channel, MESSAGE_STOP_DOORMAN, &nothing);
	}
	for (unsigned int i = 0; i < m->doormen; i++)
		if (told[i])
			main_wait_ready(main_doorman(m, i), QUIET_MS);
}

/* What the keeper has told of grants that ended with it. */
static void hear_last_words(struct child *keeper)
{
	for (int i = 0; i < WORDS_MOST && keeper->peer.channel.fd >= 0 &&
	                peer_wait(&keeper->peer, PHASE_RUN, 0) == CHANNEL_MESSAGE;
	     i++)
		;
}

/* After a failure the rules stay, so that the ports stay shut, and serverStop is not run. What
 * programs have opened the keeper shuts in any case. */
bool main_stop_roles(struct main_process *m)
{
	const bool told_to = m->exit_status == EXIT_DONE;
	bool taken_away;
	struct message_stop stop = {
	    .keep_rules = !told_to || m->settings.shutdown == CONF_SHUTDOWN_KEEP};

	end_orphans(m);
	quieten_doormen(m);
	/* The keeper ends by its message. Nothing may cut that short: not its channel, and not the
	 * end of the others, after which it would leave the rules. */
	if (m->children[ROLE_KEEPER].pid > 0 && (!stop.keep_rules || m->shield.loaded.rings > 0))
		main_remove_shield(m);
	if (m->children[ROLE_KEEPER].pid > 0)
		channel_send(
		    &m->children[ROLE_KEEPER].peer.channel, MESSAGE_STOP_KEEPER, &stop, NULL);
	reap(m, ROLE_KEEPER, (enum role)(ROLE_KEEPER + 1), keepers_time_ms(m));
	hear_last_words(&m->children[ROLE_KEEPER]);
	taken_away = !stop.keep_rules && !m->children[ROLE_KEEPER].failed;
	hang_up(m, ROLE_DOORMAN);
	hang_up(m, ROLE_DESK);
	reap(m, FIRST_ROLE, ROLE_RUNNER, STOP_TIMEOUT_MS);
	if (told_to && !m->children[ROLE_KEEPER].failed)
		main_server_task(m, RUNNER_SERVER_STOP);
	hang_up(m, ROLE_RUNNER);
	hang_up(m, ROLE_PRIVILEGED_RUNNER);
	reap(m, ROLE_RUNNER, ROLE_COUNT, STOP_TIMEOUT_MS);
	end_orphans(m);
	return taken_away;
}
