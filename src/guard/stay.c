/* The guard that stays. Its netlink socket owns the rules while no daemon runs; a daemon is lent
 * the socket for as long as its connection lasts, and then the rules are the daemon's business.
 * Where rules have no owner, they are watched meanwhile, and put back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/notify.h"
#include "fw/hold.h"
#include "guard/guard.h"
#include "intake/socket.h"
#include "proc/lease.h"

#define TICK_NS      NS_PER_SECOND
#define AFTER_NS     (100 * NS_PER_MS) /* a lease, for a keeper that is still ending */
#define ASK_NS       (500 * NS_PER_MS) /* whoever connects has something to say */
#define GRACE_TICKS  3                 /* for a daemon that runs to connect */
#define PAUSE_MOST   32                /* ticks between tries that fail */
#define OWNER        "owner"           /* in the service manager's store */
#define NO_DAEMON(g) ((g)->lease.fd < 0)

struct guard {
	const struct guard_options *options;
	struct loop loop;
	struct loop_source door;  /* daemons connect there; fd -1: the name is somebody else's */
	struct loop_source lease; /* fd -1: no daemon has it */
	pid_t holder;             /* of the lease */
	struct loop_source watch; /* fd -1: `looks` is closed, as it is while there is a lease */
	struct loop_source tick;
	struct fw_hold *looks;
	int rules;     /* whose they are, as fw_hold says it; 0: nobody else can change them */
	int owner;     /* netlink socket; -1 without a door: nobody could have it lent */
	int asker;     /* connection of who wants the rules taken away; -1: nobody */
	bool touched;  /* by others, who could */
	bool released; /* none are to stand */
	int grace, pause, next_pause;
	int status;
};

/* --- The rules */

static void look_away(struct guard *g)
{
	if (g->watch.fd >= 0)
		loop_remove(&g->loop, &g->watch);
	g->watch.fd = -1;
	fw_hold_close(g->looks);
	g->looks = NULL;
	g->rules = -EPERM;
	g->touched = false;
}

static bool look_at(struct guard *g)
{
	char boot_id[CLOCK_BOOT_ID_BYTES];

	(void)clock_boot_id(boot_id); /* without it the rules are set anew */
	g->looks = fw_hold_open(boot_id);
	if (g->looks == NULL)
		return false;
	g->watch.fd = fw_hold_watch(g->looks);
	if (loop_add(&g->loop, &g->watch))
		return true;
	g->watch.fd = -1;
	look_away(g);
	return false;
}

/* For changes. Without a door through a socket that is closed afterwards: what it owned, a daemon
 * could not have. */
static bool open_as_owner(const struct guard *g, struct fw *fw)
{
	return rules_open_firewall(
	    fw, CONF_FIREWALL_NFT, g->owner < 0 ? -1 : fcntl(g->owner, F_DUPFD_CLOEXEC, 0));
}

/* The value is an exit status. */
static int put(struct guard *g)
{
	struct rules r;
	struct fw fw = {0};
	int status = rules_load(&r, g->options);

	if (status != EXIT_DONE)
		return status;
	look_away(g); /* or this would be somebody else's change */
	if (r.snapshot.settings->firewall != CONF_FIREWALL_NFT) {
		log_line(LOG_LEVEL_WARN, "nothing is shut: the firewall is none");
		g->released = true;
	} else {
		status = open_as_owner(g, &fw) ? rules_put(&r, &fw) : EXIT_FAILED;
	}
	fw_close(&fw);
	rules_free(&r);
	return status;
}

static void put_back(struct guard *g)
{
	int status;

	if (g->pause > 0)
		return;
	status = put(g);
	g->next_pause = status == EXIT_DONE ? 1 : g->next_pause * 2;
	if (g->next_pause > PAUSE_MOST)
		g->next_pause = PAUSE_MOST;
	g->pause = status == EXIT_DONE ? 0 : g->next_pause;
	if (status == EXIT_DONE && !g->released)
		log_line(LOG_LEVEL_WARN, "somebody changed our rules in the firewall; repaired");
}

