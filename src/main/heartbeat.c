/* Main asks its roles every second whether they still turn their loops, and is watched by the
 * service manager in its turn. */
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/notify.h"
#include "main/processes.h"

#define PING_NS     NS_PER_SECOND
#define SILENT_MOST 5

static const enum message_type pings[ROLE_COUNT] = {[ROLE_DOORMAN] = MESSAGE_PING_DOORMAN,
    [ROLE_KEEPER] = MESSAGE_PING_KEEPER,
    [ROLE_DESK] = MESSAGE_PING_DESK,
    [ROLE_RUNNER] = MESSAGE_PING_RUNNER,
    [ROLE_PRIVILEGED_RUNNER] = MESSAGE_PING_PRIVILEGED_RUNNER};

void main_feed_watchdog(void)
{
	if (getenv("WATCHDOG_USEC") != NULL)
		notify_manager("WATCHDOG=1");
}

/* Its end is heard on its channel, like any other's. */
static void end_silent(const struct child *child)
{
	log_event(LOG_LEVEL_ERROR, "a process does not answer any more and is killed", "process",
	    role_name(child->peer.channel.peer), NULL);
	kill(child->pid, SIGKILL);
}

static void ping(struct child *child)
{
	static const struct message_empty nothing;

	/* At each beat: an answer may have found no room behind what else it tells. */
	channel_try_send(&child->peer.channel, pings[child->role], &nothing);
	if (child->silent++ == SILENT_MOST)
		end_silent(child);
}

void main_ping_all(struct main_process *m)
{
	for (size_t i = FIRST_ROLE; i < CHILDREN; i++)
		if (m->children[i].pid > 0 && m->children[i].peer.channel.fd >= 0)
			ping(&m->children[i]);
}

/* What is counted is beats of ours, and no clock is looked at: time in which the machine slept, or
 * main itself was busy with a reload, or stopped, is nobody's silence. */
static void beat(void *context)
{
	struct main_process *m = context;

	timer_read(m->heartbeat.fd);
	main_feed_watchdog();
	main_check_interface(m);
	main_renew_lease(m);
	loader_check(&m->loader);
	main_ping_all(m);
	main_tell_desk(m);
}

bool main_open_heartbeat(struct main_process *m)
{
	m->heartbeat = (struct loop_source){timer_open(), beat, m};
	return m->heartbeat.fd >= 0 && loop_add(&m->loop, &m->heartbeat) &&
	       timer_set(m->heartbeat.fd, PING_NS, PING_NS);
}
