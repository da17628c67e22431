/* postern: the command line tool for clients and administrators. */
#include <locale.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/environment.h"
#include "base/secret.h"
#include "cmd/cmd.h"
#include "cmd/openspa_name.h"
#include "cmd/option.h"
#include "conf/conf.h"
#include "ctl/control.h"

/* The tool that knocks and does nothing else, for machines without a server (-Dserver=disabled). */
#ifdef CLIENT_ALONE
#define UNKNOWN        "this tool was built for clients alone: unknown command"
#define CONFIG_OPTION  ""
#define CONTROL_OPTION ""
#define MORE_EXAMPLES  "  postern status --knock\n"
#else
#define UNKNOWN        "unknown command"
#define CONFIG_OPTION  "  --config FILE         server configuration (" CONF_DEFAULT_PATH ")\n"
#define CONTROL_OPTION "  --control PATH        control socket of posternd (" CONTROL_PATH ")\n"
#define MORE_EXAMPLES                                  \
	"  postern init --server server.example.com\n" \
	"  postern add alice --ports 22/tcp,8080-8090/tcp\n"
#endif

static const struct option_command commands[] = {
#ifndef CLIENT_ALONE
    {"On the server:", NULL, NULL, NULL},
    {"init", cmd_init, "write a new server configuration with fresh keys", "init"},
    {"add", cmd_add, "register a client and print its profile", "add"},
    {"list", cmd_list, "list the registered clients", "list"},
    {"revoke", cmd_revoke, "shut a client or device out, now and from now on", "revoke"},
    {"sessions", cmd_sessions, "show who has which ports open, and for how long", "sessions"},
    {"history", cmd_history, "show who was let in or refused, and what was changed", "history"},
    {"stats", cmd_stats, "tell what was counted: is somebody attacking?", "stats"},
    {"reload", cmd_reload, "have the running daemon read its configuration again", "reload"},
    {"activate", cmd_activate, "start the daemon for the first time, on trial", "activate"},
    {"confirm", cmd_confirm, "make last what is on trial", "confirm"},
    {"rollback", cmd_rollback, "take back what is on trial", "rollback"},
    {"release", cmd_release, "take Postern's rules out of the firewall", "release"},
    {"config", cmd_config, "check or show the server configuration", "config"},
    {"explain", cmd_explain, "tell which rule would stop, or pass, a connection", "explain"},
    {"index", cmd_index, "prepare the daemon for very many clients", "index"},
    {"doctor", cmd_doctor, "say what is wrong on this server, and how to mend it", "doctor"},
#endif
    {"On the client:", NULL, NULL, NULL},
    {"knock", cmd_knock, "ask a server to open its ports for this host", "knock"},
    {"connect", cmd_knock, "another name for knock", "connect"},
    {"status", cmd_status, "tell whether the ports are open", "status"},
    {"profiles", cmd_profiles, "list the servers this user can knock at", "profiles"},
#ifdef HAVE_OPENSPA
    {"With OpenSPA:", NULL, NULL, NULL},
    {"request", cmd_request, "ask an OpenSPA server to open ports for this host", "request"},
    {"get-ip", cmd_get_ip, "tell which address this host is seen to come from", "get-ip"},
    {"openspa", cmd_openspa, "make keys for a server, files for its clients", "openspa"},
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
	fputs("\nOptions, before or after the command:\n" CONFIG_OPTION
	      "  --client-config FILE  client profiles (~/.config/postern/config.yaml,\n"
	      "                        else ~/.openme/config.yaml); -: standard input,\n"
	      "                        fd:N: an open descriptor\n" CONTROL_OPTION
	      "  --json                print data as JSON\n"
	      "  --quiet, --verbose    say less, say more\n"
	      "  --no-input            never ask anything\n"
	      "  -h, --help            of a command, with examples: postern COMMAND --help\n"
	      "  -V, --version         print the version\n"
	      "\nExamples:\n"
	      "  postern knock && ssh me@server.example.com\n" MORE_EXAMPLES,
	    to);
}

int main(int argc, char **argv)
{
	struct cli cli = {.config = CONF_DEFAULT_PATH, .control = CONTROL_PATH};
	static const struct option_commands all = {commands, COMMANDS, UNKNOWN, print_usage};
	struct rlimit core;

	environment_clean();
	openspa_name_begin(&cli, &argc, &argv);
	setlocale(LC_CTYPE, "");
	/* Private keys pass through here; the hard limit stays, for the children of post_knock. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &core);
	}
	if (!secret_init())
		return (int)cli_fail(&cli, CLI_FAILED, "this system gives no random numbers");
	return openspa_name_exit(&cli, cli_flush(&cli, option_run(&cli, &all, argc, argv)));
}
