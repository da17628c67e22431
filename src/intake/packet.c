#include "intake/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "intake/frame.h"
#include "intake/steer.h"

#define V4_PROTOCOL       9
#define V4_FRAGMENT       6
#define V6_NEXT           6
#define V6_BYTES          40
#define MORE_OR_NOT_FIRST 0x3fff

#define STEER_AT     15
#define FILTER_STEPS (STEER_AT + STEER_STEPS + 3)

/* --- What the kernel lets through */

/* Where `step` stands, what is not so ends at the last step, which drops. */
#define UNLESS(step) (FILTER_STEPS - 2 - (step))

/* For us, whole, UDP, to the port, of the size, with the first byte, and this doorman's. Offsets
 * are from the IP header on; of IPv4 the options are passed over, of IPv6 there are to be none.
 *
 * Each doorman's socket sees all that arrives and chooses by itself. A group of the kernel's
 * (PACKET_FANOUT) would choose once, but is left by nobody who is in it, so that none of its
 * sockets could be bound to a device that is made anew. */
static void make_filter(struct sock_filter f[static FILTER_STEPS], const struct socket_place *p)
{
	const bool v4 = p->ether_type == ETH_P_IP;
	const struct sock_filter steps[FILTER_STEPS] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, UNLESS(1)),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, v4 ? V4_PROTOCOL : V6_NEXT),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, UNLESS(3)),
	    /* Of IPv6 a fragment has a header of its own, which is not UDP's. */
	    v4 ? (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, V4_FRAGMENT)
	       : (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MORE_OR_NOT_FIRST, UNLESS(5), 0),
	    v4 ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
	       : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, V6_BYTES),
	    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->port, 0, UNLESS(8)),
	    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UDP_HEADER_BYTES + p->size, 0, UNLESS(10)),
	    BPF_STMT(BPF_LD | BPF_B | BPF_IND, UDP_HEADER_BYTES),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->first, 0, UNLESS(12)),
	    /* It is all there. */
	    BPF_STMT(BPF_LD | BPF_B | BPF_IND, UDP_HEADER_BYTES + p->size - 1U),
	    BPF_STMT(BPF_LD | BPF_W | BPF_IND, UDP_HEADER_BYTES + STEER_KNOCKS),
	    [STEER_AT + STEER_STEPS] =
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->doorman, 0, UNLESS(STEER_AT + STEER_STEPS)),
	    BPF_STMT(BPF_RET | BPF_K, RECORD_BYTES_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};

	memcpy(f, steps, sizeof steps);
	steer_put_steps(f + STEER_AT, &p->key, p->doormen);
}

static bool set_filter(int fd, const struct socket_place *p)
{
	static const int on = 1;
	struct sock_filter steps[FILTER_STEPS];
	const struct sock_fprog filter = {FILTER_STEPS, steps};

	make_filter(steps, p);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) == 0;
}

static bool has_our_filter(int fd, const struct socket_place *p)
{
	struct sock_filter ours[FILTER_STEPS], there[FILTER_STEPS] = {{0}};
	socklen_t steps = FILTER_STEPS, size = sizeof(int);
	int locked = 0;

	make_filter(ours, p);
	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, there, &steps) == 0 &&
	       steps == FILTER_STEPS && memcmp(ours, there, sizeof ours) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, &size) == 0 && locked == 1;
}

bool packet_key_of(struct steer_key *out, int fd)
{
	struct sock_filter there[FILTER_STEPS];
	socklen_t steps = FILTER_STEPS;

	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, there, &steps) == 0 &&
	       steps == FILTER_STEPS && steer_key_of(out, there + STEER_AT);
}

/* --- Opening */

/* 0: every one. False where there is none of that name. */
static bool device_of(int *out, const char *interface)
{
	unsigned int index = *interface == '\0' ? 0 : if_nametoindex(interface);

	*out = (int)index;
	return *interface == '\0' || index != 0;
}

static bool bind_to(int fd, uint16_t ether_type, int device)
{
	const struct sockaddr_ll where = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ether_type), .sll_ifindex = device};

	return bind(fd, (const struct sockaddr *)&where, sizeof where) == 0;
}

