/* Loading the configuration of the server for a command, with its errors reported. */
#ifndef CMD_SERVER_CONF_H
#define CMD_SERVER_CONF_H

#include "cmd/cli.h"
#include "conf/conf.h"

/* NULL with cli->status set. */
struct conf *server_conf_load(struct cli *cli);
/* Reports and returns the status: CLI_PERMISSION or CLI_CONFIG. */
enum cli_exit server_conf_report(const struct cli *cli, const struct conf_error *error);

#endif
