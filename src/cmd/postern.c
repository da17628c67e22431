/* postern: the command line tool for clients and administrators. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/secret.h"
#include "cmd/cmd.h"
#include "conf/conf.h"
#include "conf/values.h"
#include "ctl/control.h"

static const struct command {
	const char *name; /* a heading where run is NULL */
	cmd_fn *run;
	const char *sentence;
} commands[] = {
    {"On the server:", NULL, NULL},
    {"init", cmd_init, "write a new server configuration with fresh keys"},
    {"add", cmd_add, "register a client and print its profile"},
    {"list", cmd_list, "list the registered clients"},
    {"revoke", cmd_revoke, "shut a client or device out, now and from now on"},
    {"sessions", cmd_sessions, "show who has which ports open, and for how long"},
    {"reload", cmd_reload, "have the running daemon read its configuration again"},
    {"release", cmd_release, "take Postern's rules out of the firewall"},
    {"config", cmd_config, "check or show the server configuration"},
    {"On the client:", NULL, NULL},
    {"knock", cmd_knock, "ask a server to open its ports for this host"},
    {"connect", cmd_knock, "another name for knock"},
    {"status", cmd_status, "tell whether the ports are open"},
    {"profiles", cmd_profiles, "list the servers this user can knock at"},
#ifdef HAVE_OPENSPA
    {"With OpenSPA:", NULL, NULL},
    {"request", cmd_request, "ask an OpenSPA server to open ports for this host"},
    {"get-ip", cmd_get_ip, "tell which address this host is seen to come from"},
    {"openspa", cmd_openspa, "make keys for a server, files for its clients"},
#endif
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(FILE *to)
{
	fputs("Usage: postern [OPTION...] COMMAND [ARGUMENT...]\n"
	      "Opens ports that are shut to everybody else.\n",
	    to);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i].run == NULL)
			fprintf(to, "\n%s\n", commands[i].name);
		else
			fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].sentence);
	}
	fputs("\nOptions, before or after the command:\n"
	      "  --config FILE         server configuration (" CONF_DEFAULT_PATH ")\n"
	      "  --client-config FILE  client profiles (~/.config/postern/config.yaml,\n"
	      "                        else ~/.openme/config.yaml)\n"
	      "  --control PATH        control socket of posternd (" CONTROL_PATH ")\n"
	      "  --json                print data as JSON\n"
	      "  --quiet, --verbose    say less, say more\n"
	      "  --no-input            never ask anything\n"
	      "  -h, --help            of a command, with examples: postern COMMAND --help\n"
	      "  -V, --version         print the version\n"
	      "\nExamples:\n"
	      "  postern knock && ssh me@server.example.com\n"
	      "  postern init --server server.example.com\n"
	      "  postern add alice --ports 22/tcp,8080-8090/tcp\n",
	    to);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i].run != NULL && strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static enum cli_exit unknown_command(const struct cli *cli, const char *name)
{
	const char *names[COMMANDS], *nearest;
	size_t count = 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i].run != NULL)
			names[count++] = commands[i].name;
	}
	nearest = value_nearest(name, names, count);
	if (nearest != NULL)
		return cli_misuse(
		    cli, "unknown command \"%s\"; did you mean \"%s\"?", name, nearest);
	return cli_misuse(cli, "unknown command \"%s\"", name);
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	int option;

	while ((option = cli_next_global(cli, argc, argv)) != CLI_END) {
		if (option == CLI_STOP)
			return cli->status;
		print_usage(stdout); /* --help is all that is left */
		return CLI_DONE;
	}
	if (optind < argc && strcmp(argv[optind], "help") == 0) {
		print_usage(stdout);
		return CLI_DONE;
	}
	if (optind == argc) {
		print_usage(stderr);
		return CLI_USAGE;
	}
	command = find_command(argv[optind]);
	if (command == NULL)
		return unknown_command(cli, argv[optind]);
	cli->command = command->name;
	argc -= optind;
	argv += optind;
	optind = 0; /* glibc: start over, with another set of options */
	return command->run(cli, argc, argv);
}

int main(int argc, char **argv)
{
	struct cli cli = {.config = CONF_DEFAULT_PATH, .control = CONTROL_PATH};
	struct rlimit core;

	setlocale(LC_CTYPE, "");
	/* Private keys pass through here; the hard limit stays, for the children of post_knock. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &core);
	}
	if (!secret_init())
		return (int)cli_fail(&cli, CLI_FAILED, "this system gives no random numbers");
	return (int)cli_flush(&cli, run(&cli, argc, argv));
}
