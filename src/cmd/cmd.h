/* The subcommands; each returns an enum cli_exit. argv[0] is the command's own name. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "cmd/cli.h"

typedef enum cli_exit cmd_fn(struct cli *cli, int argc, char **argv);

cmd_fn cmd_init;
cmd_fn cmd_add;
cmd_fn cmd_list;
cmd_fn cmd_revoke;
cmd_fn cmd_sessions;
cmd_fn cmd_stats;
cmd_fn cmd_reload;
cmd_fn cmd_release;
cmd_fn cmd_config;
cmd_fn cmd_convert; /* `config convert` */
cmd_fn cmd_index;
cmd_fn cmd_knock;
cmd_fn cmd_status;
cmd_fn cmd_profiles;

/* Only in a build with OpenSPA. */
cmd_fn cmd_request;
cmd_fn cmd_get_ip;
cmd_fn cmd_openspa;
cmd_fn cmd_gen_server_key;
cmd_fn cmd_gen_client;

#endif
