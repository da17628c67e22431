#include "proc/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/secret.h"

#define CHANNEL_BUFFER_BYTES (1 << 20)

struct rule {
	enum role from;
	enum role to;
	enum phase phase;
	uint32_t fds; /* that may come with it */
	size_t size;
};

static const struct rule rules[MESSAGE_COUNT] = {
#define X(id, from, to, phase, fds, body, handler) \
	{ROLE_##from, ROLE_##to, PHASE_##phase, fds, sizeof(struct body)},
    MESSAGES(X)
#undef X
};

/* In front of the body; the descriptors follow each other in the order of their names. */
struct head {
	uint32_t type;
	uint32_t fds;
};

union control {
	struct cmsghdr header; /* for its alignment */
	uint8_t bytes[CMSG_SPACE(MESSAGE_FDS_MOST * sizeof(int))];
};

bool channel_pair(int fds[static 2])
{
	static const int size = CHANNEL_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return true;
}

static size_t list_fds(
    int list[static MESSAGE_FDS_MOST], uint32_t *names, const struct message_fds *fds)
{
	size_t count = 0;

	for (int i = 0; fds != NULL && i < FD_COUNT; i++) {
		if (fds->fd[i] < 0)
			continue;
		if (count == MESSAGE_FDS_MOST)
			abort();
		*names |= 1U << i;
		list[count++] = fds->fd[i];
	}
	return count;
}

static void put_fds(struct msghdr *header, union control *control, const int *list, size_t count)
{
	struct cmsghdr *rights = &control->header;

	if (count == 0)
		return;
	header->msg_control = control->bytes;
	header->msg_controllen = CMSG_SPACE(count * sizeof(int));
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(rights), list, count * sizeof(int));
}

