#include "intake/socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

bool socket_want_local(int fd)
{
	static const int on = 1;

	/* One of the two for each kind of socket; a dual-stack one tells mapped addresses. */
	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0 ||
	       setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0;
}

void socket_want_losses(int fd)
{
	static const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

/* The kernel says nothing for as long as it has dropped none. Of a socket that is taken over it has
 * counted before: the first number is where we begin. */
void losses_read(struct losses *l, struct msghdr *header)
{
	uint32_t now = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL &&
		    c->cmsg_len == CMSG_LEN(sizeof now))
			memcpy(&now, CMSG_DATA(c), sizeof now);
	if (l->begun)
		l->count += now - l->last;
	l->last = now;
	l->begun = true;
}

struct local_info {
	_Alignas(struct cmsghdr)
	    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint32_t))];
};

/* The address that a datagram was sent to, when the kernel says it; all zeros otherwise. What other
 * options have left too little room for is cut. */
static struct addr local_of(struct msghdr *header)
{
	struct addr local = {{0}};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		struct in6_pktinfo six;
		struct in_pktinfo four;

		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
		    c->cmsg_len == CMSG_LEN(sizeof six)) {
			memcpy(&six, CMSG_DATA(c), sizeof six);
			local = addr_from_bytes(&six.ipi6_addr, sizeof six.ipi6_addr);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO &&
		           c->cmsg_len == CMSG_LEN(sizeof four)) {
			memcpy(&four, CMSG_DATA(c), sizeof four);
			local = addr_from_bytes(&four.ipi_addr, sizeof four.ipi_addr);
		}
	}
	return local;
}

size_t socket_receive(int fd, struct losses *losses, struct record *const records[], size_t most)
{
	struct mmsghdr messages[SOCKET_BATCH] = {0};
	struct iovec parts[SOCKET_BATCH];
	struct sockaddr_storage from[SOCKET_BATCH];
	struct local_info to[SOCKET_BATCH];
	size_t kept = 0;
	int got;

	if (most > SOCKET_BATCH)
		most = SOCKET_BATCH;
	for (size_t i = 0; i < most; i++) {
		parts[i] = (struct iovec){records[i]->bytes, sizeof records[i]->bytes};
		messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
		    .msg_namelen = sizeof from[i],
		    .msg_iov = &parts[i],
		    .msg_iovlen = 1,
		    .msg_control = &to[i],
		    .msg_controllen = sizeof to[i]};
	}
	got = recvmmsg(fd, messages, (unsigned int)most, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++) {
		struct record *r = records[i];
		bool cut = (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;

		r->size = (uint16_t)(cut ? RECORD_BYTES_MAX + 1 : messages[i].msg_len);
		if (!addr_from_sockaddr(&r->source, &r->source_port, &from[i]))
			r->size = 0; /* refused for its size; cannot happen on a UDP socket */
		r->local = local_of(&messages[i].msg_hdr);
		losses_read(losses, &messages[i].msg_hdr);
		kept++;
	}
	return kept;
}

/* Adds where a datagram comes from to `header`. */
static void put_local(struct msghdr *header, struct local_info *room, int level, int type,
    const void *info, size_t size)
{
	struct cmsghdr *c;

	header->msg_control = room->bytes;
	header->msg_controllen = CMSG_SPACE(size);
	c = CMSG_FIRSTHDR(header);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), info, size);
}

/* By a socket of a host without IPv6. */
static void answer_by_four(int fd, const struct addr *to, uint16_t port, const struct addr *local,
    const struct iovec *part)
{
	struct sockaddr_in where = socket_four(to, port);
	struct in_pktinfo info = {.ipi_ifindex = 0};
	struct local_info room = {.bytes = {0}};
	struct msghdr header = {.msg_name = &where, .msg_namelen = sizeof where, .msg_iovlen = 1};

	memcpy(&header.msg_iov, &part, sizeof part); /* sendmsg only reads it */
	if (!addr_is_wildcard(local)) {
		info.ipi_spec_dst = socket_four(local, 0).sin_addr;
		put_local(&header, &room, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
	}
	(void)!sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void socket_answer(int fd, const struct addr *to, uint16_t port, const struct addr *local,
    const void *packet, size_t size)
{
	struct sockaddr_in6 where = addr_to_sockaddr(to, port);
	struct in6_pktinfo info = {.ipi6_ifindex = 0};
	struct local_info room = {.bytes = {0}};
	struct iovec part = {.iov_len = size};
	struct msghdr header = {
	    .msg_name = &where, .msg_namelen = sizeof where, .msg_iov = &part, .msg_iovlen = 1};

	memcpy(&part.iov_base, &packet, sizeof packet); /* sendmsg only reads it */
	if (!addr_is_wildcard(local)) {
		memcpy(&info.ipi6_addr, local->bytes, sizeof info.ipi6_addr);
		put_local(&header, &room, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
	}
	if (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAFNOSUPPORT)
		answer_by_four(fd, to, port, local, &part);
}
