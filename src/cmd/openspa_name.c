#include "cmd/openspa_name.h"

#include <string.h>
#include <unistd.h>

#define NOT_A_KEY 3 /* beside a key that cannot be read */

void openspa_name_begin(struct cli *cli, int *argc, char ***argv)
{
	char *self = (*argv)[0];
	const char *slash = self != NULL ? strrchr(self, '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : self;

	cli->as_openspa_client = name != NULL && strcmp(name, "openspa-client") == 0;
	if (!cli->as_openspa_client)
		return;
	for (; *argc > 1; ++*argv, --*argc) {
		const char *word = (*argv)[1];

		if (strcmp(word, "-v") == 0)
			cli->verbose = true;
		else if (strcmp(word, "--verbose-split") != 0)
			break;
		(*argv)[1] = self;
	}
}

void openspa_name_step(struct cli *cli, enum openspa_step step)
{
	cli->openspa_step = (int)step;
}

void openspa_name_key_step(struct cli *cli, enum openspa_step step, const char *path)
{
	bool readable = path == NULL || access(path, R_OK) == 0;

	cli->openspa_step = (int)step + (readable ? NOT_A_KEY : 0);
}

int openspa_name_exit(const struct cli *cli, enum cli_exit status)
{
	if (!cli->as_openspa_client || status == CLI_DONE)
		return (int)status;
	if (cli->openspa_step == OPENSPA_STEP_NONE)
		return (int)CLI_FAILED;
	return status == CLI_USAGE ? (int)OPENSPA_STEP_PARAMETERS : cli->openspa_step;
}
