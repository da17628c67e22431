/* The tool's end of the control socket: one question, all its answers, within a deadline. */
#ifndef CTL_CTL_CLIENT_H
#define CTL_CTL_CLIENT_H

#include "ctl/control.h"

enum ctl_result {
	CTL_DONE,        /* the daemon answered with DONE */
	CTL_REFUSED,     /* ... with ERROR, now in *error */
	CTL_NOT_RUNNING, /* nobody listens there */
	CTL_NO_PERMISSION,
	CTL_SILENT,  /* no complete answer before the deadline */
	CTL_GARBLED, /* the answer breaks the protocol, or ended too soon */
	CTL_FAILED,  /* errno says why */
};

/* Called for every SESSION, LAST_SEEN and STAT, in the order they come. */
typedef void ctl_reply_fn(void *context, const struct control_record *record);

/* Asks the daemon that listens at `path`; `reply` may be NULL. *error is written only with
 * CTL_REFUSED. */
enum ctl_result ctl_ask(const char *path, enum control_type request, int64_t timeout_ns,
    ctl_reply_fn *reply, void *context, struct control_error *error);

#endif
