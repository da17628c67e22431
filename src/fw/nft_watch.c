/* Has somebody else changed our table? The kernel says of every change who made it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "fw/nft.h"

#define NOTICE_BYTES 16384           /* the kernel fills half of it at most */
#define QUEUE_BYTES  (4 << 20)       /* of notices; a limit, not memory that is taken */
#define TABLE_NAME   NFTA_RULE_TABLE /* in notices of every kind */

/* Passing only what others do keeps our own grants from waking us. The filter loads in network
 * order what netlink has in host order. */
static int watch_filter(int fd, uint32_t port)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 1, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int nft_watch_open(uint32_t port)
{
	struct sockaddr_nl mine = {.nl_family = AF_NETLINK};
	int group = NFNLGRP_NFTABLES, queue = QUEUE_BYTES;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	int err = 0;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof queue);
	if (watch_filter(fd, port) < 0 || bind(fd, (struct sockaddr *)&mine, sizeof mine) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
		err = -errno;
		close(fd);
	}
	return err != 0 ? err : fd;
}

static bool is_of_our_table(const struct nlmsghdr *notice)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(notice);

	return notice->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN) &&
	       mnl_nlmsg_get_payload_len(notice) >= sizeof *head &&
	       head->nfgen_family == NFPROTO_INET &&
	       strcmp(nft_attribute_text(nft_attributes_of(notice).at[TABLE_NAME]), NFT_TABLE) == 0;
}

bool nft_watch_read(int fd)
{
	_Alignas(struct nlmsghdr) char buffer[NOTICE_BYTES];
	bool ours = false;
	ssize_t got;

	do {
		const struct nlmsghdr *notice = (const struct nlmsghdr *)buffer;
		int left;

		got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT | MSG_TRUNC);
		/* What was lost may have been about us. */
		ours = ours || got > NOTICE_BYTES || (got < 0 && errno == ENOBUFS);
		for (left = (int)(got > NOTICE_BYTES ? 0 : got);
		     left > 0 && mnl_nlmsg_ok(notice, left); notice = mnl_nlmsg_next(notice, &left))
			ours = is_of_our_table(notice) || ours;
	} while (got >= 0 || errno == EINTR || errno == ENOBUFS);
	return ours;
}
