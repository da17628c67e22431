/* `postern status` on a server: its health at a glance. */
#ifndef CMD_SERVER_STATUS_H
#define CMD_SERVER_STATUS_H

#include "cmd/cli.h"

/* Whether that is meant where nobody says so: a server's configuration and the daemon's socket are
 * there, and no profiles of a client. */
bool server_status_fits(const struct cli *cli);
/* Asks the daemon and prints what comes of it. CLI_DONE when it is healthy, CLI_CLOSED when not. */
enum cli_exit server_status(struct cli *cli);

#endif
