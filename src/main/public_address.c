#include "main/public_address.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/libc.h"
#include "base/log.h"
#include "main/executable.h"
#include "main/spawn.h"
#include "proc/child.h"
#include "proc/sandbox.h"

#define TOOL_TIMEOUT   "4s"
#define DEADLINE_NS    (5 * NS_PER_SECOND) /* for both families together */
#define ANSWER_MOST    400                 /* bytes: an address, or why there is none */
#define PROCESSES_MOST 16                  /* libcurl's resolver is a thread */
#define FILES_MOST     64

/* One run of the tool. */
struct asker {
	const char *url;
	bool ipv6;
	pid_t pid;                  /* -1: none */
	int fd;                     /* what it says; -1: it has said all */
	char text[ANSWER_MOST + 2]; /* one too many, and the closing zero */
	size_t used;
};

/* --- The child */

/* Nothing that it could change, no rights, no way back to them. Limits come last: the one of
 * processes is the new user's. */
static bool give_up_rights(const struct identity *who)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !sandbox_read_only(""))
		return false;
	capng_clear(CAPNG_SELECT_BOTH);
	return capng_change_id(
	           (int)who->uid, (int)who->gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0 &&
	       child_limit(RLIMIT_CORE, 0) && child_limit(RLIMIT_FSIZE, 0) &&
	       child_limit(RLIMIT_NOFILE, FILES_MOST) && child_limit(RLIMIT_NPROC, PROCESSES_MOST);
}

_Noreturn static void become_tool(
    const struct asker *a, int tool, const struct identity *who, pid_t parent, int out)
{
	char url[CONF_TEXT_BYTES];
	char *const argv[] = {(char[]){"postern"}, (char[]){"--verbose"}, (char[]){"get-ip"},
	    a->ipv6 ? (char[]){"-6"} : (char[]){"-4"}, (char[]){"--public"}, (char[]){"--timeout"},
	    (char[]){TOOL_TIMEOUT},
	    a->ipv6 ? (char[]){"--echo-ipv6-server"} : (char[]){"--echo-ipv4-server"}, url, NULL};
	char *const environment[] = {
	    (char[]){"PATH=/usr/local/bin:/usr/bin:/bin"}, (char[]){"LANG=C"}, NULL};
	const int fds[3] = {open("/dev/null", O_RDONLY | O_CLOEXEC), out, out};

	memcpy(url, a->url, strlen(a->url) + 1);
	if (fds[0] < 0 || !child_set_up(fds))
		_exit(127);
	if (chdir("/") != 0 || !give_up_rights(who))
		child_give_up("cannot give up rights");
	if (!child_tie_to(parent))
		child_give_up("cannot tie it to the daemon");
	execveat(tool, "", argv, environment, AT_EMPTY_PATH);
	child_give_up("postern");
}

static bool start(struct asker *a, int tool, const struct identity *who)
{
	pid_t parent = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		a->pid = fork();
	if (a->pid == 0)
		become_tool(a, tool, who, parent, ends[1]);
	close(ends[1]);
	a->fd = ends[0];
	return a->pid > 0;
}

/* --- The parent */

static void hear(struct asker *a)
{
	ssize_t size = read(a->fd, a->text + a->used, ANSWER_MOST + 1 - a->used);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size > 0)
		a->used += (size_t)size;
	if (size > 0 && a->used <= ANSWER_MOST)
		return;
	a->fd = fd_close(a->fd);
}

static void hear_all(struct asker askers[static 2], int64_t end_ns)
{
	for (int64_t left = end_ns - clock_boot_ns();
	     left > 0 && (askers[0].fd >= 0 || askers[1].fd >= 0);
	     left = end_ns - clock_boot_ns()) {
		/* poll passes over what is -1 */
		struct pollfd fds[2] = {{askers[0].fd, POLLIN, 0}, {askers[1].fd, POLLIN, 0}};

		if (poll(fds, 2, (int)(left / NS_PER_MS) + 1) < 0 && errno != EINTR)
			return;
		for (int i = 0; i < 2; i++) {
			if (fds[i].revents != 0)
				hear(&askers[i]);
		}
	}
}