static int hold(struct guard *g)
{
	int before = g->rules;

	if (g->looks == NULL && !look_at(g))
		return -EIO;
	g->rules = fw_hold(g->looks, g->owner);
	if (before != 0 && before != -EOPNOTSUPP) { /* what was before is nothing to us */
		(void)fw_hold_changed(g->looks);
		g->touched = false;
	}
	return g->rules;
}

static void look(struct guard *g)
{
	if (hold(g) == -ENOENT && !g->released) {
		put_back(g);
		(void)hold(g);
	}
}

/* Somebody has changed rules, ours or others. */
static void changed(void *context)
{
	struct guard *g = context;

	g->touched = fw_hold_changed(g->looks) || g->touched;
	if (g->rules == 0)
		return;
	if (g->touched && g->rules == -EOPNOTSUPP && g->grace == 0 && !g->released)
		put_back(g);
	look(g);
}

/* --- The lease */

static void keep_owner(const struct guard *g)
{
	notify_with("FDSTORE=1\nFDPOLL=0\nFDNAME=" OWNER, g->owner);
}

static void drop_owner(struct guard *g)
{
	g->owner = fd_close(g->owner);
	notify_manager("FDSTOREREMOVE=1\nFDNAME=" OWNER);
}

/* The next look is when the keeper has ended, too. */
static void end_lease(struct guard *g)
{
	loop_remove(&g->loop, &g->lease);
	g->lease.fd = fd_close(g->lease.fd);
	timer_set(g->tick.fd, AFTER_NS, TICK_NS);
}

static void lease_heard(void *context)
{
	struct guard *g = context;
	struct lease_message m = {0};
	int socket, got = lease_receive(g->lease.fd, &m, &socket);

	fd_close(socket);
	if (got > 0 && m.word == LEASE_TAKEN)
		g->released = true;
	else if (got < 0)
		end_lease(g);
}

/* `socket`: the one that owns the rules; -1: ours does. True when the connection is a lease now. */
static bool lend(struct guard *g, int connection, int socket)
{
	look_away(g);
	if (socket >= 0) {
		drop_owner(g);
		g->owner = fcntl(socket, F_DUPFD_CLOEXEC, 0);
		keep_owner(g);
	}
	if (g->owner < 0 || !lease_send(connection, (struct lease_message){.word = LEASE_GIVEN},
	                        socket >= 0 ? -1 : g->owner))
		return false;
	g->lease.fd = connection;
	if (loop_add(&g->loop, &g->lease)) {
		g->released = false;
		return true;
	}
	g->lease.fd = -1;
	return false;
}

static void take_away(struct guard *g, int connection)
{
	struct fw fw = {0};
	bool done = open_as_owner(g, &fw) && fw.ops->remove(&fw) == 0;

	fw_close(&fw);
	lease_send(
	    connection, (struct lease_message){.word = done ? LEASE_DONE : LEASE_FAILED}, -1);
	if (!done)
		return;
	log_line(LOG_LEVEL_INFO, "told to take the rules away, which is done");
	g->released = true;
	g->status = EXIT_DONE;
	loop_stop(&g->loop);
}

static void say_busy(const struct guard *g, int connection)
{
	lease_send(connection, (struct lease_message){LEASE_BUSY, g->holder}, -1);
}

/* Not before a daemon that runs would have connected. */
static void answer_asker(struct guard *g)
{
	if (g->asker < 0 || (g->grace > 0 && NO_DAEMON(g)))
		return;
	if (NO_DAEMON(g))
		take_away(g, g->asker);
	else
		say_busy(g, g->asker);
	g->asker = fd_close(g->asker);
}

