#include "cmd/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/progress.h"
#include "conf/client_index.h"

static void start_line(FILE *to, const struct cli *cli)
{
	fputs("postern", to);
	if (cli->command != NULL)
		fprintf(to, " %s", cli->command);
	fputs(": ", to);
}

#define SPEAK(cli, format)                           \
	do {                                         \
		va_list arguments;                   \
		start_line(stderr, cli);             \
		va_start(arguments, format);         \
		vfprintf(stderr, format, arguments); \
		va_end(arguments);                   \
	} while (0)

enum cli_exit cli_misuse(const struct cli *cli, const char *format, ...)
{
	SPEAK(cli, format);
	fprintf(stderr, "\nTry 'postern %s%s--help'.\n", cli->command != NULL ? cli->command : "",
	    cli->command != NULL ? " " : "");
	return CLI_USAGE;
}

enum cli_exit cli_fail(const struct cli *cli, enum cli_exit status, const char *format, ...)
{
	SPEAK(cli, format);
	fputc('\n', stderr);
	return status;
}

enum cli_exit cli_fail_errno(const struct cli *cli, const char *format, ...)
{
	int error = errno;

	SPEAK(cli, format);
	fprintf(stderr, ": %s\n", strerror(error));
	return error == EACCES || error == EPERM ? CLI_PERMISSION : CLI_FAILED;
}

enum cli_exit cli_fail_conf(
    const struct cli *cli, enum cli_exit status, const struct conf_error *error)
{
	return cli_fail(cli, error->permission ? CLI_PERMISSION : status, "%s", error->text);
}

enum cli_exit cli_report_conf(const struct cli *cli, const struct conf_error *error)
{
	return cli_fail(cli, error->permission ? CLI_PERMISSION : CLI_CONFIG, "%s%s", error->text,
	    error->permission && geteuid() != 0 ? "; try as root" : "");
}

struct conf *cli_load_conf(struct cli *cli)
{
	struct conf_error error = {0};
	struct conf *conf;

	progress_begin(cli, "reading the configuration", NULL, 0);
	conf = conf_load_indexed(cli->config, CONF_INDEX_DEFAULT, NULL, &error);
	progress_end();
	if (conf == NULL)
		cli->status = cli_report_conf(cli, &error);
	return conf;
}

bool cli_stop(struct cli *cli, enum cli_exit status)
{
	cli->status = status;
	return false;
}

bool cli_refuse(struct cli *cli, enum cli_exit status, const char *format, ...)
{
	SPEAK(cli, format);
	fputc('\n', stderr);
	return cli_stop(cli, status);
}

void cli_warn(const struct cli *cli, const char *format, ...)
{
	SPEAK(cli, format);
	fputc('\n', stderr);
}

void cli_say(const struct cli *cli, const char *format, ...)
{
	va_list arguments;

	if (cli->quiet)
		return;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

void cli_detail(const struct cli *cli, const char *format, ...)
{
	if (!cli->verbose)
		return;
	SPEAK(cli, format);
	fputc('\n', stderr);
}

const char *cli_colour(enum cli_colour colour)
{
	static const char *const sequences[] = {
	    [CLI_PLAIN] = "\033[0m",
	    [CLI_BOLD] = "\033[1m",
	    [CLI_GREEN] = "\033[32m",
	    [CLI_RED] = "\033[31m",
	    [CLI_YELLOW] = "\033[33m",
	    [CLI_DIM] = "\033[2m",
	};
	const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if ((refused != NULL && *refused != '\0') || !isatty(STDOUT_FILENO) ||
	    (terminal != NULL && strcmp(terminal, "dumb") == 0))
		return "";
	return sequences[colour];
}

enum cli_exit cli_flush(const struct cli *cli, enum cli_exit status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return cli_fail(cli, CLI_FAILED, "cannot write to standard output");
}

static void on_interrupt(int signal)
{
	(void)signal;
	_exit(CLI_DONE); /* a resolver may be hanging */
}

void cli_end_when_interrupted(void)
{
	struct sigaction action = {.sa_handler = on_interrupt};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void cli_sleep_until(int64_t boot_ns)
{
	struct timespec until = clock_timespec(boot_ns);

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}
