#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/guard_run.h"
#include "cmd/option.h"
#include "cmd/question.h"
#include "cmd/service.h"

static const struct option_syntax syntax = {
    .usage = "release [OPTION...]",
    .help = "Takes Postern's rules out of the firewall: its ports are then as open as the host's\n"
            "own rules leave them. Stop the daemon first; until it or the guard is started again\n"
            "nothing is shut.\n"
            "\n"
            "Options:\n"
            "  --yes      do not ask\n"
            "  --dry-run  print what would be taken away, as text for nft, and change nothing\n"
            "\n"
            "Example:\n"
            "  systemctl stop posternd && postern release\n",
};

/* True when somebody answers at the control socket. */
static bool daemon_runs(const struct cli *cli)
{
	struct daemon_state state;
	struct control_error error = {0};
	enum ctl_result result = daemon_state_ask(cli, &state, &error);

	daemon_state_free(&state);
	return result == CTL_DONE || result == CTL_REFUSED;
}

static bool is_systemd(const char *service)
{
	return service != NULL && strcmp(service, SERVICE_SYSTEMD) == 0;
}

enum cli_exit cmd_release(struct cli *cli, int argc, char **argv)
{
	char answer[QUESTION_BYTES];
	bool yes = cli->no_input, dry_run = false;
	const struct option_row options[] = {
	    {"yes", .flag = &yes}, {"dry-run", .flag = &dry_run}, {0}};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	if (dry_run)
		return guard_become(cli, true);
	if (geteuid() != 0)
		return cli_fail(cli, CLI_PERMISSION, "only root may change the firewall");
	if (daemon_runs(cli))
		return cli_fail(cli, CLI_FAILED,
		    "posternd is running, and would put them back; stop it first: systemctl stop posternd");
	if (!yes && !question_to_person())
		return cli_misuse(cli, "this opens ports; say --yes to mean it");
	if (!yes && !question_ask(cli, answer, "Open the ports that Postern shuts? Type yes: "))
		return cli->status;
	if (!yes && strcmp(answer, "yes") != 0)
		return cli_fail(cli, CLI_FAILED, "nothing was changed");
	if (!is_systemd(service_find()) && !service_stop_guard(cli))
		return CLI_FAILED;
	return guard_become(cli, false);
}
