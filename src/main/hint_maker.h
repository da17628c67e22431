/* Makes the clients' hint keys (client/hint_keys.h), in a child that main forks once a
 * configuration is in force. With many clients that takes minutes, in which knocks are served as
 * they come: until a client's key is there, its hint is not understood, and it is looked for in
 * other ways. What becomes of the child is no matter of life and death. */
#ifndef MAIN_HINT_MAKER_H
#define MAIN_HINT_MAKER_H

#include "main/config_push.h"
#include "main/main.h"
#include "proc/message.h"

struct hint_maker {
	pid_t pid;    /* 0: none is at work */
	int snapshot; /* of the last configuration, and its keys: what is in there need not be made
	               */
	int keys;     /* again; -1: none */
};

#define HINT_MAKER_NONE                    \
	{                                  \
		.snapshot = -1, .keys = -1 \
	}

/* Before a configuration is handed out: the keys of its first clients, some ms. So a gate of few is
 * never without them, and a client that is served by its hint alone is let in at once. */
void hint_maker_first(const struct message_secret *secret, struct config_push *push);
/* For a configuration that was handed out. Ends what was at work for the one before. The child
 * wipes `secret` in its own memory. */
void hint_maker_start(struct hint_maker *h, const struct main_options *options,
    struct message_secret *secret, struct config_push *push);
/* When a child has ended. */
void hint_maker_check(struct hint_maker *h);
void hint_maker_end(struct hint_maker *h);

#endif
