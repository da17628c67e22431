/* The channels between processes: pairs of UNIX seqpacket sockets that carry the messages of
 * proc/message.h and nothing else. */
#ifndef PROC_CHANNEL_H
#define PROC_CHANNEL_H

#include <stdbool.h>

#include "base/loop.h"
#include "proc/message.h"

/* One end of a channel. */
struct channel {
	int fd;
	enum role self;
	enum role peer;
};

enum channel_result { CHANNEL_MESSAGE, CHANNEL_EMPTY, CHANNEL_CLOSED };

/* A connected pair; false with errno. */
bool channel_pair(int fds[static 2]);

/* `body` is the struct that the table names; `fds` may be NULL, and stay the caller's. Waits while
 * the channel is full. False with errno when the far end is gone. Sending what the table forbids
 * aborts: it is a bug of ours. */
bool channel_send(const struct channel *c, enum message_type type, const void *body,
    const struct message_fds *fds);
/* The same without descriptors and without waiting: false, EAGAIN, when the channel is full. */
bool channel_try_send(const struct channel *c, enum message_type type, const void *body);
/* Does not wait. A message that the table forbids in `phase` ends this process. */
enum channel_result channel_receive(const struct channel *c, struct message *m, enum phase phase);
/* The same, waiting up to `timeout_ms` (-1: for ever); EMPTY after that. */
enum channel_result channel_wait(
    const struct channel *c, struct message *m, enum phase phase, int timeout_ms);

/* A channel in the loop of a process: each message goes to its handler. Stays where it is while it
 * is in the loop. */
struct peer {
	struct channel channel; /* fd -1: there is no such peer */
	struct loop_source source;
	struct loop *loop;
	message_handler *const *handlers; /* by message type */
	void *context;
	/* Optional. When the far end is gone, once; NULL or false: the loop ends */
	bool (*closed)(void *context);
	/* After up to `burst` messages (0 counts as 1) that waited together; false ends the loop.
	 */
	bool (*after)(void *context);
	unsigned int burst;
};

/* Puts a peer that has been filled in (channel, handlers, context and what is optional) into the
 * loop. False with errno. */
bool peer_open(struct peer *p, struct loop *loop);
/* Takes it out of the loop and hangs up. Safe on one that is closed already. */
void peer_close(struct peer *p);
/* Waits up to `timeout_ms` for one message, and handles it. False from its handler counts as
 * CLOSED. */
enum channel_result peer_wait(struct peer *p, enum phase phase, int timeout_ms);

#endif
