/* UDP intake: one bound socket for both families. */
#ifndef INTAKE_SOCKET_H
#define INTAKE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "intake/record.h"
#include "intake/steer_choice.h"

#define SOCKET_BATCH 32

/* Where a socket is to be. */
struct socket_place {
	int type;            /* SOCK_DGRAM, or SOCK_STREAM: a listener */
	struct addr address; /* all zeros: every address; IPv4 mapped */
	uint16_t port;
	const char *interface; /* that it is bound to, unless "" */
	bool shared;           /* with others of ours, which have the same owner */
	uid_t owner;           /* if it is shared */
	/* For a packet socket (intake/packet.h), ETH_P_IP or ETH_P_IPV6: nothing is bound at the
	 * port, but what is sent there is captured, if it has that many bytes and the first of
	 * them, and is for that one of `doormen`, from 0. */
	uint16_t ether_type;
	uint16_t size;
	uint8_t first;
	uint8_t doorman, doormen;
	struct steer_key key; /* the same for all of them */
};

/* A non-blocking socket there, dual-stack where the host has IPv6. -1 with errno. */
int socket_open(const struct socket_place *place);
/* Whether `fd`, which is from elsewhere, is a socket as socket_open makes it, and nobody's
 * besides: then NULL, and its options are set as they are there. Otherwise what is wrong. */
const char *socket_take_over(int fd, const struct socket_place *place);
/* Has a BPF program look at each datagram first. False with errno. */
bool socket_put_program(int fd, int program);
/* Whether `fd`, which is from elsewhere, is a netlink socket to netfilter that hears nobody but the
 * kernel, and that only when it is asked. */
bool socket_is_netfilter(int fd);
/* Binds it to that device, if it is bound to another one; *changed then. False with errno. */
bool socket_follow(int fd, unsigned int device, bool *changed);
/* Room for what comes while nobody reads. */
void socket_set_room(int fd);
/* Has socket_receive fill record.local: for a socket that answers. */
bool socket_want_local(int fd);
/* For a host without IPv6. An IPv6 address there is none of ours. */
struct sockaddr_in socket_four(const struct addr *a, uint16_t port);

/* How many datagrams the kernel has dropped at a socket since the first that was read there: each
 * that is read tells, at no cost (SO_RXQ_OVFL). Those that a filter drops are among them. All zeros
 * at first. */
struct losses {
	uint64_t count;
	uint32_t last; /* as the kernel told it */
	bool begun;
};

/* Asks for it. Without, none are counted. */
void socket_want_losses(int fd);
void losses_read(struct losses *l, struct msghdr *header);

/* Receives up to `most` (at most SOCKET_BATCH) datagrams without waiting. Returns how many. */
size_t socket_receive(int fd, struct losses *losses, struct record *const records[], size_t most);

/* Sends one datagram from `local` (record.local) without waiting; it may be lost. */
void socket_answer(int fd, const struct addr *to, uint16_t port, const struct addr *local,
    const void *packet, size_t size);

#endif