/* Ends what is left of it. Its status, or -1 when it has not ended by itself. */
static int finish(const struct asker *a, int64_t end_ns)
{
	static const struct timespec step = {0, 1000000};
	int status = -1;
	pid_t ended = 0;

	while (a->fd < 0 && a->used <= ANSWER_MOST &&
	       (ended = waitpid(a->pid, &status, WNOHANG)) == 0 && clock_boot_ns() < end_ns)
		nanosleep(&step, NULL);
	kill(-a->pid, SIGKILL); /* and what it may have started */
	if (ended != 0)
		return status;
	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	return -1;
}

/* The one line that a tool that did well has printed. NULL, or why it is of no use. */
static const char *read_answer(struct addr *out, struct asker *a)
{
	char *newline = memchr(a->text, '\n', a->used);

	if (newline == NULL || newline != a->text + a->used - 1)
		return "what it said is no address";
	*newline = '\0';
	if (strlen(a->text) != a->used - 1 || !addr_parse(out, a->text))
		return "what it said is no address";
	if (addr_is_v4(out) == a->ipv6)
		return "the address is of the other family";
	return addr_is_usable_target(out) ? NULL : "nobody outside can reach that address";
}

static void log_address(const struct asker *a, const struct addr *found, const char *why)
{
	char text[ADDR_TEXT_BYTES];

	if (why == NULL)
		log_event(LOG_LEVEL_INFO, "learned this server's public address", "address",
		    addr_text(found, text), "from", a->url, NULL);
	else
		log_event(LOG_LEVEL_WARN, "cannot learn this server's public address", "from",
		    a->url, "why", why, "so",
		    a->ipv6 ? "a request may name any IPv6 address"
		            : "a request may name any IPv4 address",
		    "remedy", "set server_ip", NULL);
}

/* NULL, or why there is no answer. */
static const char *judge_answer(struct addr *out, struct asker *a, int64_t end_ns)
{
	int status = a->pid > 0 ? finish(a, end_ns) : -1;

	fd_close(a->fd);
	if (a->pid <= 0)
		return "postern cannot be started";
	if (a->used > ANSWER_MOST)
		return "what it said is too long";
	if (status == 0)
		return read_answer(out, a);
	if (status == -1 || a->used == 0)
		return "no answer in time";
	/* Its complaint, which is one line for people. */
	a->text[strcspn(a->text, "\n")] = '\0';
	return a->text;
}

static void take(struct addr *out, struct asker *a, int64_t end_ns)
{
	const char *why = judge_answer(out, a, end_ns);

	if (why != NULL)
		memset(out, 0, sizeof *out);
	log_address(a, out, why);
}

void public_address_learn(struct public_address *out, struct conf *conf)
{
	const struct conf_openspa *s = conf_openspa(conf);
	struct asker askers[2] = {{.url = s->echo_ipv4_server.text, .pid = -1, .fd = -1},
	    {.url = s->echo_ipv6_server.text, .ipv6 = true, .pid = -1, .fd = -1}};
	int64_t end_ns = clock_boot_ns() + DEADLINE_NS;
	struct identity who;
	int tool;

	if (!conf_wants_public(conf))
		return;
	tool = executable_open_tool();
	if (tool >= 0 && spawn_stranger(&who)) {
		for (int i = 0; i < 2; i++) {
			if (*askers[i].url != '\0')
				start(&askers[i], tool, &who);
		}
	}
	hear_all(askers, end_ns);
	for (int i = 0; i < 2; i++) {
		if (*askers[i].url != '\0')
			take(&out->found[i], &askers[i], end_ns);
	}
	fd_close(tool);
	conf_set_public(conf, out->found);
}
