#include "cmd/option.h"

#include <getopt.h>
#include <string.h>

#include "base/foreign.h"
#include "conf/values.h"

#define OPTIONS_MOST 48
/* What getopt_long returns for the first row; letters lie below. */
#define FIRST_ROW 1000

/* The rows of one command line, and the same as getopt_long wants it. */
struct rows {
	const struct option_row *row[OPTIONS_MOST];
	struct option all[OPTIONS_MOST + 1];
	char shorts[2 * OPTIONS_MOST + 4];
	size_t count;
};

/* All fit, or the program is wrong. */
static void add_rows(struct rows *rows, const struct option_row *row)
{
	char *end = rows->shorts + strlen(rows->shorts);

	for (; row != NULL && row->name != NULL && rows->count < OPTIONS_MOST; row++) {
		rows->all[rows->count] = (struct option){.name = row->name,
		    .has_arg = row->take != NULL   ? required_argument
		               : row->flag != NULL ? optional_argument
		                                   : no_argument,
		    .val = FIRST_ROW + (int)rows->count};
		rows->row[rows->count++] = row;
		if (row->letter != '\0')
			end = stpcpy(stpncpy(end, &row->letter, 1), row->take != NULL ? ":" : "");
	}
}

/* The row that getopt_long found. */
static const struct option_row *row_of(const struct rows *rows, int found)
{
	if (found >= FIRST_ROW)
		return rows->row[found - FIRST_ROW];
	for (size_t i = 0; i < rows->count; i++) {
		if (rows->row[i]->letter == found)
			return rows->row[i];
	}
	return NULL;
}

/* What getopt_long refused: the word itself is the one before optind, or a letter inside it. */
static bool bad_option(struct cli *cli, int found, char **argv)
{
	const char *word = argv[optind - 1], *remedy = foreign_remedy(FOREIGN_TOOL, word);

	if (remedy != NULL)
		return cli_stop(cli, cli_misuse(cli, "unknown option %s; %s", word, remedy));
	if (optopt != 0 && optopt < 256 && found != ':' && strncmp(word, "--", 2) != 0)
		return cli_stop(cli, cli_misuse(cli, "unknown option -%c", optopt));
	if (found == ':')
		return cli_stop(cli, cli_misuse(cli, "%s needs a value", word));
	if (optopt >= FIRST_ROW || (optopt != 0 && strchr(word, '=') != NULL))
		return cli_stop(
		    cli, cli_misuse(cli, "%.*s takes no value", (int)strcspn(word, "="), word));
	return cli_stop(cli, cli_misuse(cli, "unknown option %s", word));
}

/* A flag may be switched off, as openme's. */
static bool take_flag(struct cli *cli, const struct option_row *row)
{
	*row->flag = true;
	if (row->take != NULL || optarg == NULL || option_switch(row->flag, optarg))
		return true;
	return row->word != NULL ? row->word(cli, row, optarg)
	                         : option_refuse(cli, row, optarg, "true or false, or nothing");
}

static bool take(struct cli *cli, const struct option_row *row)
{
	if (row->flag != NULL && !take_flag(cli, row))
		return false;
	if (row->choice != NULL)
		*row->choice = row->number;
	return row->take == NULL || row->take(cli, row, optarg);
}

/* openme's, where only the server heeds it. */
static bool take_log_level(struct cli *cli, const struct option_row *row, char *text)
{
	(void)row;
	cli->verbose = cli->verbose || strcmp(text, "debug") == 0;
	return true;
}

/* True with *help set, or at the end of the options. `first`: "+" to stop at the first operand. */
static bool read_all(struct cli *cli, const char *first, const struct option_row *own, int argc,
    char **argv, bool *help)
{
	bool version = false;
	/* They have no letters, but for -h and -V, so that commands are free in theirs. */
	const struct option_row globals[] = {
	    {"config", .take = option_text, .place = &cli->config},
	    {"client-config", .take = option_text, .place = &cli->client_config},
	    {"control", .take = option_text, .place = &cli->control},
	    {"json", .flag = &cli->json},
	    {"quiet", .flag = &cli->quiet},
	    {"verbose", .flag = &cli->verbose},
	    {"no-input", .flag = &cli->no_input},
	    {"log-level", .take = take_log_level},
	    {"help", 'h', .flag = help},
	    {"version", 'V', .flag = &version},
	    {0},
	};
	/* A command may have another -v. */
	const struct option_row before_command[] = {{"version", 'v', .flag = &version}, {0}};
	struct rows rows = {.count = 0};
	int found;

	stpcpy(stpcpy(rows.shorts, first), ":");
	add_rows(&rows, *first == '+' ? before_command : own);
	add_rows(&rows, globals);
	opterr = 0;
	while (!*help && (found = getopt_long(argc, argv, rows.shorts, rows.all, NULL)) != -1) {
		const struct option_row *row = row_of(&rows, found);

		if (row == NULL)
			return bad_option(cli, found, argv);
		if (!take(cli, row))
			return false;
		if (version) {
			puts("postern " POSTERN_VERSION);
			return cli_stop(cli, CLI_DONE);
		}
	}
	return true;
}

