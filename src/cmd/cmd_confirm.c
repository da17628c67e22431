/* The two ends of what is on trial. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/option.h"
#include "cmd/trial.h"
#include "conf/client_index.h"

static const struct option_syntax confirm_syntax = {
    .usage = "confirm [OPTION...]",
    .help =
        "Makes what 'postern activate' or 'postern reload --confirm' has put on trial last. It is\n"
        "refused from a login that was there before, as that says nothing about whether a new\n"
        "one gets in.\n"
        "\n"
        "  --same-login     take it from such a login all the same\n"
        "  --state-dir DIR  the daemon's state directory (/var/lib/postern)\n"
        "\n"
        "Example:\n"
        "  postern confirm\n",
};

static const struct option_syntax rollback_syntax = {
    .usage = "rollback [OPTION...]",
    .help = "Takes back what 'postern activate' or 'postern reload --confirm' has put on trial,\n"
            "without waiting for its time to end. What was confirmed stays.\n"
            "\n"
            "  --when-due TOKEN  wait for that, as the trial itself does\n"
            "  --state-dir DIR   the daemon's state directory (/var/lib/postern)\n"
            "\n"
            "Example:\n"
            "  postern rollback\n",
};

/* Or one that was there before: what is open stays open, so that says as little. */
static bool is_same_login(const struct trial *t)
{
	char login[LOGIN_BYTES];

	login_find(login);
	return (*login != '\0' && strcmp(login, t->login) == 0) || login_since_ns() <= t->began_ns;
}

static enum cli_exit confirm(struct cli *cli, struct trial_file *f, bool same_login)
{
	char text[2 * TRIAL_WORDS_BYTES];

	if (f->trial.state == TRIAL_CONFIRMED) {
		if (!trial_make_last(cli, f))
			return cli->status;
		cli_say(cli, "%s", trial_text(&f->trial, text));
		return CLI_DONE;
	}
	if (!trial_is_open(&f->trial))
		return cli_fail(cli, CLI_FAILED, "%s", trial_text(&f->trial, text));
	if (f->trial.state == TRIAL_CHANGING)
		return cli_fail(cli, CLI_FAILED, "the change is still being made; try again");
	if (!same_login && is_same_login(&f->trial))
		return cli_fail(cli, CLI_FAILED,
		    "this login was there before the change; log in anew, leaving this one as it "
		    "is, and confirm there");
	if (!trial_confirm(cli, f))
		return cli->status;
	cli_say(cli, "%s", trial_text(&f->trial, text));
	return CLI_DONE;
}

enum cli_exit cmd_confirm(struct cli *cli, int argc, char **argv)
{
	const char *state_dir = CONF_INDEX_FOLDER;
	bool same_login = false;
	const struct option_row options[] = {
	    {"same-login", .flag = &same_login},
	    {"state-dir", .take = option_text, .place = &state_dir},
	    {0},
	};
	struct trial_file f;

	if (!option_read(cli, &confirm_syntax, options, argc, argv))
		return cli->status;
	if (geteuid() != 0)
		return cli_fail(cli, CLI_PERMISSION, "only root may change the firewall");
	if (!trial_find(cli, &f, state_dir))
		return cli->status;
	cli->status = confirm(cli, &f, same_login);
	trial_close(&f);
	return cli->status;
}

/* What failed before may work now; and a configuration that nobody has confirmed before the machine
 * was started anew is in force still. */
static bool can_take_back(const struct trial *t)
{
	return trial_is_open(t) || t->state == TRIAL_FAILED ||
	       (t->kind == TRIAL_RELOAD &&
	           (t->state == TRIAL_CHANGING || t->state == TRIAL_WAITING));
}

static enum cli_exit rollback(struct cli *cli, struct trial_file *f)
{
	char text[2 * TRIAL_WORDS_BYTES];

	if (!can_take_back(&f->trial))
		return cli_fail(cli, CLI_FAILED, "%s", trial_text(&f->trial, text));
	if (!trial_take_back(cli, f))
		return cli->status;
	cli_say(cli, "%s", trial_text(&f->trial, text));
	return CLI_DONE;
}

enum cli_exit cmd_rollback(struct cli *cli, int argc, char **argv)
{
	const char *state_dir = CONF_INDEX_FOLDER, *token = NULL;
	const struct option_row options[] = {
	    {"when-due", .take = option_text, .place = &token},
	    {"state-dir", .take = option_text, .place = &state_dir},
	    {0},
	};
	struct trial_file f;

	if (!option_read(cli, &rollback_syntax, options, argc, argv))
		return cli->status;
	if (geteuid() != 0)
		return cli_fail(cli, CLI_PERMISSION, "only root may change the firewall");
	if (token != NULL)
		return trial_watch(cli, token, state_dir);
	if (!trial_find(cli, &f, state_dir))
		return cli->status;
	cli->status = rollback(cli, &f);
	trial_close(&f);
	return cli->status;
}
