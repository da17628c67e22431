/* `postern` under the name of the original OpenSPA client: a link `openspa-client` to it has that
 * one's flags before the command, and its exit codes, for the scripts that people have. */
#ifndef CMD_OPENSPA_NAME_H
#define CMD_OPENSPA_NAME_H

#include "cmd/cli.h"

/* What the original's client ends with when it fails here. */
enum openspa_step {
	OPENSPA_STEP_NONE, /* no request yet: it ends with 1 */
	OPENSPA_STEP_OSPA = 2,
	/* A key that cannot be read; one that is none is 3 more. */
	OPENSPA_STEP_SERVER_KEY = 3,
	OPENSPA_STEP_PUBLIC_KEY = 4,
	OPENSPA_STEP_PRIVATE_KEY = 5,
	OPENSPA_STEP_PARAMETERS = 9,
	OPENSPA_STEP_OWN_ADDRESS = 10,
	OPENSPA_STEP_EXCHANGE = 11,
	OPENSPA_STEP_SERVER_NAME = 12, /* the original takes addresses alone */
};

/* Takes what stands before the command, when we are called by that name. */
void openspa_name_begin(struct cli *cli, int *argc, char ***argv);
/* Where a request is now. */
void openspa_name_step(struct cli *cli, enum openspa_step step);
/* The same for a key, from the file `path`, or NULL. */
void openspa_name_key_step(struct cli *cli, enum openspa_step step, const char *path);
/* The status to end with, for one of ours. */
int openspa_name_exit(const struct cli *cli, enum cli_exit status);

#endif
