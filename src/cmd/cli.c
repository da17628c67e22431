#include "cmd/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MOST 48

/* Global options have no letters, but for -h and -V, so that commands are free in theirs. */
enum {
	OPTION_CONFIG = 2000,
	OPTION_CLIENT_CONFIG,
	OPTION_CONTROL,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_VERBOSE,
	OPTION_NO_INPUT,
};

static const struct option globals[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"client-config", required_argument, NULL, OPTION_CLIENT_CONFIG},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"json", no_argument, NULL, OPTION_JSON},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {"no-input", no_argument, NULL, OPTION_NO_INPUT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
};
#define GLOBALS (sizeof globals / sizeof *globals)

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

static void take_global(struct cli *cli, int option)
{
	switch (option) {
	case OPTION_CONFIG:
		cli->config = optarg;
		break;
	case OPTION_CLIENT_CONFIG:
		cli->client_config = optarg;
		break;
	case OPTION_CONTROL:
		cli->control = optarg;
		break;
	case OPTION_JSON:
		cli->json = true;
		break;
	case OPTION_QUIET:
		cli->quiet = true;
		break;
	case OPTION_VERBOSE:
		cli->verbose = true;
		break;
	case OPTION_NO_INPUT:
		cli->no_input = true;
		break;
	}
}

/* What getopt_long refused: the word itself is the one before optind, or a letter inside it. */
static void bad_option(struct cli *cli, int option, char **argv)
{
	const char *word = argv[optind - 1];

	cli->status = CLI_USAGE;
	if (optopt != 0 && optopt < 256 && option != ':' && strncmp(word, "--", 2) != 0)
		cli_misuse(cli, "unknown option -%c", optopt);
	else if (option == ':')
		cli_misuse(cli, "%s needs a value", word);
	else if (optopt >= CLI_STOP || (optopt != 0 && strchr(word, '=') != NULL))
		cli_misuse(cli, "%.*s takes no value", (int)strcspn(word, "="), word);
	else
		cli_misuse(cli, "unknown option %s", word);
}

static void print_help(const struct cli_syntax *syntax)
{
	printf("Usage: postern %s\n\n%s", syntax->usage, syntax->help);
	fputs("\nGlobal options: --config FILE, --client-config FILE, --control PATH, --json, "
	      "--quiet,\n--verbose, --no-input, --help, --version; see postern(1).\n",
	    stdout);
}

/* The first table, then the second, closed; both fit or the program is wrong. */
static void join_options(struct option all[static OPTIONS_MOST], const struct option *own)
{
	size_t count = 0;

	while (own[count].name != NULL && count + GLOBALS + 1 < OPTIONS_MOST) {
		all[count] = own[count];
		count++;
	}
	memcpy(all + count, globals, sizeof globals);
	all[count + GLOBALS] = (struct option){0};
}

static int next_option(
    struct cli *cli, int argc, char **argv, const char *shorts, const struct option *all)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, shorts, all, NULL)) >= OPTION_CONFIG)
		take_global(cli, option);
	if (option == 'V') {
		puts("postern " POSTERN_VERSION);
		cli->status = CLI_DONE;
		return CLI_STOP;
	}
	if (option == '?' || option == ':') {
		bad_option(cli, option, argv);
		return CLI_STOP;
	}
	return option;
}

int cli_next_global(struct cli *cli, int argc, char **argv)
{
	static const struct option none;
	struct option all[OPTIONS_MOST];

	join_options(all, &none);
	return next_option(cli, argc, argv, "+:hV", all);
}

int cli_next(struct cli *cli, const struct cli_syntax *syntax, int argc, char **argv)
{
	struct option all[OPTIONS_MOST];
	char shorts[32];
	int option;

	join_options(all, syntax->options);
	snprintf(shorts, sizeof shorts, ":hV%s", syntax->shorts);
	option = next_option(cli, argc, argv, shorts, all);
	if (option == 'h') {
		print_help(syntax);
		cli->status = CLI_DONE;
		return CLI_STOP;
	}
	if (option == CLI_END && argc - optind > syntax->operands) {
		cli->status =
		    cli_misuse(cli, "unexpected word \"%s\"", argv[optind + syntax->operands]);
		return CLI_STOP;
	}
	return option;
}
