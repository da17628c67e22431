/* The channels between processes: pairs of UNIX seqpacket sockets that carry the messages of
 * proc/message.h and nothing else. */
#ifndef PROC_CHANNEL_H
#define PROC_CHANNEL_H

#include <stdbool.h>

#include "proc/message.h"

#define CHANNEL_TOGETHER 8 /* messages in one system call */

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
/* The same as channel_send for several of one type, at most CHANNEL_TOGETHER, without descriptors,
 * in one system call: `bodies` is an array of the type's struct. They arrive as if they had been
 * sent one by one. */
bool channel_send_many(
    const struct channel *c, enum message_type type, const void *bodies, size_t count);
/* The same without waiting: false when not all have gone. */
bool channel_try_send_many(
    const struct channel *c, enum message_type type, const void *bodies, size_t count);
/* Does not wait. A message that the table forbids in `phase` ends this process. */
enum channel_result channel_receive(const struct channel *c, struct message *m, enum phase phase);
/* The same for all that wait, at most CHANNEL_TOGETHER, in one system call; each is checked before
 * this returns. `count`: how many there are, also with CLOSED, which then comes after them. */
enum channel_result channel_receive_many(const struct channel *c,
    struct message m[static CHANNEL_TOGETHER], size_t *count, enum phase phase);
/* As channel_receive, waiting up to `timeout_ms` (-1: for ever); EMPTY after that. */
enum channel_result channel_wait(
    const struct channel *c, struct message *m, enum phase phase, int timeout_ms);
/* What was received has been dealt with: it is wiped, and the descriptors that nobody has taken are
 * closed. */
void channel_dispose(struct message *m);

#endif
