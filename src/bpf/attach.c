#include "bpf/attach.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

struct number {
	struct rtattr head;
	uint32_t value;
};

struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
	struct rtattr xdp; /* holds the rest */
	struct number program, flags, expected;
};

static struct number number_of(unsigned short type, uint32_t value)
{
	return (struct number){{sizeof(struct number), type}, value};
}

int attach_open(void)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	/* Connected, so that nobody but the kernel can send to it. */
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&kernel, sizeof kernel) != 0)
		return fd_close(fd);
	return fd;
}

/* The kernel has answered by the time that it has taken a request; earlier answers may wait there
 * yet. 0 or an errno. */
static int await_answer(int socket, uint32_t sequence)
{
	struct {
		struct nlmsghdr head;
		int error;
		uint8_t rest[512]; /* what it answers to, and its words */
	} answer;

	for (;;) {
		ssize_t got = recv(socket, &answer, sizeof answer, MSG_DONTWAIT);

		if (got < 0)
			return errno;
		if (got >= (ssize_t)(sizeof answer.head + sizeof answer.error) &&
		    answer.head.nlmsg_type == NLMSG_ERROR && answer.head.nlmsg_seq == sequence)
			return -answer.error;
	}
}

/* `program` -1: away with `expected`, which stands there. */
static int set(int socket, int index, int program, uint32_t flags, int expected)
{
	static uint32_t sequence;
	struct request r = {
	    .head = {.nlmsg_type = RTM_SETLINK,
	        .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
	        .nlmsg_seq = ++sequence},
	    .link = {.ifi_family = AF_UNSPEC, .ifi_index = index},
	    .xdp = {.rta_type = NLA_F_NESTED | IFLA_XDP},
	    .program = number_of(IFLA_XDP_FD, (uint32_t)program),
	    .flags = number_of(IFLA_XDP_FLAGS, flags),
	    .expected = number_of(IFLA_XDP_EXPECTED_FD, (uint32_t)expected),
	};
	uint32_t size =
	    (flags & XDP_FLAGS_REPLACE) != 0 ? sizeof r : offsetof(struct request, expected);

	r.head.nlmsg_len = size;
	r.xdp.rta_len = (unsigned short)(size - offsetof(struct request, xdp));
	if (send(socket, &r, size, 0) != (ssize_t)size)
		return errno;
	return await_answer(socket, sequence);
}

enum attach_mode attach_program(int socket, int index, int program, int *error)
{
	*error = set(socket, index, program, XDP_FLAGS_UPDATE_IF_NOEXIST | XDP_FLAGS_DRV_MODE, -1);
	if (*error == 0)
		return ATTACH_NATIVE;
	if (*error == EBUSY || *error == EEXIST || *error == ENODEV)
		return ATTACH_NONE;
	*error = set(socket, index, program, XDP_FLAGS_UPDATE_IF_NOEXIST | XDP_FLAGS_SKB_MODE, -1);
	return *error == 0 ? ATTACH_GENERIC : ATTACH_NONE;
}

int attach_remove(int socket, int index, int program)
{
	uint32_t flags = program >= 0 ? XDP_FLAGS_REPLACE : 0;
	int error = set(socket, index, -1, flags | XDP_FLAGS_DRV_MODE, program);
	int generic = set(socket, index, -1, flags | XDP_FLAGS_SKB_MODE, program);

	return error == 0 ? 0 : generic;
}
