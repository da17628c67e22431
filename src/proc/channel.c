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

/* One call takes all, unless a signal, a full channel or its end is in between. */
static bool send_each(const struct channel *c, struct mmsghdr *headers, size_t count, int flags)
{
	size_t gone = 0;

	while (gone < count) {
		int sent = sendmmsg(
		    c->fd, headers + gone, (unsigned int)(count - gone), MSG_NOSIGNAL | flags);

		if (sent < 0 && errno != EINTR)
			return false;
		gone += sent > 0 ? (size_t)sent : 0;
	}
	return true;
}

static bool send_many(
    const struct channel *c, enum message_type type, const void *bodies, size_t count, int flags)
{
	const struct rule *rule = &rules[type];
	struct head head = {.type = type};
	struct iovec parts[CHANNEL_TOGETHER][2];
	struct mmsghdr headers[CHANNEL_TOGETHER];

	if (rule->from != c->self || rule->to != c->peer || count > CHANNEL_TOGETHER)
		abort();
	for (size_t i = 0; i < count; i++) {
		const uint8_t *body = (const uint8_t *)bodies + i * rule->size;

		parts[i][0] = (struct iovec){&head, sizeof head};
		parts[i][1].iov_len = rule->size;
		memcpy(&parts[i][1].iov_base, &body, sizeof body); /* sendmmsg only reads it */
		headers[i] = (struct mmsghdr){{.msg_iov = parts[i], .msg_iovlen = 2}, 0};
	}
	return send_each(c, headers, count, flags);
}

bool channel_send_many(
    const struct channel *c, enum message_type type, const void *bodies, size_t count)
{
	return send_many(c, type, bodies, count, 0);
}

bool channel_try_send_many(
    const struct channel *c, enum message_type type, const void *bodies, size_t count)
{
	return send_many(c, type, bodies, count, MSG_DONTWAIT);
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

/* Where one message is received: its head, and its descriptors. */
struct arrival {
	struct head head;
	struct iovec parts[2];
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(MESSAGE_FDS_MOST * sizeof(int))];
};

static struct msghdr expect(struct arrival *a, struct message *m)
{
	a->head.type = MESSAGE_COUNT;
	a->parts[0] = (struct iovec){&a->head, sizeof a->head};
	a->parts[1] = (struct iovec){&m->body, sizeof m->body};
	return (struct msghdr){.msg_iov = a->parts,
	    .msg_iovlen = 2,
	    .msg_control = a->control,
	    .msg_controllen = sizeof a->control};
}

/* It is one that the table allows, or the end of this process. */
static void accept_message(const struct channel *c, struct message *m, const struct arrival *a,
    struct msghdr *header, size_t size, enum phase phase)
{
	if (header->msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		forbid(c, "cut short");
	check_rule(c, &a->head, size, phase);
	take_fds(c, m, header, a->head.fds);
	m->type = (enum message_type)a->head.type;
}

static enum channel_result without_message(ssize_t got)
{
	bool empty = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);

	return empty ? CHANNEL_EMPTY : CHANNEL_CLOSED;
}

enum channel_result channel_receive(const struct channel *c, struct message *m, enum phase phase)
{
	struct arrival a;
	struct msghdr header = expect(&a, m);
	ssize_t size;

	do {
		size = recvmsg(c->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (size < 0 && errno == EINTR);
	if (size <= 0)
		return without_message(size);
	accept_message(c, m, &a, &header, (size_t)size, phase);
	return CHANNEL_MESSAGE;
}

enum channel_result channel_receive_many(const struct channel *c,
    struct message m[static CHANNEL_TOGETHER], size_t *count, enum phase phase)
{
	struct arrival arrivals[CHANNEL_TOGETHER];
	struct mmsghdr headers[CHANNEL_TOGETHER];
	int got, i;

	for (i = 0; i < CHANNEL_TOGETHER; i++)
		headers[i] = (struct mmsghdr){expect(&arrivals[i], &m[i]), 0};
	do {
		got = recvmmsg(
		    c->fd, headers, CHANNEL_TOGETHER, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
	} while (got < 0 && errno == EINTR);
	for (i = 0; i < got && headers[i].msg_len > 0; i++)
		accept_message(
		    c, &m[i], &arrivals[i], &headers[i].msg_hdr, headers[i].msg_len, phase);
	*count = (size_t)i;
	for (; i < got; i++) /* at its end each is empty */
		if (headers[i].msg_len > 0)
			forbid(c, "more behind its end");
	return got > 0 && *count == (size_t)got ? CHANNEL_MESSAGE : without_message(got);
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

void channel_dispose(struct message *m)
{
	message_fds_close(&m->fds);
	secret_wipe(&m->body, rules[m->type].size);
}
