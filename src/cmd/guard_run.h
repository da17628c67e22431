/* postern-guard, which alone of what the tool runs can take the rules away. */
#ifndef CMD_GUARD_RUN_H
#define CMD_GUARD_RUN_H

#include <limits.h>

#include "cmd/cli.h"

/* Beside us, as in a build tree, or where it is installed. Returns `path`. */
const char *guard_path(char path[static PATH_MAX]);
/* Becomes `postern-guard --release`, only printing what that would do with `dry_run`. Returns when
 * it cannot. */
enum cli_exit guard_become(const struct cli *cli, bool dry_run);

#endif