/* True when the connection is to stay open. */
static bool answer(struct guard *g, int connection, pid_t who)
{
	struct lease_message m = {0};
	bool stays = false;
	int socket = -1;

	if (!loop_wait_readable(connection, clock_boot_ns() + ASK_NS) ||
	    lease_receive(connection, &m, &socket) != 1)
		return false;
	if (!NO_DAEMON(g)) {
		say_busy(g, connection);
	} else if (m.word == LEASE_WANTED && (socket < 0 || socket_is_netfilter(socket))) {
		g->holder = who;
		stays = lend(g, connection, socket);
	} else if (m.word == LEASE_TAKE_AWAY && g->asker < 0) {
		g->asker = connection;
		stays = true;
	}
	fd_close(socket);
	answer_asker(g);
	return stays;
}

static void somebody_connects(void *context)
{
	struct guard *g = context;
	int fd = accept4(g->door.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	pid_t who = fd < 0 ? 0 : lease_peer(fd);

	if (fd >= 0 && (who == 0 || !answer(g, fd, who)))
		close(fd);
}

/* --- The start */

/* The name may be taken by somebody who is not root, and nobody can do anything about it. */
static bool open_door(struct guard *g)
{
	g->door.fd = lease_listen();
	if (g->door.fd < 0)
		return false;
	if (g->owner < 0)
		g->owner = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (g->owner >= 0 && loop_add(&g->loop, &g->door)) {
		keep_owner(g);
		return true;
	}
	g->door.fd = fd_close(g->door.fd);
	return false;
}

static bool is_alone(void)
{
	pid_t other;
	int fd = lease_connect(&other);

	if (fd < 0)
		return true;
	close(fd);
	log_line(LOG_LEVEL_ERROR, "another postern-guard stays in this network namespace, %d",
	    (int)other);
	return false;
}

static void ticked(void *context)
{
	struct guard *g = context;

	timer_read(g->tick.fd);
	if (getenv("WATCHDOG_USEC") != NULL)
		notify_manager("WATCHDOG=1");
	if (g->door.fd < 0 && open_door(g))
		log_line(LOG_LEVEL_INFO, "the name of the guard's socket is free again");
	g->pause -= g->pause > 0;
	g->grace -= g->grace > 0;
	answer_asker(g);
	if (!NO_DAEMON(g) || g->rules == 0)
		return;
	if (g->looks != NULL)
		changed(g);
	else
		look(g);
}

/* Rules that stand are left as they are. An exit status. */
static int begin(struct guard *g)
{
	int err;

	g->owner = guard_take_kept();
	if (!open_door(g)) {
		if (!is_alone())
			return EXIT_FAILED;
		log_line(LOG_LEVEL_WARN,
		    "somebody else has the name of the guard's socket: others can take the rules "
		    "away while no daemon runs");
		drop_owner(g);
	}
	err = hold(g);
	if (err == -ENOENT)
		return put(g);
	if (err != 0 && err != -EOPNOTSUPP && err != -EPERM)
		return EXIT_FAILED;
	g->grace = GRACE_TICKS;
	log_line(LOG_LEVEL_INFO, "the rules stand already; they are left as they are");
	return EXIT_DONE;
}

int guard_stay(const struct guard_options *o)
{
	struct guard g = {.options = o,
	    .door = {-1, somebody_connects, &g},
	    .lease = {-1, lease_heard, &g},
	    .watch = {-1, changed, &g},
	    .tick = {timer_open(), ticked, &g},
	    .owner = -1,
	    .asker = -1,
	    .rules = -EPERM,
	    .next_pause = 1,
	    .status = EXIT_FAILED};
	int status;

	if (!guard_contain())
		log_line(
		    LOG_LEVEL_WARN, "cannot give up what it does not need: %s", strerror(errno));
	if (!loop_open(&g.loop) || g.tick.fd < 0 || !loop_add(&g.loop, &g.tick) ||
	    !timer_set(g.tick.fd, TICK_NS, TICK_NS)) {
		log_line(LOG_LEVEL_ERROR, "cannot start: %s", strerror(errno));
		return EXIT_FAILED;
	}
	status = begin(&g);
	if (status != EXIT_DONE)
		return status;
	notify_manager("READY=1");
	loop_run(&g.loop);
	look_away(&g);
	return g.status;
}
