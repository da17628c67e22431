#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/secret.h"
#include "cmd/trial.h"

#define MAKING_NS (60 * NS_PER_SECOND) /* at least, until the change must have been made */

/* Only then it stays open. */
static bool open_free(struct cli *cli, struct trial_file *f, const struct trial_options *o)
{
	char text[2 * TRIAL_WORDS_BYTES];

	if (!trial_open(cli, f, o->state_dir))
		return false;
	if (!trial_is_open(&f->trial))
		return true;
	trial_close(f);
	return cli_refuse(cli, CLI_FAILED, "%s: first postern confirm, or postern rollback",
	    trial_text(&f->trial, text));
}

bool trial_is_free(struct cli *cli, const struct trial_options *o)
{
	struct trial_file f;
	bool is = open_free(cli, &f, o);

	if (is)
		trial_close(&f);
	return is;
}

static bool note(struct cli *cli, const struct trial_options *o, struct trial *t)
{
	uint8_t random[TRIAL_TOKEN_BYTES / 2];
	struct trial_file f;
	bool ok;

	if (!open_free(cli, &f, o))
		return false;
	secret_random(random, sizeof random);
	sodium_bin2hex(t->token, sizeof t->token, random, sizeof random);
	login_find(t->login);
	t->state = TRIAL_CHANGING;
	t->began_ns = clock_boot_ns();
	t->until_ns = clock_boot_ns() + (o->within_ns > MAKING_NS ? o->within_ns : MAKING_NS);
	f.trial = *t;
	/* Only now: another one's, which was faster, must not be lost. */
	ok = (*t->staged == '\0' || rename(t->staged, t->previous) == 0) &&
	     clock_boot_id(f.trial.boot_id) && trial_put(cli, &f);
	trial_close(&f);
	return ok ||
	       (cli->status != CLI_DONE ? false
	                                : cli_refuse(cli, CLI_FAILED,
	                                      "cannot note what is tried: %s", strerror(errno)));
}

static void forget(struct cli *cli, const struct trial_options *o)
{
	struct trial_file f;
	enum cli_exit status = cli->status;

	if (trial_open(cli, &f, o->state_dir)) {
		if (*f.trial.previous != '\0')
			unlink(f.trial.previous);
		f.trial.state = TRIAL_NONE;
		(void)trial_put(cli, &f);
		trial_close(&f);
	}
	cli->status = status;
}

/* What takes it back may run elsewhere. What is not there yet nobody looks for. */
static bool put_path(char out[static TRIAL_PATH_BYTES], const char *path)
{
	char full[PATH_MAX];

	return snprintf(out, TRIAL_PATH_BYTES, "%s", realpath(path, full) == NULL ? path : full) <
	       TRIAL_PATH_BYTES;
}

/* A program that we start has it as it was: a handler does not outlive exec. */
static void go_on(int signal)
{
	(void)signal;
}

bool trial_begin(struct cli *cli, const struct trial_options *o, struct trial *t)
{
	if (!put_path(t->config, cli->config) || !put_path(t->control, cli->control))
		return cli_refuse(cli, CLI_FAILED, "a path is too long");
	cli->status = CLI_DONE;
	if (!note(cli, o, t))
		return false;
	signal(SIGHUP, go_on); /* a terminal that goes now cuts nothing in two */
	if (trial_watch_start(cli, t, o->state_dir))
		return true;
	forget(cli, o);
	return false;
}

enum cli_exit trial_made(struct cli *cli, const struct trial_options *o, const struct trial *t)
{
	struct trial_file f;
	char text[2 * TRIAL_WORDS_BYTES];
	bool late;

	if (!trial_open(cli, &f, o->state_dir))
		return cli->status;
	late = strcmp(f.trial.token, t->token) != 0 || f.trial.state != TRIAL_CHANGING;
	if (!late) {
		f.trial.state = TRIAL_WAITING;
		f.trial.until_ns = clock_boot_ns() + o->within_ns;
		(void)trial_put(cli, &f); /* else it ends sooner */
	}
	trial_text(&f.trial, text);
	trial_close(&f);
	signal(SIGHUP, SIG_DFL);
	if (late)
		return cli_fail(cli, CLI_FAILED,
		    "it took longer than --confirm-within; give it more time: %s", text);
	cli_say(cli,
	    "On trial: %s.\n"
	    "Log in anew, in another window, leaving this one as it is, and run there\n"
	    "  postern confirm",
	    text);
	return o->no_wait ? CLI_DONE : trial_await(cli, t->token, o->state_dir);
}

enum cli_exit trial_not_made(struct cli *cli, const struct trial_options *o)
{
	enum cli_exit status = cli->status;
	char text[2 * TRIAL_WORDS_BYTES];
	struct trial_file f;

	if (trial_open(cli, &f, o->state_dir)) {
		if (trial_is_open(&f.trial))
			(void)trial_take_back(cli, &f);
		trial_close(&f);
		cli_say(cli, "%s", trial_text(&f.trial, text));
	}
	return status;
}
