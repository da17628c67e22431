#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/daemon.h"
#include "cmd/service.h"
#include "cmd/text.h"
#include "cmd/trial.h"

#define BUSY_TRIES 60 /* seconds, for another reload that is under way */

static bool end(struct cli *cli, struct trial_file *f, enum trial_state state)
{
	f->trial.state = state;
	f->trial.ended_ns = clock_real_ns();
	return trial_put(cli, f);
}

bool trial_make_last(struct cli *cli, const struct trial_file *f)
{
	const struct trial *t = &f->trial;

	if (t->kind == TRIAL_RELOAD || !trial_is_of_this_boot(t))
		return true;
	return service_enable(cli, t->service) ||
	       cli_refuse(cli, CLI_FAILED,
	           "confirmed, but it will not start with the machine; try: systemctl enable "
	           "postern-guard posternd");
}

bool trial_confirm(struct cli *cli, struct trial_file *f)
{
	if (!end(cli, f, TRIAL_CONFIRMED))
		return false;
	if (f->trial.kind == TRIAL_RELOAD)
		unlink(f->trial.previous);
	return trial_make_last(cli, f);
}

static bool fail(struct cli *cli, struct trial_file *f, const char *what, const char *why)
{
	snprintf(f->trial.failure, sizeof f->trial.failure, "%s%s%s", what,
	    *why == '\0' ? "" : ": ", why);
	cli_warn(cli, "%s", f->trial.failure);
	(void)end(cli, f, TRIAL_FAILED);
	return cli_stop(cli, CLI_FAILED);
}

/* One after the other, so that whoever is killed in between can begin anew: once the file has its
 * old name back, there is no other. */
static bool put_back(const struct cli *cli, const struct trial *t)
{
	char rejected[TRIAL_PATH_BYTES + sizeof ".rejected"];

	if (access(t->previous, F_OK) != 0)
		return errno == ENOENT;
	snprintf(rejected, sizeof rejected, "%s.rejected", t->config);
	unlink(rejected);
	if (link(t->config, rejected) == 0)
		cli_say(cli, "What was not confirmed is kept as %s.", rejected);
	return rename(t->previous, t->config) == 0;
}

/* What is asked meanwhile by somebody else is over some time. */
static enum ctl_result reload(const struct cli *cli, struct control_error *error)
{
	enum ctl_result result = CTL_REFUSED;

	for (int i = 0; i < BUSY_TRIES; i++) {
		result = daemon_reload(cli, NULL, NULL, error);
		if (result != CTL_REFUSED || error->fault != CONTROL_FAULT_FAILED)
			break;
		cli_sleep_until(clock_boot_ns() + NS_PER_SECOND);
	}
	return result;
}

static bool take_back_reload(struct cli *cli, struct trial_file *f)
{
	struct control_error error = {0};
	char why[4 * CONTROL_TEXT_BYTES] = "";
	struct cli at = *cli;
	enum ctl_result result;

	if (!put_back(cli, &f->trial))
		return fail(cli, f, "cannot put the previous configuration back", strerror(errno));
	at.control = f->trial.control;
	result = reload(&at, &error);
	if (result == CTL_DONE || result == CTL_NOT_RUNNING) /* it will read it when it starts */
		return end(cli, f, TRIAL_TAKEN_BACK);
	text_escaped(why, sizeof why, result == CTL_REFUSED ? error.text : "it does not answer");
	return fail(cli, f,
	    "the previous configuration is back in its file, but posternd has not taken it over",
	    why);
}

bool trial_take_back(struct cli *cli, struct trial_file *f)
{
	if (f->trial.kind == TRIAL_RELOAD)
		return take_back_reload(cli, f);
	if (!service_stop(cli, f->trial.service))
		return fail(
		    cli, f, "posternd could not be stopped, or its rules not be taken away", "");
	return end(cli, f, TRIAL_TAKEN_BACK);
}
