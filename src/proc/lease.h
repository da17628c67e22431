/* What main and a guard that stays say to each other: who has the netlink socket that owns our
 * rules. They meet at an abstract UNIX socket, whose name belongs to the network namespace, as our
 * table does. At both ends nobody but root is believed. */
#ifndef PROC_LEASE_H
#define PROC_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum lease_word {
	/* To the guard. A lease lasts as long as its connection; it comes with the socket that owns
	 * the rules, if the daemon has that. */
	LEASE_WANTED = 1,
	LEASE_TAKE_AWAY, /* the rules, and end */
	LEASE_TAKEN,     /* by the daemon, as it was told to: the rules are not to be put back */
	/* From the guard. */
	LEASE_GIVEN, /* with its socket, if none was brought */
	LEASE_BUSY,  /* `pid` has it */
	LEASE_DONE,
	LEASE_FAILED,
};

struct lease_message {
	uint32_t word;
	int32_t pid;
};

struct lease_answer {
	struct lease_message message;
	int connection;
	int socket; /* -1: none came */
};

/* A listener, or -1 with errno. */
int lease_listen(void);
/* A connection to the guard, which is not waited for; -1 with errno, EPERM when whoever listens is
 * not root. */
int lease_connect(pid_t *guard);
/* Who has connected; 0 when it is not root, or not to be seen. */
pid_t lease_peer(int connection);
/* Never waits. `socket` goes along, and stays ours; -1: none. */
bool lease_send(int connection, struct lease_message m, int socket);
/* Never waits. 1: a message has come; 0: none yet; -1: the far end is gone, or talks nonsense.
 * `*socket` as in a lease_answer, the caller's. */
int lease_receive(int connection, struct lease_message *m, int *socket);
/* Asks the guard, if one stays, and waits for its answer for some seconds. False without; one that
 * hangs is killed, and then there is none (ETIMEDOUT). The descriptors in the answer are the
 * caller's. */
bool lease_ask(enum lease_word word, int socket, struct lease_answer *a);

#endif
