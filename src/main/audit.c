#include "main/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "proc/child.h"

#define BUFFER_BYTES (1 << 18) /* some hundred lines */
#define TOLD_RATE    500       /* lines a second: a keeper that keeps to its limits tells less */
#define TOLD_BURST   5000
#define START_NS     (5 * NS_PER_SECOND)
#define STARTS_BURST 3
#define END_STEPS    100 /* of 10 ms */
#define PORTS_BYTES  256

/* --- The writer */

static bool start_writer(struct audit *a)
{
	static const int size = BUFFER_BYTES;
	int ends[2];

	if (!rate_take(&a->starts, clock_boot_ns()) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	a->writer = fork();
	if (a->writer == 0)
		audit_writer_run(a->state_dir, ends[1]);
	close(ends[1]);
	if (a->writer > 0) {
		a->fd = ends[0];
		return true;
	}
	log_event(LOG_LEVEL_WARN, "cannot start what writes the audit log", "error",
	    strerror(errno), "event", "audit-lost", NULL);
	a->writer = 0;
	close(ends[0]);
	return false;
}

void audit_open(struct audit *a, const char *state_dir)
{
	*a = (struct audit){.state_dir = state_dir,
	    .fd = -1,
	    .starts = {.interval_ns = START_NS, .burst = STARTS_BURST, .tokens = STARTS_BURST},
	    .told = rate_of(TOLD_RATE, TOLD_BURST),
	    .left_out = a->left_out};
}

void audit_check(struct audit *a)
{
	char how[40];
	int status;

	if (a->writer == 0 || waitpid(a->writer, &status, WNOHANG) != a->writer)
		return;
	a->writer = 0;
	a->fd = fd_close(a->fd);
	log_event(LOG_LEVEL_WARN, "what writes the audit log has ended, and is started anew", "how",
	    child_how_ended(how, sizeof how, status), "event", "audit-lost", NULL);
}

void audit_close(struct audit *a)
{
	const struct timespec step = {0, 10000000};
	bool ended = a->writer == 0;
	char count[24];

	snprintf(count, sizeof count, "%" PRIu64, a->left_out);
	if (a->left_out > 0)
		log_event(LOG_LEVEL_WARN, "the last entries of the audit log have found no room",
		    "count", count, "event", "audit-lost", NULL);
	a->fd = fd_close(a->fd);
	for (int i = 0; !ended && i < END_STEPS; i++) {
		ended = waitpid(a->writer, NULL, WNOHANG) != 0;
		if (!ended)
			nanosleep(&step, NULL);
	}
	if (!ended) {
		log_event(LOG_LEVEL_WARN,
		    "the last lines of the audit log were not written in time", "event",
		    "audit-lost", NULL);
		kill(a->writer, SIGKILL); /* one that hangs in the disk ends later */
	}
	a->writer = 0;
	a->state_dir = NULL;
}

/* --- Lines */

bool audit_give(struct audit *a, enum audit_set set, struct audit_line *l)
{
	size_t size = audit_line_end(l);
	uint8_t set_byte = (uint8_t)set;
	struct iovec parts[] = {{&set_byte, 1}, {l->text, size}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	return size > 0 && (a->fd >= 0 || (a->state_dir != NULL && start_writer(a))) &&
	       sendmsg(a->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size + 1;
}

static bool say_left_out(struct audit *a)
{
	struct audit_line l;

	audit_line_left_out(&l, a->left_out);
	return audit_give(a, AUDIT_SET_LOG, &l);
}

void audit_write(struct audit *a, struct audit_line *l)
{
	if (a->left_out > 0 && say_left_out(a))
		a->left_out = 0;
	if (a->left_out > 0 || !audit_give(a, AUDIT_SET_LOG, l))
		a->left_out++;
}

/* --- What the keeper tells */

static void add_range(struct line *l, const struct ports *p)
{
	const char *name = p->protocol == IPPROTO_TCP      ? "tcp"
	                   : p->protocol == IPPROTO_UDP    ? "udp"
	                   : p->protocol == IPPROTO_ICMP   ? "icmp"
	                   : p->protocol == IPPROTO_ICMPV6 ? "icmpv6"
	                   : p->protocol == IPPROTO_IPIP   ? "ipv4"
	                                                   : "other";

	line_add(l, "%s", l->used > 0 ? "," : "");
	if (!ports_numbered(p))
		line_add(l, "%s", name);
	else if (p->first == p->last)
		line_add(l, "%u/%s", p->first, name);
	else
		line_add(l, "%u-%u/%s", p->first, p->last, name);
}

static void add_ports(struct audit_line *to, const struct message_audit *m)
{
	char text[PORTS_BYTES];
	struct line l = {.text = text, .size = sizeof text};

	for (size_t i = 0; i < m->port_count; i++)
		add_range(&l, &m->ports[i]);
	if (m->more_ports)
		line_add(&l, ",...");
	if (l.used > 0)
		audit_line_text(to, "ports", text);
}

static void add_knock(struct audit_line *l, const struct message_audit *m)
{
	char source[ADDR_TEXT_BYTES];

	audit_line_text(l, "rule", !m->openspa ? "openme" : m->by_program ? "script" : "openspa");
	audit_line_text(l, "source", addr_text(&m->source, source));
	audit_line_number(l, "source_port", m->source_port);
}

static const char *const events[AUDIT_KINDS] = {[AUDIT_GRANT] = "grant",
    [AUDIT_RENEWAL] = "renewal",
    [AUDIT_END] = "grant-end",
    [AUDIT_REFUSAL] = "refusal"};
static const char *const ends[AUDIT_ENDS] = {[AUDIT_END_EXPIRED] = "expired",
    [AUDIT_END_REVOKED] = "revoked",
    [AUDIT_END_GONE] = "removed",
    [AUDIT_END_CHANGED] = "changed",
    [AUDIT_END_STOPPED] = "stopped",
    [AUDIT_END_FAILED] = "failed"};

bool audit_take(struct audit *a, const struct message_audit *m)
{
	char address[ADDR_TEXT_BYTES];
	struct audit_line l;

	if (m->kind >= AUDIT_KINDS || m->end >= AUDIT_ENDS || m->verdict >= VERDICT_COUNT ||
	    m->port_count > AUDIT_PORTS_MOST || m->client[sizeof m->client - 1] != '\0')
		return false;
	a->left_out += m->left_out & INT32_MAX;
	if (m->kind == AUDIT_LEFT_OUT) {
		if (a->left_out > 0 && say_left_out(a))
			a->left_out = 0;
		return true;
	}
	/* Before the log is opened there are no limits yet, either. */
	if (a->told.interval_ns == 0 || !rate_take(&a->told, clock_boot_ns())) {
		a->left_out++;
		return true;
	}
	audit_line_begin(&l, events[m->kind], m->real_ns);
	audit_line_text(&l, "client", m->client);
	audit_line_text(&l, "address", addr_text(&m->address, address));
	add_ports(&l, m);
	if (m->kind == AUDIT_REFUSAL)
		audit_line_text(&l, "verdict", verdict_name((enum verdict)m->verdict));
	if (m->kind == AUDIT_END)
		audit_line_text(&l, "why", ends[m->end]);
	else
		add_knock(&l, m);
	if (m->kind != AUDIT_GRANT)
		audit_line_time(&l, "since", m->since_ns);
	audit_line_time(&l, "until", m->until_ns);
	if (m->renewals > 0)
		audit_line_number(&l, "renewals", m->renewals);
	audit_write(a, &l);
	return true;
}
