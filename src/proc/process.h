/* What every role but `main` begins with. */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include "base/loop.h"
#include "proc/message.h"

#define PROCESS_CHANNEL_FD 3 /* where a role finds its channel to main */

struct process {
	struct loop loop;
	struct channel main;
	struct loop_source main_source;
};

/* Waits for main's BEGIN, which is left in *begin (its descriptors are the caller's), and opens the
 * log. False when main said nothing of the kind. */
bool process_begin(struct process *p, enum role role, struct message *begin);
/* Closes the sandbox, then calls `ready` for what main says, and reports to main. */
bool process_settle(struct process *p, const struct message_begin *begin,
    void (*ready)(void *context), void *context);
/* Tells main how a CONFIG (or the start) went; `error` is an errno or 0. */
void process_report(const struct process *p, int error);

/* A role's whole life; the value is the exit status. */
int role_doorman(void);
int role_keeper(void);
int role_desk(void);
/* ROLE_RUNNER or ROLE_PRIVILEGED_RUNNER; only in a build with OpenSPA. */
int role_runner(enum role role);

#endif
