#include "cmd/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "conf/values.h"

#define HELPER_CANNOT_START 127

bool passphrase_take_fd(struct cli *cli, const struct option_row *row, char *text)
{
	const char *expected = NULL;
	int64_t fd = 0;

	if (!value_integer(&fd, text, &expected) || fd < 0 || fd > INT32_MAX)
		return option_refuse(cli, row, text, "the number of a descriptor");
	*(int *)row->place = (int)fd;
	return true;
}

/* One line, without its end. Byte by byte, for what follows it may be somebody else's. False with
 * errno; EMSGSIZE when it does not fit. */
static bool read_line(int fd, char text[static PASSPHRASE_BYTES])
{
	size_t used = 0;

	for (;;) {
		char c = '\0';
		ssize_t got = read(fd, &c, 1);

		if (got < 0)
			return false;
		if (got == 0 || c == '\n')
			break;
		if (used == PASSPHRASE_BYTES - 1 || c == '\0') {
			errno = EMSGSIZE;
			return false;
		}
		text[used++] = c;
	}
	text[used] = '\0';
	return true;
}

static bool from_descriptor(struct cli *cli, struct passphrase *p)
{
	return read_line(p->fd, p->text) ||
	       cli_stop(cli,
	           cli_fail_errno(cli, "cannot read the passphrase from descriptor %d", p->fd));
}

/* --- A helper */

static void become_helper(const char *helper, const char *question, int out)
{
	char *program = strdup(helper), *words = NULL;
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (program == NULL || asprintf(&words, "%s:", question) < 0 || nothing < 0 ||
	    dup2(nothing, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(HELPER_CANNOT_START);
	execvp(program, (char *[]){program, words, NULL});
	_exit(HELPER_CANNOT_START);
}

static bool helper_succeeded(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool from_helper(
    struct cli *cli, struct passphrase *p, const char *helper, const char *question)
{
	int ends[2] = {-1, -1};
	pid_t child = -1;
	bool ok;

	if (pipe2(ends, O_CLOEXEC) == 0)
		child = fork();
	if (child == 0)
		become_helper(helper, question, ends[1]);
	fd_close(ends[1]);
	ok = child > 0 && read_line(ends[0], p->text);
	fd_close(ends[0]);
	ok = child > 0 && helper_succeeded(child) && ok;
	if (!ok)
		cli->status = cli_fail(cli, CLI_FAILED, "%s gave no passphrase", helper);
	return ok;
}

/* --- The terminal */

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define WATCHED (sizeof watched / sizeof *watched)

/* Reads with the echo off; it is on again whatever happens, also when the user gives up. */
static bool read_unseen(int terminal, char text[static PASSPHRASE_BYTES])
{
	struct sigaction action = {.sa_handler = on_signal}, before[WATCHED];
	struct termios shown, hidden;
	bool ok;
	int saved;

	if (tcgetattr(terminal, &shown) != 0)
		return false;
	caught = 0;
	for (size_t i = 0; i < WATCHED; i++)
		sigaction(watched[i], &action, &before[i]);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	tcsetattr(terminal, TCSAFLUSH, &hidden);
	ok = read_line(terminal, text);
	saved = errno;
	tcsetattr(terminal, TCSAFLUSH, &shown);
	for (size_t i = 0; i < WATCHED; i++)
		sigaction(watched[i], &before[i], NULL);
	if (caught != 0)
		raise(caught);
	errno = saved;
	return ok;
}

static bool from_terminal(struct cli *cli, struct passphrase *p, int terminal, const char *question)
{
	bool ok;
	int saved;

	dprintf(terminal, "%s: ", question);
	ok = read_unseen(terminal, p->text);
	saved = errno;
	dprintf(terminal, "\n");
	errno = saved;
	if (!ok)
		cli->status = cli_fail_errno(cli, "cannot read the passphrase");
	return ok;
}

/* --- Which of them */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || *value == '\0' ? NULL : value;
}

static bool ask_terminal(struct cli *cli, struct passphrase *p, const char *question)
{
	const char *own = variable("POSTERN_ASKPASS"), *ssh = variable("SSH_ASKPASS");
	const char *when = variable("SSH_ASKPASS_REQUIRE");
	bool ok,
	    first = when != NULL && (strcmp(when, "force") == 0 || strcmp(when, "prefer") == 0);
	int terminal;

	if (when != NULL && strcmp(when, "never") == 0)
		ssh = NULL;
	if (own != NULL || (ssh != NULL && first))
		return from_helper(cli, p, own != NULL ? own : ssh, question);
	terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal >= 0) {
		ok = from_terminal(cli, p, terminal, question);
		close(terminal);
		return ok;
	}
	if (ssh != NULL)
		return from_helper(cli, p, ssh, question);
	return cli_refuse(cli, CLI_FAILED,
	    "a passphrase is needed, and there is no terminal to ask for it: use --passphrase-fd or "
	    "POSTERN_ASKPASS");
}

bool passphrase_get(struct cli *cli, struct passphrase *p, const char *question)
{
	bool ok;

	if (p->text == NULL)
		p->text = secret_alloc(PASSPHRASE_BYTES);
	if (p->text == NULL)
		return cli_refuse(cli, CLI_FAILED, "not enough memory for a passphrase");
	if (p->fd >= 0) {
		ok = from_descriptor(cli, p);
	} else if (cli->no_input) {
		cli->status = cli_fail(cli, CLI_FAILED,
		    "a passphrase is needed: --no-input forbids to ask; use --passphrase-fd");
		return false;
	} else {
		ok = ask_terminal(cli, p, question);
	}
	if (ok && *p->text == '\0')
		ok = cli_refuse(cli, CLI_FAILED, "the passphrase is empty");
	return ok;
}

bool passphrase_choose(struct cli *cli, struct passphrase *p, const char *question)
{
	struct passphrase again = {.fd = -1};
	bool ok = passphrase_get(cli, p, question);

	if (!ok || p->fd >= 0)
		return ok;
	ok = passphrase_get(cli, &again, "The same again");
	if (ok && strcmp(p->text, again.text) != 0)
		ok = cli_refuse(cli, CLI_FAILED, "the two passphrases are not the same");
	passphrase_free(&again);
	return ok;
}

void passphrase_free(struct passphrase *p)
{
	secret_free(p->text);
	p->text = NULL;
}
