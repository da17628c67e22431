/* postern sessions --watch at a terminal. */
#ifndef CMD_SESSIONS_WATCH_H
#define CMD_SESSIONS_WATCH_H

#include "cmd/cli.h"

/* Shows the sessions anew each second, in as many rows and columns as there are, until the person
 * has had enough. A daemon that does not answer any more is said there; one that never has is the
 * end. */
enum cli_exit sessions_watch(const struct cli *cli);

#endif
