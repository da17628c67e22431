/* The life of every process but `main`: it hears who it is to be, sets itself up, closes its
 * sandbox, and then does what messages ask for until its channel to main closes. */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include "base/loop.h"
#include "proc/hello.h"
#include "proc/peer.h"
#include "proc/sandbox.h"

#define PROCESS_CHANNEL_FD  3           /* where a process finds its channel to main */
#define PROCESS_TABLE_BYTES (64 * 1024) /* what is larger has pages of its own */

struct process {
	struct loop loop;
	struct peer main;
	struct hello hello;
	struct snapshot next; /* that is being checked, or was */
};

/* From the first message to the end; the value is the exit status. `handlers` (by message type) get
 * `context`, whose first member is the process itself; that of BEGIN sets the process up, before
 * the sandbox closes, and is false when that fails, with errno. `settled`, unless NULL, is called
 * behind the closed sandbox. */
int process_run(struct process *p, enum role role, const struct sandbox_policy *policy,
    message_handler *const *handlers, void *context, void (*settled)(void *context));
/* Fills in a peer of this process, whose channel it was given in BEGIN, and opens it. False with
 * errno. What is optional in it stays as it is. */
bool process_open_peer(
    struct process *p, struct peer *peer, enum role role, struct message_fds *fds);
/* Tells main how a CONFIG went; `error` is an errno or 0. */
void process_report(const struct process *p, int error);

/* Tells main that the loop still turns. */
bool process_take_ping(void *context, const struct message_empty *m, struct message_fds *fds);
/* Checks a slice of the next snapshot, which has come with the first of these messages, and tells
 * main EAGAIN while more is left: so a large one holds up nothing. */
bool process_take_check(void *context, const struct message_empty *m, struct message_fds *fds);
/* The snapshot that has come with CONFIG, or was checked before that. False with errno. */
bool process_snapshot(struct process *p, struct snapshot *out, const struct message_fds *fds);

#endif
