#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/option.h"

static const struct option_command tasks[] = {
    {"gen-server-key", cmd_gen_server_key, "make the keys of a server", "openspa gen-server-key"},
    {"gen-client", cmd_gen_client, "make an OSPA file for a new client", "openspa gen-client"},
};
#define TASKS (sizeof tasks / sizeof *tasks)

static void print_usage(FILE *to)
{
	fputs("Usage: postern openspa TASK [OPTION...] [ARGUMENT...]\n\n", to);
	for (size_t i = 0; i < TASKS; i++)
		fprintf(to, "  %-16s %s\n", tasks[i].name, tasks[i].sentence);
	fputs("\nExamples:\n"
	      "  postern openspa gen-server-key /etc/postern\n"
	      "  postern openspa gen-client /etc/postern/server.pub --server-ip 192.0.2.1\n"
	      "  postern openspa gen-client --help\n",
	    to);
}

enum cli_exit cmd_openspa(struct cli *cli, int argc, char **argv)
{
	static const struct option_commands all = {tasks, TASKS, "cannot do", print_usage};

	return option_run(cli, &all, argc, argv);
}
