/* What every subcommand of `postern` shares: the global options, how options are read, how it
 * talks. Data goes to stdout, everything else to stderr. */
#ifndef CMD_CLI_H
#define CMD_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_CLOSED = 3,
	CLI_NO_ANSWER = 4,
	CLI_PERMISSION = 77,
	CLI_CONFIG = 78,
};

struct cli {
	const char *command;       /* the word the user typed; NULL before there is one */
	const char *config;        /* the server's configuration */
	const char *client_config; /* NULL: where profiles usually are */
	const char *control;       /* the daemon's socket */
	bool json;
	bool quiet;
	bool verbose;
	bool no_input;        /* ask nobody anything */
	enum cli_exit status; /* set when cli_next returned CLI_STOP */
};

/* How one subcommand is written; help is printed from it. */
struct cli_syntax {
	const char *usage;            /* "knock [OPTION...] [PROFILE]" */
	const char *help;             /* options and examples */
	const char *shorts;           /* as for getopt; "" for none */
	const struct option *options; /* closed by a zeroed one; values below CLI_STOP */
	int operands;                 /* most words besides options */
};

#define CLI_END  (-1)
#define CLI_STOP 1000

/* The next of the command's own options, its argument in optarg; CLI_END, with optind at the first
 * operand; or CLI_STOP, when --help was answered or a mistake reported: return cli->status. Global
 * options are taken on the way. argv is permuted. */
int cli_next(struct cli *cli, const struct cli_syntax *syntax, int argc, char **argv);
/* Reads what stands before the command. */
int cli_next_global(struct cli *cli, int argc, char **argv);

/* "postern knock: ..." with the message, and where help is; returns CLI_USAGE. */
enum cli_exit cli_misuse(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Reports and returns `status`. */
enum cli_exit cli_fail(const struct cli *cli, enum cli_exit status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As cli_fail, with the text of errno; the status is CLI_PERMISSION where errno says so. */
enum cli_exit cli_fail_errno(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For the person: not with --quiet. */
void cli_say(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What may surprise: always shown. */
void cli_warn(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Only with --verbose. */
void cli_detail(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum cli_colour { CLI_PLAIN, CLI_BOLD, CLI_GREEN, CLI_RED, CLI_YELLOW, CLI_DIM };
/* The escape sequence, or "" when stdout is no terminal or NO_COLOR is set. CLI_PLAIN ends one. */
const char *cli_colour(enum cli_colour colour);
/* Flushes stdout; CLI_FAILED, reported, when something did not get out. */
enum cli_exit cli_flush(const struct cli *cli, enum cli_exit status);

#endif
