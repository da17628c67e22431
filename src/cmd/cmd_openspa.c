#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "conf/values.h"

static const struct task {
	const char *name;
	cmd_fn *run;
	const char *words; /* what cli->command becomes */
	const char *sentence;
} tasks[] = {
    {"gen-server-key", cmd_gen_server_key, "openspa gen-server-key", "make the keys of a server"},
    {"gen-client", cmd_gen_client, "openspa gen-client", "make an OSPA file for a new client"},
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

static enum cli_exit unknown_task(const struct cli *cli, const char *name)
{
	const char *names[TASKS], *nearest;

	for (size_t i = 0; i < TASKS; i++)
		names[i] = tasks[i].name;
	nearest = value_nearest(name, names, TASKS);
	if (nearest != NULL)
		return cli_misuse(cli, "cannot do \"%s\"; did you mean \"%s\"?", name, nearest);
	return cli_misuse(cli, "cannot do \"%s\"", name);
}

enum cli_exit cmd_openspa(struct cli *cli, int argc, char **argv)
{
	int option;

	while ((option = cli_next_global(cli, argc, argv)) != CLI_END) {
		if (option == CLI_STOP)
			return cli->status;
		print_usage(stdout); /* --help is all that is left */
		return CLI_DONE;
	}
	if (optind == argc) {
		print_usage(stderr);
		return CLI_USAGE;
	}
	for (size_t i = 0; i < TASKS; i++) {
		if (strcmp(argv[optind], tasks[i].name) != 0)
			continue;
		cli->command = tasks[i].words;
		argc -= optind;
		argv += optind;
		optind = 0; /* glibc: start over, with another set of options */
		return tasks[i].run(cli, argc, argv);
	}
	return unknown_task(cli, argv[optind]);
}
