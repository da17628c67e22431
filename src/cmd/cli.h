/* What every subcommand of `postern` shares: the global options, and how it talks. Data goes to
 * stdout, everything else to stderr. */
#ifndef CMD_CLI_H
#define CMD_CLI_H

#include <stdbool.h>
#include <stdint.h>

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_CLOSED = 3,
	CLI_NO_ANSWER = 4,
	CLI_PERMISSION = 77,
	CLI_CONFIG = 78,
};

struct conf;
struct conf_error;

struct cli {
	const char *command;       /* the word the user typed; NULL before there is one */
	const char *operand;       /* the command's own, NULL: none */
	const char *config;        /* the server's configuration */
	const char *client_config; /* NULL: where profiles usually are */
	const char *control;       /* the daemon's socket */
	bool json;
	bool quiet;
	bool verbose;
	bool no_input;          /* ask nobody anything */
	enum cli_exit status;   /* for functions that return bool or NULL */
	bool as_openspa_client; /* the name that we are called by: cmd/openspa_name.h */
	int openspa_step;
};

/* "postern knock: ..." with the message, and where help is; returns CLI_USAGE. */
enum cli_exit cli_misuse(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Reports and returns `status`. */
enum cli_exit cli_fail(const struct cli *cli, enum cli_exit status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As cli_fail, with the text of errno; the status is CLI_PERMISSION where errno says so. */
enum cli_exit cli_fail_errno(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What came of reading or writing a file: CLI_PERMISSION where the error says so, else `status`. */
enum cli_exit cli_fail_conf(
    const struct cli *cli, enum cli_exit status, const struct conf_error *error);
/* The same for the server's configuration: CLI_PERMISSION or CLI_CONFIG. */
enum cli_exit cli_report_conf(const struct cli *cli, const struct conf_error *error);
/* The server's configuration; NULL, reported, with cli->status set. */
struct conf *cli_load_conf(struct cli *cli);
/* For functions that return bool: keeps `status` and returns false. */
bool cli_stop(struct cli *cli, enum cli_exit status);
/* cli_fail for these. */
bool cli_refuse(struct cli *cli, enum cli_exit status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
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

/* Ctrl-C and SIGTERM end the program with CLI_DONE from now on: for a command that goes on until
 * then, and leaves nothing behind. */
void cli_end_when_interrupted(void);
void cli_sleep_until(int64_t boot_ns);

#endif
