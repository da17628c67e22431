/* In place of server_status.c, in a tool that was built for clients alone. */
#include "cmd/server_status.h"

bool server_status_fits(const struct cli *cli)
{
	(void)cli;
	return false;
}

enum cli_exit server_status(struct cli *cli)
{
	return cli_misuse(cli, "--server: this tool was built for clients alone");
}
