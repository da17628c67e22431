#include "proc/message.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNEL_BUFFER_BYTES (1 << 20)

struct rule {
	const char *name;
	enum role from;
	enum role to;
	enum phase phase;
	size_t most_fds;
	size_t size;
};

static const struct rule rules[MESSAGE_COUNT] = {
#define X(id, from, to, phase, fds, body) \
	{#id, ROLE_##from, ROLE_##to, PHASE_##phase, fds, sizeof(body)},
    MESSAGES(X)
#undef X
};

#define X(id, from, to, phase, fds, body) \
	_Static_assert((fds) <= MESSAGE_FDS_MOST, "too many descriptors for a message");
MESSAGES(X)
#undef X

const char *role_name(enum role role)
{
	static const char *const names[ROLE_COUNT] = {
	    "main", "doorman", "keeper", "desk", "runner", "privileged-runner"};

	return names[role];
}

bool channel_pair(int fds[static 2])
{
	static const int size = CHANNEL_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return true;
}

static bool send_message(const struct channel *c, enum message_type type, const void *body,
    const int *fds, size_t fd_count, int flags)
{
	const struct rule *rule = &rules[type];
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(MESSAGE_FDS_MOST * sizeof(int))];
	} control = {.bytes = {0}};
	uint32_t wire_type = type;
	struct iovec parts[2] = {{&wire_type, sizeof wire_type}, {NULL, rule->size}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t sent;

	if (rule->from != c->self || rule->to != c->peer || fd_count > rule->most_fds)
		abort();
	memcpy(&parts[1].iov_base, &body, sizeof body); /* sendmsg only reads it */
	if (fd_count > 0) {
		struct cmsghdr *rights = &control.header;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
	}
	do {
		sent = sendmsg(c->fd, &header, MSG_NOSIGNAL | flags);
	} while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

bool channel_send(const struct channel *c, enum message_type type, const void *body, const int *fds,
    size_t fd_count)
{
	return send_message(c, type, body, fds, fd_count, 0);
}

bool channel_try_send(const struct channel *c, enum message_type type, const void *body)
{
	return send_message(c, type, body, NULL, 0, MSG_DONTWAIT);
}

static void take_fds(struct message *m, struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (count > MESSAGE_FDS_MOST - m->fd_count)
			count = MESSAGE_FDS_MOST - m->fd_count;
		memcpy(m->fds + m->fd_count, CMSG_DATA(c), count * sizeof(int));
		m->fd_count += count;
	}
}

/* Ends this process: nothing that comes from such a peer can be trusted any more. */
_Noreturn static void forbidden(const struct channel *c, const char *what)
{
	log_event(LOG_LEVEL_ERROR, "forbidden message, stopping", "from", role_name(c->peer), "why",
	    what, NULL);
	_exit(1);
}

static void check(const struct channel *c, const struct message *m, size_t size, enum phase phase)
{
	const struct rule *rule;

	if (m->type >= MESSAGE_COUNT)
		forbidden(c, "unknown type");
	rule = &rules[m->type];
	if (rule->from != c->peer || rule->to != c->self)
		forbidden(c, "not its to say");
	if (rule->phase != phase)
		forbidden(c, "not in this phase");
	if (size != sizeof(uint32_t) + rule->size)
		forbidden(c, "wrong size");
	if (m->fd_count > rule->most_fds)
		forbidden(c, "too many descriptors");
}

enum channel_result channel_receive(const struct channel *c, struct message *m, enum phase phase)
{
	union {
		struct cmsghdr header; /* for its alignment */
		uint8_t bytes[CMSG_SPACE(MESSAGE_FDS_MOST * sizeof(int))];
	} control;
	uint32_t wire_type = MESSAGE_COUNT;
	struct iovec parts[2] = {{&wire_type, sizeof wire_type}, {&m->body, sizeof m->body}};
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
	m->fd_count = 0;
	for (size_t i = 0; i < MESSAGE_FDS_MOST; i++)
		m->fds[i] = -1;
	take_fds(m, &header);
	m->type = wire_type;
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		forbidden(c, "cut short");
	check(c, m, (size_t)size, phase);
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

void message_close_fds(struct message *m)
{
	for (size_t i = 0; i < m->fd_count; i++) {
		if (m->fds[i] >= 0)
			close(m->fds[i]);
		m->fds[i] = -1;
	}
	m->fd_count = 0;
}