static bool set_options(int fd)
{
	static const int on = 1;

	socket_set_room(fd);
	socket_want_losses(fd);
	return setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0;
}

/* Without a protocol it hears nothing, until it has its filter. */
int packet_open(const struct socket_place *p)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int device;

	if (fd < 0)
		return -1;
	if (!set_options(fd) || !set_filter(fd, p) || !device_of(&device, p->interface) ||
	    !bind_to(fd, p->ether_type, device))
		return fd_close(fd);
	return fd;
}

static bool is_at(int fd, struct sockaddr_ll *where)
{
	socklen_t size = sizeof *where;

	return getsockname(fd, (struct sockaddr *)where, &size) == 0 &&
	       where->sll_family == AF_PACKET;
}

const char *packet_take_over(int fd, const struct socket_place *p)
{
	struct sockaddr_ll where = {0};
	socklen_t size = sizeof(int);
	int device, type = 0, shared = 0;

	if (!is_at(fd, &where))
		return "it is of another family";
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM)
		return "it is of another type";
	if (!device_of(&device, p->interface) || where.sll_ifindex != device)
		return "it is bound to another device, or to one that is gone";
	if (where.sll_protocol != htons(p->ether_type))
		return "it is of another protocol";
	if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &shared, &size) != 0 || shared != 0)
		return "packets are taken out of it";
	if (!has_our_filter(fd, p))
		return "it has another filter";
	if (!set_options(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return strerror(errno);
	return NULL;
}

/* A packet socket of a device that is gone has -1 for it. */
bool packet_follow(int fd, unsigned int device, bool *changed)
{
	struct sockaddr_ll where = {0};

	if (!is_at(fd, &where))
		return false;
	if (where.sll_ifindex == (int)device)
		return true;
	*changed = true;
	return bind_to(fd, ntohs(where.sll_protocol), (int)device);
}

bool packet_is(int fd)
{
	struct sockaddr_ll where = {0};

	return is_at(fd, &where);
}

/* --- Receiving */

struct status {
	_Alignas(struct cmsghdr) uint8_t
	    bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(uint32_t))];
};

/* Whether the checksum of UDP has been written, and not looked at yet. What comes from this host
 * gets it where it leaves the last device, which may be nowhere. */
static bool is_to_be_added_up(struct msghdr *header)
{
	struct tpacket_auxdata status = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA &&
		    c->cmsg_len == CMSG_LEN(sizeof status))
			memcpy(&status, CMSG_DATA(c), sizeof status);
	return (status.tp_status & (TP_STATUS_CSUMNOTREADY | TP_STATUS_CSUM_VALID)) == 0;
}

/* The IP packet in the record becomes the datagram that is in it. */
static void unwrap(struct record *r, struct msghdr *header, size_t size)
{
	struct datagram d;
	bool good = frame_read(&d, r->bytes, size) == FRAME_DATAGRAM &&
	            frame_is_intact(&d, r->bytes, is_to_be_added_up(header));

	r->source = d.source;
	r->local = d.destination;
	r->source_port = d.source_port;
	r->size = good ? (uint16_t)d.size : 0;
	if (good)
		memmove(r->bytes, d.bytes, r->size);
}

size_t packet_receive(int fd, struct losses *losses, struct record *const records[], size_t most)
{
	struct mmsghdr messages[SOCKET_BATCH] = {0};
	struct iovec parts[SOCKET_BATCH];
	struct status status[SOCKET_BATCH];
	int got;

	if (most > SOCKET_BATCH)
		most = SOCKET_BATCH;
	for (size_t i = 0; i < most; i++) {
		parts[i] = (struct iovec){records[i]->bytes, sizeof records[i]->bytes};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i],
		    .msg_iovlen = 1,
		    .msg_control = &status[i],
		    .msg_controllen = sizeof status[i]};
	}
	got = recvmmsg(fd, messages, (unsigned int)most, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++) {
		losses_read(losses, &messages[i].msg_hdr);
		unwrap(records[i], &messages[i].msg_hdr, messages[i].msg_len);
	}
	return got < 0 ? 0 : (size_t)got;
}
