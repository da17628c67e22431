#include "cmd/live.h"

#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include "base/fd.h"

#define ANSWER_BYTES  32768
#define ANSWER_S      5
#define STATE(number) (1U << (number))

struct reading {
	struct live *out;
	uint8_t listens[UINT16_MAX / 8 + 1]; /* a bit for each port */
	bool short_of_memory;
};

static const struct cidr loopback = {{{[10] = 0xff, [11] = 0xff, [12] = 127}}, 96 + 8};

/* From another host; the answers of the kernel are of fixed size. */
static void take(struct reading *r, const struct inet_diag_msg *m)
{
	const size_t size = m->idiag_family == AF_INET ? 4 : ADDR_BYTES;
	const struct addr local = addr_from_bytes(m->id.idiag_src, size),
	                  peer = addr_from_bytes(m->id.idiag_dst, size);
	const uint16_t port = be16toh(m->id.idiag_sport);
	struct live *out = r->out;

	if (m->idiag_state == TCP_LISTEN)
		r->listens[port / 8] |= (uint8_t)(1U << port % 8);
	if (m->idiag_state != TCP_ESTABLISHED || (r->listens[port / 8] >> port % 8 & 1) == 0 ||
	    addr_equal(&local, &peer) || addr_in(&peer, &loopback) || out->count == LIVE_MOST)
		return;
	if ((out->count & (out->count - 1)) == 0) { /* room until the next power of two */
		void *grown = reallocarray(
		    out->list, out->count == 0 ? 1 : 2 * out->count, sizeof *out->list);

		r->short_of_memory = r->short_of_memory || grown == NULL;
		if (grown == NULL)
			return;
		out->list = grown;
	}
	out->list[out->count++] = (struct live_connection){peer, be16toh(m->id.idiag_dport), port};
}

/* 1 when the answer goes on, 0 at its end, -1 with errno. */
static int take_answer(struct reading *r, void *data, size_t size)
{
	struct nlmsghdr *h = data;

	for (; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
		const void *body = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR) {
			errno = h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr))
			            ? EBADMSG
			            : -((const struct nlmsgerr *)body)->error;
			return -1;
		}
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			take(r, body);
	}
	return 1;
}

static bool ask(int fd, struct reading *r, uint8_t family, uint32_t states)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 what;
	} question = {.head = {.nlmsg_len = sizeof question,
	                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
	                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .what = {
	        .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = states}};
	_Alignas(struct nlmsghdr) uint8_t answer[ANSWER_BYTES];
	int more = send(fd, &question, sizeof question, 0) == sizeof question ? 1 : -1;

	while (more == 1) {
		ssize_t got = recv(fd, answer, sizeof answer, 0);

		more = got < 0 ? -1 : take_answer(r, answer, (size_t)got);
	}
	return more == 0;
}

bool live_read(struct live *out)
{
	const struct timeval patience = {.tv_sec = ANSWER_S};
	struct reading r = {.out = out};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool ok;

	*out = (struct live){NULL, 0};
	ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
	     ask(fd, &r, AF_INET6, STATE(TCP_LISTEN)) && ask(fd, &r, AF_INET, STATE(TCP_LISTEN)) &&
	     ask(fd, &r, AF_INET6, STATE(TCP_ESTABLISHED)) &&
	     ask(fd, &r, AF_INET, STATE(TCP_ESTABLISHED));
	if (ok && r.short_of_memory) {
		errno = ENOMEM;
		ok = false;
	}
	fd_close(fd);
	return ok;
}

void live_free(struct live *live)
{
	free(live->list);
	*live = (struct live){NULL, 0};
}
