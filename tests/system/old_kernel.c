/* Preloaded: a kernel whose tables have no owners that they outlive, as before Linux 6.9. A flag
 * that this one knows nothing of makes it refuse an owned table as older ones do. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#define NEW_TABLE (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE)
#define UNKNOWN   0x80000000U

static ssize_t (*real)(int fd, const void *data, size_t size, int flags);

__attribute__((constructor)) static void begin(void)
{
	real = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
}

static void ask_for_more(struct nlmsghdr *message)
{
	char *end = (char *)message + message->nlmsg_len;
	char *at = (char *)message + NLMSG_HDRLEN + sizeof(struct nfgenmsg);

	while (end - at >= (long)sizeof(struct nlattr)) {
		struct nlattr *a = (struct nlattr *)at;

		if (a->nla_type == NFTA_TABLE_FLAGS)
			*(unsigned int *)(a + 1) |= htonl(UNKNOWN);
		at += NLA_ALIGN(a->nla_len);
	}
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	char *at = (char *)data, *end = at + size;

	/* Only a batch makes tables. */
	if (size < sizeof(struct nlmsghdr) ||
	    ((const struct nlmsghdr *)data)->nlmsg_type != NFNL_MSG_BATCH_BEGIN)
		return real(fd, data, size, flags);
	while (end - at >= (long)sizeof(struct nlmsghdr)) {
		struct nlmsghdr *message = (struct nlmsghdr *)at;

		if (message->nlmsg_type == NEW_TABLE)
			ask_for_more(message);
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return real(fd, data, size, flags);
}