bool option_read(struct cli *cli, const struct option_syntax *syntax, const struct option_row *own,
    int argc, char **argv)
{
	bool help = false;

	if (!read_all(cli, "", own, argc, argv, &help))
		return false;
	if (help) {
		printf("Usage: postern %s\n\n%s", syntax->usage, syntax->help);
		fputs("\nGlobal options: --config FILE, --client-config FILE, --control PATH, "
		      "--json, --quiet,\n--verbose, --no-input, --help, --version; see "
		      "postern(1).\n",
		    stdout);
		return cli_stop(cli, CLI_DONE);
	}
	cli->operand = argv[optind];
	return argc - optind <= syntax->operands ||
	       cli_stop(
	           cli, cli_misuse(cli, "unexpected word \"%s\"", argv[optind + syntax->operands]));
}

static enum cli_exit unknown(
    const struct cli *cli, const struct option_commands *commands, const char *name)
{
	struct value_guess guess = {.text = name};
	const char *remedy = foreign_remedy(FOREIGN_TOOL, name);

	if (remedy != NULL)
		return cli_misuse(cli, "%s \"%s\"; %s", commands->unknown, name, remedy);
	for (size_t i = 0; i < commands->count; i++) {
		if (commands->table[i].run != NULL)
			value_consider(&guess, commands->table[i].name);
	}
	if (guess.best != NULL)
		return cli_misuse(
		    cli, "%s \"%s\"; did you mean \"%s\"?", commands->unknown, name, guess.best);
	return cli_misuse(cli, "%s \"%s\"", commands->unknown, name);
}

enum cli_exit option_run(
    struct cli *cli, const struct option_commands *commands, int argc, char **argv)
{
	bool help = false;
	const char *name;

	if (!read_all(cli, "+", NULL, argc, argv, &help))
		return cli->status;
	name = argv[optind];
	help = help || (name != NULL && strcmp(name, "help") == 0);
	if (help || name == NULL) {
		commands->print_usage(help ? stdout : stderr);
		return help ? CLI_DONE : CLI_USAGE;
	}
	for (size_t i = 0; i < commands->count; i++) {
		const struct option_command *one = &commands->table[i];

		if (one->run == NULL || strcmp(one->name, name) != 0)
			continue;
		cli->command = one->words;
		argc -= optind;
		argv += optind;
		optind = 0; /* glibc: start over, with another set of options */
		return one->run(cli, argc, argv);
	}
	return unknown(cli, commands, name);
}

bool option_refuse(
    struct cli *cli, const struct option_row *row, const char *text, const char *expected)
{
	char quoted[200];

	return cli_stop(cli, cli_misuse(cli, "--%s %s: expected %s", row->name,
	                         value_quoted(quoted, sizeof quoted, text, 64), expected));
}

bool option_switch(bool *out, const char *text)
{
	static const char *const words[] = {
	    "false", "0", "f", "F", "FALSE", "False", "true", "1", "t", "T", "TRUE", "True"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(text, words[i]) == 0) {
			*out = i >= 6;
			return true;
		}
	}
	return false;
}

bool option_text(struct cli *cli, const struct option_row *row, char *text)
{
	const char *expected = NULL;

	*(const char **)row->place = text;
	return row->check == NULL || row->check(text, &expected) ||
	       option_refuse(cli, row, text, expected);
}

bool option_number(struct cli *cli, int64_t *out, const struct option_row *row, const char *text)
{
	char expected[64];
	const char *unused;

	if (value_integer(out, text, &unused) && *out >= row->least && *out <= row->most)
		return true;
	snprintf(
	    expected, sizeof expected, "a number from %d to %d", (int)row->least, (int)row->most);
	return option_refuse(cli, row, text, expected);
}

bool option_port(struct cli *cli, const struct option_row *row, char *text)
{
	struct option_row limits = *row;
	int64_t port = 0;

	limits.most = UINT16_MAX;
	if (!option_number(cli, &port, &limits, text))
		return false;
	*(uint16_t *)row->place = (uint16_t)port;
	return true;
}

bool option_duration(struct cli *cli, const struct option_row *row, char *text)
{
	const char *expected = NULL;
	int64_t *out_ns = row->place;

	return (value_duration(out_ns, text, &expected) && *out_ns >= row->least &&
	           *out_ns <= row->most) ||
	       option_refuse(cli, row, text, expected);
}
