/* The command line of a subcommand: a table of its options, read into the places it names. Global
 * options are taken on the way. */
#ifndef CMD_OPTION_H
#define CMD_OPTION_H

#include <stdint.h>
#include <stdio.h>

#include "cmd/cli.h"

struct option_row;
/* Puts a value where `row` says; false with the complaint made and cli->status set. */
typedef bool option_fn(struct cli *cli, const struct option_row *row, char *text);

/* One option. A row without a name closes the table. */
struct option_row {
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	option_fn *take;  /* the option's value; NULL: it has none */
	void *place;      /* for `take` or `word` */
	bool *flag;       /* NULL, or becomes true */
	option_fn *word;  /* for a flag without `take`: what may stand behind a =; NULL: nothing */
	int *choice;      /* NULL, or becomes `number` */
	int number;
	int64_t least, most; /* for `take` */
	bool (*check)(
	    const char *text, const char **expected); /* for option_text; NULL: anything */
};

/* How a subcommand is written; help is printed from it. */
struct option_syntax {
	const char *usage; /* "knock [OPTION...] [PROFILE]" */
	const char *help;  /* options and examples */
	int operands;      /* most words besides options */
};

/* Reads all of the command's options (`own` may be NULL). True with cli->operand set; argv is
 * permuted. False when --help was answered or a mistake reported: return cli->status. */
bool option_read(struct cli *cli, const struct option_syntax *syntax, const struct option_row *own,
    int argc, char **argv);

/* Subcommands of one kind; the table may hold headings, without `run`. */
struct option_command {
	const char *name;
	enum cli_exit (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the name */
	const char *sentence;
	const char *words; /* what cli->command becomes */
};

struct option_commands {
	const struct option_command *table;
	size_t count;
	const char *unknown; /* "unknown command": what is said of another word */
	void (*print_usage)(FILE *to);
};

/* Reads what stands before the subcommand, and runs it. */
enum cli_exit option_run(
    struct cli *cli, const struct option_commands *commands, int argc, char **argv);

/* --- What an option_row can take */

/* Place: const char *. */
option_fn option_text;
/* Place: uint16_t; `least` or more. */
option_fn option_port;
/* Place: int64_t, in nanoseconds. */
option_fn option_duration;

/* What openme's switches may have behind a =, true or false; false for any other word. */
bool option_switch(bool *out, const char *text);
bool option_number(struct cli *cli, int64_t *out, const struct option_row *row, const char *text);
/* "--NAME "text": expected ...". Always false. */
bool option_refuse(
    struct cli *cli, const struct option_row *row, const char *text, const char *expected);

#endif
