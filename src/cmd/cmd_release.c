#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/daemon.h"
#include "cmd/option.h"
#include "cmd/question.h"

static const struct option_syntax syntax = {
    .usage = "release [OPTION...]",
    .help = "Takes Postern's rules out of the firewall: its ports are then as open as the host's\n"
            "own rules leave them. Stop the daemon first; until it or the guard is started again\n"
            "nothing is shut.\n"
            "\n"
            "Options:\n"
            "  --yes  do not ask\n"
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

/* Beside us, as in a build tree, or where it is installed. */
static void become_guard(void)
{
	char path[PATH_MAX], name[] = "postern-guard", release[] = "--release";
	char *const argv[] = {name, release, NULL};
	ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof name);
	char *slash;

	if (size > 0) {
		path[size] = '\0';
		slash = strrchr(path, '/');
		memcpy(slash + 1, name, sizeof name);
		execv(path, argv);
	}
	execv(POSTERN_LIBEXEC "/postern-guard", argv);
}

enum cli_exit cmd_release(struct cli *cli, int argc, char **argv)
{
	char answer[QUESTION_BYTES];
	bool yes = cli->no_input;
	const struct option_row options[] = {{"yes", .flag = &yes}, {0}};

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
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
	become_guard();
	return cli_fail_errno(cli, "cannot run postern-guard");
}
