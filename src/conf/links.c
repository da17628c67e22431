#include "conf/links.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"

#define ANSWER_BYTES 65536 /* the kernel's own limit is half of it */

struct list {
	struct link *links;
	size_t count;
	const char *wanted;
};

/* The attribute at the front of `from`, which is left behind it. False at the end. */
static bool next_attribute(struct reader *from, uint16_t *type, struct reader *body)
{
	struct rtattr head;

	if (from->left < sizeof head)
		return false;
	reader_take(from, &head, sizeof head);
	if (head.rta_len < sizeof head || head.rta_len - sizeof head > from->left)
		return false;
	*type = (uint16_t)(head.rta_type & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER) & UINT16_MAX);
	*body = reader_of(from->data, head.rta_len - sizeof head);
	reader_skip(from, body->left);
	reader_skip(from, RTA_ALIGN(head.rta_len) - head.rta_len <= from->left
	                      ? RTA_ALIGN(head.rta_len) - head.rta_len
	                      : from->left);
	return true;
}

/* Names end with a zero byte. */
static void copy_name(char *out, size_t size, const struct reader *body)
{
	size_t length = strnlen((const char *)body->data, body->left);

	if (length >= size)
		length = size - 1;
	memcpy(out, body->data, length);
	out[length] = '\0';
}

static bool is_wanted(const struct list *l, const struct reader *body)
{
	size_t length = strlen(l->wanted);

	return strnlen((const char *)body->data, body->left) == length &&
	       memcmp(body->data, l->wanted, length) == 0;
}

static void read_nested(
    const struct list *l, struct link *link, uint16_t within, struct reader nested)
{
	struct reader body;
	uint16_t type;

	while (next_attribute(&nested, &type, &body)) {
		if (within == IFLA_PROP_LIST && type == IFLA_ALT_IFNAME)
			link->wanted |= is_wanted(l, &body);
		else if (within == IFLA_LINKINFO && type == IFLA_INFO_KIND)
			copy_name(link->kind, sizeof link->kind, &body);
		else if (within == IFLA_XDP && type == IFLA_XDP_PROG_ID)
			reader_take(&body, &link->xdp_program, sizeof link->xdp_program);
	}
}

static bool add_link(struct list *l, struct reader message)
{
	struct link *more = reallocarray(l->links, l->count + 1, sizeof *more), *link;
	struct ifinfomsg head;
	struct reader body;
	uint16_t type;

	if (more == NULL)
		return false;
	l->links = more;
	link = &more[l->count++];
	memset(link, 0, sizeof *link);
	reader_take(&message, &head, sizeof head);
	link->index = head.ifi_index;
	link->ethernet = head.ifi_type == ARPHRD_ETHER;
	while (next_attribute(&message, &type, &body)) {
		if (type == IFLA_IFNAME) {
			copy_name(link->name, sizeof link->name, &body);
			link->wanted |= is_wanted(l, &body);
		} else if (type == IFLA_MASTER) {
			reader_take(&body, &link->master, sizeof link->master);
		} else if (type == IFLA_PROP_LIST || type == IFLA_LINKINFO || type == IFLA_XDP) {
			read_nested(l, link, type, body);
		}
	}
	return true;
}

/* 1: go on, 0: that was all, -1: with errno. */
static int read_messages(struct list *l, struct reader answer)
{
	struct nlmsghdr head;

	while (answer.left >= sizeof head) {
		size_t whole;
		struct reader message;

		memcpy(&head, answer.data, sizeof head);
		whole = NLMSG_ALIGN((size_t)head.nlmsg_len);
		if (head.nlmsg_len < sizeof head || head.nlmsg_len > answer.left)
			break;
		message = reader_of(answer.data + sizeof head, head.nlmsg_len - sizeof head);
		if (head.nlmsg_type == NLMSG_DONE)
			return 0;
		if (head.nlmsg_type == NLMSG_ERROR) {
			reader_take(&message, &errno, sizeof errno);
			errno = -errno;
			return -1;
		}
		if (head.nlmsg_type == RTM_NEWLINK && !add_link(l, message))
			return -1;
		reader_skip(&answer, whole <= answer.left ? whole : answer.left);
	}
	return 1;
}

static bool ask(int fd)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
		struct rtattr attribute;
		uint32_t filter;
	} question = {.head = {.nlmsg_len = sizeof question,
	                  .nlmsg_type = RTM_GETLINK,
	                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .attribute = {.rta_len = RTA_LENGTH(sizeof question.filter), .rta_type = IFLA_EXT_MASK},
	    .filter = RTEXT_FILTER_SKIP_STATS};

	return send(fd, &question, sizeof question, 0) == sizeof question;
}

bool links_read(struct link **links, size_t *count, const char *wanted)
{
	struct list l = {.wanted = wanted};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), state = -1;
	uint8_t *answer = malloc(ANSWER_BYTES);

	if (fd >= 0 && answer != NULL && ask(fd)) {
		do {
			ssize_t got = recv(fd, answer, ANSWER_BYTES, 0);

			state = got > 0 ? read_messages(&l, reader_of(answer, (size_t)got)) : -1;
		} while (state > 0);
	}
	fd_close(fd);
	free(answer);
	if (state < 0)
		free(l.links);
	else
		*links = l.links;
	*count = l.count;
	return state == 0;
}
