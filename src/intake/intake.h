/* Where the doorman's datagrams come from: a UDP socket, or a packet socket that sees what arrives
 * before any firewall has a say and without a port that is open, or a ring that a program at the
 * network device writes. */
#ifndef INTAKE_INTAKE_H
#define INTAKE_INTAKE_H

#include "intake/record.h"
#include "intake/ring.h"
#include "intake/socket.h"

enum intake_kind { INTAKE_SOCKET, INTAKE_CAPTURE, INTAKE_XDP };

struct intake {
	int fd; /* -1: none */
	enum intake_kind kind;
	struct knock_ring *ring; /* of XDP; its map is `fd` */
	struct losses *losses;   /* of a socket */
};

/* A socket of either kind, by whether its place captures; see socket_open, socket_take_over and
 * socket_follow. */
int intake_open(const struct socket_place *place);
const char *intake_take_over(int fd, const struct socket_place *place);
bool intake_follow(int fd, unsigned int device, bool *changed);

/* Takes up to `most` (at most SOCKET_BATCH) datagrams without waiting. Returns how many; one of
 * size 0 is none that could be judged. */
size_t intake_receive(const struct intake *in, struct record *const records[], size_t most);

#endif
