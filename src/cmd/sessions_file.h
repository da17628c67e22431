/* The sessions file of openme's server, for programs that read it. */
#ifndef CMD_SESSIONS_FILE_H
#define CMD_SESSIONS_FILE_H

#include "cmd/cli.h"

/* Keeps `path` up to date with what the running daemon says, at most once a second, until a signal
 * to stop comes; then nobody has anything open in it. What goes wrong is logged once, and tried
 * again. Returns only then. */
enum cli_exit sessions_file_keep(const struct cli *cli, const char *path);

#endif