static bool send_message(const struct channel *c, enum message_type type, const void *body,
    const struct message_fds *fds, int flags)
{
	const struct rule *rule = &rules[type];
	union control control = {.bytes = {0}};
	struct head head = {.type = type};
	struct iovec parts[2] = {{&head, sizeof head}, {NULL, rule->size}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
	int list[MESSAGE_FDS_MOST];
	size_t count = list_fds(list, &head.fds, fds);
	ssize_t sent;

	if (rule->from != c->self || rule->to != c->peer || (head.fds & ~rule->fds) != 0)
		abort();
	memcpy(&parts[1].iov_base, &body, sizeof body); /* sendmsg only reads it */
	put_fds(&header, &control, list, count);
	do {
		sent = sendmsg(c->fd, &header, MSG_NOSIGNAL | flags);
	} while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

bool channel_send(const struct channel *c, enum message_type type, const void *body,
    const struct message_fds *fds)
{
	return send_message(c, type, body, fds, 0);
}

bool channel_try_send(const struct channel *c, enum message_type type, const void *body)
{
	return send_message(c, type, body, NULL, MSG_DONTWAIT);
}

/* Ends this process: nothing that comes from such a peer can be trusted any more. */
_Noreturn static void forbid(const struct channel *c, const char *what)
{
	log_event(LOG_LEVEL_ERROR, "forbidden message, stopping", "from", role_name(c->peer), "why",
	    what, NULL);
	_exit(1);
}

/* Sorts the descriptors by the names that the head has for them. */
static void take_fds(
    const struct channel *c, struct message *m, struct msghdr *header, uint32_t names)
{
	int list[MESSAGE_FDS_MOST] = {0};
	size_t count = 0, taken = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(header); h != NULL; h = CMSG_NXTHDR(header, h)) {
		size_t here = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		if (here > MESSAGE_FDS_MOST - count)
			forbid(c, "too many descriptors");
		memcpy(list + count, CMSG_DATA(h), here * sizeof(int));
		count += here;
	}
	if ((size_t)__builtin_popcount(names) != count || names >= 1U << FD_COUNT)
		forbid(c, "descriptors without names");
	m->fds = message_fds_none();
	for (int i = 0; i < FD_COUNT; i++)
		if ((names & 1U << i) != 0)
			m->fds.fd[i] = list[taken++];
}

static void check_rule(
    const struct channel *c, const struct head *head, size_t size, enum phase phase)
{
	const struct rule *rule;

	if (size < sizeof *head || head->type >= MESSAGE_COUNT)
		forbid(c, "unknown type");
	rule = &rules[head->type];
	if (rule->from != c->peer || rule->to != c->self)
		forbid(c, "not its to say");
	if (rule->phase != phase)
		forbid(c, "not in this phase");
	if (size != sizeof *head + rule->size)
		forbid(c, "wrong size");
	if ((head->fds & ~rule->fds) != 0)
		forbid(c, "descriptors that do not belong to it");
}

enum channel_result channel_receive(const struct channel *c, struct message *m, enum phase phase)
{
	union control control;
	struct head head = {.type = MESSAGE_COUNT};
	struct iovec parts[2] = {{&head, sizeof head}, {&m->body, sizeof m->body}};
	struct msghdr header = {.msg_iov = parts,
	    .msg_iovlen = 2,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	ssize_t size;

	do {
		size = recvmsg(c->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (size < 0 && errno == EINTR);
	if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return CHANNEL_EMPTY;
	if (size <= 0)
		return CHANNEL_CLOSED;
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		forbid(c, "cut short");
	check_rule(c, &head, (size_t)size, phase);
	take_fds(c, m, &header, head.fds);
	m->type = (enum message_type)head.type;
	return CHANNEL_MESSAGE;
}

enum channel_result channel_wait(
    const struct channel *c, struct message *m, enum phase phase, int timeout_ms)
{
	struct pollfd ready = {.fd = c->fd, .events = POLLIN};
	int n;

	do {
		n = poll(&ready, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? channel_receive(c, m, phase) : CHANNEL_EMPTY;
}

/* --- Peers */

/* The channel was closed by its handler, or may be: nothing of `p` is used afterwards. */
static bool handle(struct peer *p, struct message *m)
{
	bool goes_on = p->handlers[m->type](p->context, m);

	message_fds_close(&m->fds);
	secret_wipe(&m->body, rules[m->type].size);
	return goes_on;
}

static void peer_ready(void *context)
{
	struct peer *p = context;
	struct loop *loop = p->loop;
	enum channel_result result = CHANNEL_MESSAGE;
	bool goes_on = true;
	unsigned int taken = 0;

	do {
		struct message m;

		result =
		    p->channel.fd < 0 ? CHANNEL_EMPTY : channel_receive(&p->channel, &m, PHASE_RUN);
		if (result == CHANNEL_MESSAGE)
			goes_on = handle(p, &m);
	} while (goes_on && result == CHANNEL_MESSAGE && ++taken < p->burst);
	if (goes_on && p->after != NULL)
		goes_on = p->after(p->context);
	if (goes_on && result == CHANNEL_CLOSED) {
		peer_close(p);
		goes_on = p->closed != NULL && p->closed(p->context);
	}
	if (!goes_on)
		loop_stop(loop);
}

bool peer_open(struct peer *p, struct loop *loop)
{
	p->loop = loop;
	p->source = (struct loop_source){p->channel.fd, peer_ready, p};
	return loop_add(loop, &p->source);
}

void peer_close(struct peer *p)
{
	if (p->channel.fd < 0)
		return;
	if (p->loop != NULL)
		loop_remove(p->loop, &p->source);
	p->channel.fd = fd_close(p->channel.fd);
}

enum channel_result peer_wait(struct peer *p, enum phase phase, int timeout_ms)
{
	struct message m;
	enum channel_result result = channel_wait(&p->channel, &m, phase, timeout_ms);

	if (result == CHANNEL_MESSAGE && !handle(p, &m))
		return CHANNEL_CLOSED;
	return result;
}
