/* Channels in the loop of a process. */
#ifndef PROC_PEER_H
#define PROC_PEER_H

#include "base/loop.h"
#include "proc/channel.h"

/* Each message goes to its handler. Stays where it is while it is in the loop. */
struct peer {
	struct channel channel; /* fd -1: there is no such peer */
	struct loop_source source;
	struct loop *loop;
	message_handler *const *handlers; /* by message type */
	void *context;
	/* Optional. When the far end is gone, once; NULL or false: the loop ends */
	bool (*closed)(void *context);
	/* Optional. After the messages that were taken together; false ends the loop. */
	bool (*after)(void *context);
	/* For CHANNEL_TOGETHER messages, and how many may be taken together. It may be shared with
	 * other peers, and stays the owner's. NULL: they are taken one by one. */
	struct message *room;
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
