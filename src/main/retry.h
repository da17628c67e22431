/* The pause between starts that fail. A service manager starts the daemon again for ever: so one
 * that cannot start waits before it ends, from the second time in a row on, and longer each time.
 * The manager's own pauses would grow for a daemon that has run and crashed, too, which has to be
 * back in a second. Without a service manager there is no pause. */
#ifndef MAIN_RETRY_H
#define MAIN_RETRY_H

#include "main/main.h"

struct retry {
	char *counter;    /* a file beside the control socket: a byte for each failure in a row */
	int files, links; /* tell of changes since retry_open; -1: none are waited for */
};

/* Before the configuration is read, so that no change is missed. */
void retry_open(struct retry *r, const struct main_options *options);
/* The daemon is ready. */
void retry_succeeded(struct retry *r);
/* It could not start, with `interface` for want of a usable interface. Returns after the pause, or
 * as soon as the configuration, or a client's file beside it, or in that case an interface, is
 * changed; true when it was told to stop. After a stop or a changed file the pauses begin anew. */
bool retry_failed(struct retry *r, bool interface);

#endif
