#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/run.h"
#include "cmd/service.h"
#include "cmd/trial.h"

#define LOOK_NS (200 * NS_PER_MS)
#define LATE_NS (10 * NS_PER_SECOND) /* for the watcher, before its work is done by others */

/* Under a service manager as a unit of its own, which is started anew when it is killed. */
bool trial_watch_start(struct cli *cli, const struct trial *t, const char *state_dir)
{
	const char *found = service_find();
	char unit[64], self[PATH_MAX], folder[PATH_MAX];
	const char *const run[] = {"systemd-run", "--quiet", "--collect", unit,
	    "--description=Postern, taking back what nobody confirms", "--service-type=exec",
	    "--property=Restart=on-failure", "--property=RestartSec=1"};
	const char *const watch[] = {
	    self, "--config", t->config, "rollback", "--when-due", t->token, "--state-dir", folder};
	const char *argv[sizeof run / sizeof *run + sizeof watch / sizeof *watch + 1] = {NULL};
	bool systemd = found != NULL && strcmp(found, SERVICE_SYSTEMD) == 0;
	size_t before = systemd ? sizeof run / sizeof *run : 0;
	ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

	if (size <= 0)
		return cli_stop(cli, cli_fail_errno(cli, "cannot tell what we are run from"));
	if (realpath(state_dir, folder) == NULL) /* it may run elsewhere */
		return cli_stop(cli, cli_fail_errno(cli, "%s", state_dir));
	self[size] = '\0';
	snprintf(unit, sizeof unit, "--unit=postern-rollback-%s", t->token);
	memcpy(argv, run, before * sizeof *argv);
	memcpy(argv + before, watch, sizeof watch);
	if (systemd ? run_program(argv, NULL) == 0 : run_apart(argv))
		return true;
	return cli_refuse(cli, CLI_FAILED,
	    "nothing was changed: cannot start what would take it back (%s)", argv[0]);
}

/* False when it has ended, or cannot be looked at. */
static bool look(struct cli *cli, const char *token, const char *state_dir, struct trial_file *f)
{
	if (!trial_open(cli, f, state_dir))
		return false;
	if (strcmp(f->trial.token, token) == 0 && trial_is_open(&f->trial))
		return true;
	trial_close(f);
	return cli_stop(cli, CLI_DONE);
}

/* True when it was still open at its end, and is locked. */
static bool await_end(struct cli *cli, const char *token, const char *state_dir, int64_t late_ns,
    struct trial_file *f)
{
	while (look(cli, token, state_dir, f)) {
		int64_t now_ns = clock_boot_ns();

		if (now_ns >= f->trial.until_ns + late_ns)
			return true;
		trial_close(f);
		cli_sleep_until(now_ns + LOOK_NS);
	}
	return false;
}

enum cli_exit trial_watch(struct cli *cli, const char *token, const char *state_dir)
{
	struct trial_file f;
	char text[2 * TRIAL_WORDS_BYTES];

	if (!await_end(cli, token, state_dir, 0, &f))
		return cli->status;
	cli->status = CLI_DONE; /* what could not be taken back stands in the file */
	(void)trial_take_back(cli, &f);
	cli_say(cli, "%s", trial_text(&f.trial, text));
	trial_close(&f);
	return CLI_DONE;
}

enum cli_exit trial_await(struct cli *cli, const char *token, const char *state_dir)
{
	struct trial_file f;
	char text[2 * TRIAL_WORDS_BYTES];
	bool confirmed;

	if (await_end(cli, token, state_dir, LATE_NS, &f)) {
		cli_warn(cli, "what was to take it back is gone; taking it back");
		(void)trial_take_back(cli, &f);
	} else if (cli->status != CLI_DONE || !trial_open(cli, &f, state_dir)) {
		return cli->status;
	}
	confirmed = f.trial.state == TRIAL_CONFIRMED;
	trial_text(&f.trial, text);
	trial_close(&f);
	if (!confirmed)
		return cli_fail(cli, CLI_FAILED, "%s", text);
	cli_say(cli, "%s", text);
	return CLI_DONE;
}
