/* The service manager keeps our sockets for the next daemon, so that what arrives between the two
 * is not lost. What it gives back is checked as if anybody could have put it there. */
#ifndef MAIN_SOCKET_STORE_H
#define MAIN_SOCKET_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "intake/intake.h"

#define SOCKET_STORE_MOST       52 /* three for each doorman, and the others */
#define SOCKET_STORE_NAME_BYTES 64
#define SOCKET_STORE_HELD       "held"
#define SOCKET_STORE_FIREWALL   "firewall"

struct kept_socket {
	int fd; /* -1: taken, or refused */
	bool refused;
	char name[SOCKET_STORE_NAME_BYTES]; /* "": none that we could have given it */
};

struct socket_store {
	size_t count;
	bool refused_more; /* than there is room for */
	struct kept_socket kept[SOCKET_STORE_MOST];
};

/* What the service manager has given us; no process that is started later gets it. Before anything
 * else is opened. */
void socket_store_receive(struct socket_store *s);
/* A socket of that name which is as it is to be, or -1; those that are not are left. */
int socket_store_take(struct socket_store *s, const char *name, const struct socket_place *place);
/* The memory of the last daemon's datagrams (intake/held.h), or a fresh one; -1 without. */
int socket_store_take_held(struct socket_store *s);
/* The last keeper's netlink socket, or -1. */
int socket_store_take_firewall(struct socket_store *s);
/* Closes what is left, and has the manager forget it and what was refused, with all that it keeps
 * by the same names. True when there was any. */
bool socket_store_clear(struct socket_store *s);
/* Has the manager keep a socket, if it does not yet. */
void socket_store_keep(const char *name, int fd);

#endif
