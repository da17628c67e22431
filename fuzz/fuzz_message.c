/* Any packet and any number of descriptors on the channel between two processes, from a peer that
 * has been taken over. Exactly what the table allows is taken; anything else ends the process.
 *
 * Input: receiver, sender, phase, descriptors, two bits: whether the packet is cut and filled to
 * the size that its type should have, and whether it is received with others; packet. */
#include <setjmp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "proc/channel.h"

#define FDS_SENT (MESSAGE_FDS_MOST + 2) /* at most: more than any message may carry */

struct packet {
	uint32_t type;
	uint32_t fds; /* their names, as bits */
	uint8_t body[sizeof(union message_body) + 8];
};

#define HEAD_BYTES offsetof(struct packet, body)

static const struct {
	enum role from;
	enum role to;
	enum phase phase;
	uint32_t fds;
	size_t size;
} table[MESSAGE_COUNT] = {
#define X(id, from, to, phase, fds, body, handler) \
	{ROLE_##from, ROLE_##to, PHASE_##phase, fds, sizeof(struct body)},
    MESSAGES(X)
#undef X
};

static jmp_buf ended;

_Noreturn void __wrap__exit(int status);

/* The linker has this called for _exit. */
_Noreturn void __wrap__exit(int status)
{
	(void)status;
	longjmp(ended, 1);
}

static void send_packet(int fd, const void *packet, size_t size, size_t fd_count)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(FDS_SENT * sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec part = {NULL, size};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	memcpy(&part.iov_base, &packet, sizeof packet);
	if (fd_count > 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		for (size_t i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(&control.header) + i * sizeof fd, &fd, sizeof fd);
	}
	must(sendmsg(fd, &m, MSG_NOSIGNAL) == (ssize_t)size);
}

static bool allowed(
    const struct channel *c, enum phase phase, const struct packet *p, size_t size, size_t fds)
{
	return size >= HEAD_BYTES && p->type < MESSAGE_COUNT && table[p->type].from == c->peer &&
	       table[p->type].to == c->self && table[p->type].phase == phase &&
	       table[p->type].size == size - HEAD_BYTES && (p->fds & ~table[p->type].fds) == 0 &&
	       (size_t)__builtin_popcount(p->fds) == fds;
}

static enum channel_result receive(
    const struct channel *c, struct message *m, enum phase phase, bool together)
{
	static struct message room[CHANNEL_TOGETHER];
	enum channel_result result;
	size_t count;

	if (!together)
		return channel_receive(c, m, phase);
	result = channel_receive_many(c, room, &count, phase);
	must(count == (result == CHANNEL_MESSAGE));
	*m = room[0];
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message m;
	struct reader r = reader_of(data, size);
	struct packet p = {0};
	struct channel c = {.self = reader_u8(&r) % ROLE_COUNT, .peer = reader_u8(&r) % ROLE_COUNT};
	enum phase phase = reader_u8(&r) % 2 == 0 ? PHASE_START : PHASE_RUN;
	size_t fds = reader_u8(&r) % (FDS_SENT + 1), length;
	uint8_t bits = reader_u8(&r);
	bool fitted = (bits & 1) != 0, together = (bits & 2) != 0;
	int pair[2];

	if (r.failed || r.left == 0)
		return 0;
	length = r.left < sizeof p ? r.left : sizeof p;
	reader_take(&r, &p, length);
	if (fitted && p.type < MESSAGE_COUNT)
		length = HEAD_BYTES + table[p.type].size;
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	c.fd = pair[0];
	send_packet(pair[1], &p, length, fds);
	m.fds = message_fds_none();
	if (setjmp(ended) == 0) {
		must(receive(&c, &m, phase, together) == CHANNEL_MESSAGE);
		must(allowed(&c, phase, &p, length, fds));
		must(m.type == p.type);
		for (int i = 0; i < FD_COUNT; i++)
			must((m.fds.fd[i] >= 0) == ((p.fds & 1U << i) != 0));
		must(memcmp(&m.body, p.body, length - HEAD_BYTES) == 0);
	} else {
		must(!allowed(&c, phase, &p, length, fds));
		/* The process would have ended, and with it what it had received. */
		close_range((unsigned int)(pair[0] > pair[1] ? pair[0] : pair[1]) + 1, ~0U, 0);
	}
	message_fds_close(&m.fds);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
