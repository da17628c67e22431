/* Main's part of the lease: while the daemon runs it shares the socket that owns our rules with the
 * guard that stays, so that they have an owner afterwards, too. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "main/processes.h"
#include "proc/lease.h"

#define BUSY_NS  (2 * NS_PER_SECOND) /* for a predecessor that has not quite ended */
#define AGAIN_MS 20

static void forget(struct main_process *m)
{
	m->lease.fd = fd_close(m->lease.fd);
}

/* Said once for each change. */
static void note_lease(struct main_process *m, bool leased)
{
	if (leased == (m->guard == CONTROL_GUARD_THERE))
		return;
	m->guard = leased ? CONTROL_GUARD_THERE : CONTROL_GUARD_GONE;
	main_tell_status(m);
	if (leased)
		log_line(LOG_LEVEL_INFO,
		    "postern-guard is there: it will keep the rules from others when this daemon "
		    "has ended");
	else
		log_line(LOG_LEVEL_WARN,
		    "postern-guard is gone: until it is back, nobody will keep the rules from "
		    "others when this daemon has ended");
}

/* A guard has nothing to say to us, but that the lease is ours, or another one's; or it is gone. */
static void heard(void *context)
{
	struct main_process *m = context;
	struct lease_message message = {0};
	int socket, got = lease_receive(m->lease.fd, &message, &socket);

	fd_close(socket);
	if (got > 0 && message.word == LEASE_GIVEN)
		note_lease(m, true);
	if (got == 0 || (got > 0 && message.word == LEASE_GIVEN))
		return;
	note_lease(m, false);
	loop_remove(&m->loop, &m->lease);
	forget(m);
}

static bool ask(struct main_process *m, struct lease_answer *a)
{
	int64_t until_ns = clock_boot_ns() + BUSY_NS;
	bool answered = lease_ask(LEASE_WANTED, m->firewall, a);

	while (answered && a->message.word == LEASE_BUSY && clock_boot_ns() < until_ns) {
		close(a->connection);
		poll(NULL, 0, AGAIN_MS);
		answered = lease_ask(LEASE_WANTED, m->firewall, a);
	}
	return answered;
}

bool main_take_lease(struct main_process *m)
{
	struct lease_answer a;

	if (ask(m, &a)) {
		m->lease.fd = a.connection;
		if (m->firewall < 0)
			m->firewall = a.socket;
	}
	if (m->lease.fd >= 0 && a.message.word == LEASE_BUSY) {
		log_line(LOG_LEVEL_ERROR,
		    "another process (%" PRId32 ") owns the table inet postern, as postern-guard "
		    "says: is there another posternd in this network namespace?",
		    a.message.pid);
		return false;
	}
	m->guard = m->lease.fd >= 0 ? CONTROL_GUARD_THERE : CONTROL_GUARD_NONE;
	if (m->firewall < 0)
		m->firewall = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	return true;
}

bool main_keep_lease(struct main_process *m)
{
	m->lease.ready = heard;
	m->lease.context = m;
	return m->lease.fd < 0 || loop_add(&m->loop, &m->lease);
}

void main_renew_lease(struct main_process *m)
{
	const struct lease_message wanted = {.word = LEASE_WANTED};
	pid_t guard;

	if (m->firewall < 0 || m->lease.fd >= 0)
		return;
	m->lease.fd = lease_connect(&guard);
	if (m->lease.fd >= 0 &&
	    (!lease_send(m->lease.fd, wanted, m->firewall) || !loop_add(&m->loop, &m->lease)))
		forget(m);
}

void main_end_lease(struct main_process *m, bool taken_away)
{
	if (taken_away && m->lease.fd >= 0)
		lease_send(m->lease.fd, (struct lease_message){.word = LEASE_TAKEN}, -1);
	forget(m);
	m->firewall = fd_close(m->firewall);
}
