#include "cmd/reload_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/daemon.h"
#include "files/write_file.h"
#include "snapshot/kept_config.h"

/* Beside the file, under a hidden name, so that to put it back takes no room on the disk. */
static bool name_previous(struct cli *cli, struct trial *t, const char *config)
{
	const char *name = strrchr(config, '/') + 1;

	if (snprintf(t->previous, sizeof t->previous, "%.*s.%s.previous", (int)(name - config),
	        config, name) < (int)sizeof t->previous &&
	    snprintf(t->staged, sizeof t->staged, "%s.%d", t->previous, (int)getpid()) <
	        (int)sizeof t->staged)
		return true;
	return cli_refuse(cli, CLI_FAILED, "%s: the path is too long", config);
}

/* With the rights of the file that it is to stand in for. */
static bool write_previous(int from, const char *config, const char *previous)
{
	struct new_file file = {0};
	struct stat st;
	bool ok = stat(config, &st) == 0 && new_file_open(&file, previous) &&
	          kept_config_copy(file.fd, from) && fchown(file.fd, st.st_uid, st.st_gid) == 0 &&
	          fchmod(file.fd, st.st_mode & 0777) == 0 && new_file_commit(&file, true);
	int error = errno;

	if (!ok)
		new_file_close(&file);
	errno = error;
	return ok;
}

static bool keep_previous(struct cli *cli, struct trial *t, const char *state_dir)
{
	const char *why = NULL;
	int kept = kept_config_open(state_dir, &why);
	bool ok;

	if (kept < 0)
		return cli_refuse(cli, CLI_FAILED,
		    "nothing was changed: no copy of the configuration in force is in %s (%s); a "
		    "restart of posternd with that one would make one",
		    state_dir, why);
	ok = write_previous(kept, cli->config, t->staged) ||
	     cli_stop(cli, cli_fail_errno(cli, "nothing was changed: cannot keep %s", t->staged));
	fd_close(kept);
	return ok;
}

/* The old configuration is in force still: there is nothing to take back. */
static enum cli_exit refused(
    struct cli *cli, const struct trial_options *how, const struct trial *t)
{
	struct trial_file f;
	enum cli_exit status = cli->status;

	if (trial_open(cli, &f, how->state_dir)) {
		if (strcmp(f.trial.token, t->token) == 0 && f.trial.state == TRIAL_CHANGING) {
			f.trial.state = TRIAL_NONE;
			(void)trial_put(cli, &f);
			unlink(t->previous);
		}
		trial_close(&f);
	}
	return status;
}

static enum cli_exit try(struct cli *cli, const struct trial_options *how, const char *config)
{
	struct trial trial = {.kind = TRIAL_RELOAD};
	struct control_error error = {0};
	enum ctl_result result;

	cli->config = config;
	if (!name_previous(cli, &trial, config) || !trial_is_free(cli, how) ||
	    !keep_previous(cli, &trial, how->state_dir))
		return cli->status;
	if (!trial_begin(cli, how, &trial)) {
		unlink(trial.staged);
		return cli->status;
	}
	result = daemon_reload(cli, NULL, NULL, &error);
	cli->status = daemon_report(cli, result, &error);
	if (result == CTL_DONE && kept_config_is(how->state_dir, config))
		return trial_made(cli, how, &trial);
	if (result == CTL_DONE)
		cli->status = cli_fail(cli, CLI_FAILED,
		    "reloaded, and nothing is on trial: what posternd has accepted is not what "
		    "stands in %s now; does it read another file, or is its state directory another "
		    "than %s?",
		    config, how->state_dir);
	return result == CTL_DONE || result == CTL_REFUSED || result == CTL_NOT_RUNNING ||
	               result == CTL_NO_PERMISSION
	           ? refused(cli, how, &trial)
	           : trial_not_made(cli, how); /* who knows what it has done */
}

enum cli_exit reload_on_trial(struct cli *cli, const struct trial_options *how)
{
	char *config;

	if (geteuid() != 0)
		return cli_fail(cli, CLI_PERMISSION, "only root may change the firewall");
	config = realpath(cli->config, NULL); /* a link stays one */
	if (config == NULL)
		return cli_fail_errno(cli, "%s", cli->config);
	cli->status = try(cli, how, config);
	free(config);
	return cli->status;
}
