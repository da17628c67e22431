#include "explain/route.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/fd.h"

#define ANSWER_BYTES 8192
#define LOOPBACK     "lo"
#define FORWARDING_6 "/proc/sys/net/ipv6/conf/all/forwarding"

static int each_attribute(const struct nlattr *a, void *data)
{
	struct route *out = data;
	size_t size = mnl_attr_get_payload_len(a);

	if (mnl_attr_get_type(a) == RTA_OIF && size >= sizeof out->device) {
		out->device = mnl_attr_get_u32(a);
	} else if (mnl_attr_get_type(a) == RTA_PREFSRC && (size == 4 || size == ADDR_BYTES)) {
		out->has_source = true;
		out->source = addr_from_bytes(mnl_attr_get_payload(a), size);
	}
	return MNL_CB_OK;
}

static int take(struct route *out, const struct nlmsghdr *answer)
{
	const struct rtmsg *head = mnl_nlmsg_get_payload(answer);
	int err = 0;

	if (answer->nlmsg_type == NLMSG_ERROR &&
	    mnl_nlmsg_get_payload_len(answer) >= sizeof(struct nlmsgerr)) {
		memcpy(&err, mnl_nlmsg_get_payload(answer), sizeof err);
		return err < 0 ? err : -EBADMSG;
	}
	if (answer->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(answer) < sizeof *head)
		return -EBADMSG;
	out->type = head->rtm_type;
	(void)mnl_attr_parse(answer, sizeof *head, each_attribute, out);
	return 0;
}

static void put_address(struct nlmsghdr *m, uint16_t type, const struct addr *a, bool v4)
{
	size_t size = v4 ? 4 : ADDR_BYTES;

	mnl_attr_put(m, type, size, a->bytes + ADDR_BYTES - size);
}

static struct nlmsghdr *question(void *buffer, const struct addr *to, const struct packet *p)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct rtmsg *head;
	bool v4 = addr_is_v4(to);

	m->nlmsg_type = RTM_GETROUTE;
	m->nlmsg_flags = NLM_F_REQUEST;
	head = mnl_nlmsg_put_extra_header(m, sizeof *head);
	head->rtm_family = v4 ? AF_INET : AF_INET6;
	head->rtm_dst_len = v4 ? 32 : 128;
	put_address(m, RTA_DST, to, v4);
	if (p != NULL) {
		head->rtm_src_len = head->rtm_dst_len;
		put_address(m, RTA_SRC, &p->source, v4);
		mnl_attr_put_u32(m, RTA_IIF, p->in.index);
		mnl_attr_put_u32(m, RTA_MARK, p->mark);
	}
	return m;
}

int route_ask(struct route *out, const struct addr *to, const struct packet *p)
{
	union {
		struct nlmsghdr head;
		char bytes[ANSWER_BYTES];
	} buffer;
	struct nlmsghdr *m = question(&buffer, to, p);
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int err = 0, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t got = -1;

	*out = (struct route){.type = 0};
	/* The kernel answers while it is asked. */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&kernel, sizeof kernel) == 0 &&
	    send(fd, m, m->nlmsg_len, 0) >= 0)
		got = recv(fd, &buffer, sizeof buffer, MSG_DONTWAIT);
	err = got < 0                                ? -errno
	      : mnl_nlmsg_ok(&buffer.head, (int)got) ? take(out, &buffer.head)
	                                             : -EBADMSG;
	fd_close(fd);
	return err;
}

static bool forwards_6(void)
{
	int fd = open(FORWARDING_6, O_RDONLY | O_CLOEXEC);
	char digit = '0';
	bool forwards = fd >= 0 && fd_read(fd, &digit, 1) == 1 && digit != '0';

	fd_close(fd);
	return forwards;
}

static struct packet_device device_of(uint32_t index)
{
	struct packet_device d = {.index = index};
	char name[IF_NAMESIZE] = "";

	if (index != 0 && if_indextoname(index, name) != NULL)
		memcpy(d.name, name, strnlen(name, sizeof d.name - 1));
	return d;
}

void route_look(struct packet *p)
{
	struct route r;

	if (route_ask(&r, &p->source, NULL) == 0) {
		p->source_type = r.type;
		p->back = device_of(r.type == RTN_LOCAL ? if_nametoindex(LOOPBACK) : r.device);
	}
	p->target_type = route_ask(&r, &p->target, NULL) == 0 ? r.type : 0;
}

enum walk_end route_packet(void *context, struct packet *p)
{
	struct route r;

	(void)context;
	/* What comes from this host itself was given its way before. */
	if (strcmp(p->in.name, LOOPBACK) == 0) {
		route_look(p);
		return p->target_type == RTN_LOCAL ? WALK_ARRIVES : WALK_WAY_UNKNOWN;
	}
	if (route_ask(&r, &p->target, p) != 0)
		return WALK_NO_WAY;
	p->target_type = r.type;
	switch (r.type) {
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_MULTICAST:
		return WALK_ARRIVES;
	case RTN_UNICAST:
		p->out = device_of(r.device);
		return packet_is_v4(p) || forwards_6() ? WALK_FORWARDED : WALK_NO_WAY;
	default:
		return WALK_NO_WAY;
	}
}
