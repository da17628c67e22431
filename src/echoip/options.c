#include "echoip/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_HTTP           80
#define PORT_HTTPS          443
#define CONNECTIONS_DEFAULT 512
#define CONNECTIONS_MOST    65536
#define PER_ADDRESS_DEFAULT 32

static bool number_parse(uint32_t *out, const char *text, uint32_t least, uint32_t most)
{
	unsigned long value;

	if (*text == '\0' || strlen(text) > 9 || strspn(text, "0123456789") != strlen(text))
		return false;
	value = strtoul(text, NULL, 10);
	if (value < least || value > most)
		return false;
	*out = (uint32_t)value;
	return true;
}

/* Each reads `text` into its place in the options. */

static bool take_text(void *place, const char *text)
{
	*(const char **)place = text;
	return *text != '\0';
}

static bool take_port(void *place, const char *text)
{
	uint32_t value;

	if (!number_parse(&value, text, 0, UINT16_MAX))
		return false;
	*(uint16_t *)place = (uint16_t)value;
	return true;
}

static bool take_flag(void *place, const char *text)
{
	(void)text;
	*(bool *)place = true;
	return true;
}

static bool take_connections(void *place, const char *text)
{
	return number_parse(place, text, 1, CONNECTIONS_MOST);
}

static bool take_log_level(void *place, const char *text)
{
	return log_level_parse(place, text);
}

static bool take_sandbox(void *place, const char *text)
{
	*(bool *)place = strcmp(text, "best") == 0;
	return *(bool *)place || strcmp(text, "strict") == 0;
}

static bool take_bind(void *place, const char *text)
{
	struct options *o = place;

	return o->bind_count < BINDS_MAX && addr_parse(&o->binds[o->bind_count++], text);
}

static bool take_trusted(void *place, const char *text)
{
	struct proxies *p = place;

	return p->count < PROXIES_MAX && cidr_parse(&p->networks[p->count++], text);
}

/* A row is an option: what it takes, how it is read, what the help says. */
static const struct row {
	const char *name;
	char letter; /* 0: none */
	const char *value;
	bool (*take)(void *place, const char *text);
	size_t place; /* in struct options */
	const char *expects;
	const char *help;
} rows[] = {
#define PLACE(member) offsetof(struct options, member)
    {"bind", 'b', "ADDR", take_bind, 0, "an IPv4 or IPv6 address, at most 8 in all",
        "listen on this address (repeatable; default all, IPv4 and IPv6)"},
    {"port", 'p', "PORT", take_port, PLACE(port), "0 to 65535",
        "port for HTTP (default 80; 0: any that is free)"},
    {"https-port", 0, "PORT", take_port, PLACE(https_port), "0 to 65535",
        "port for HTTPS (default 443)"},
    {"cert", 'c', "FILE", take_text, PLACE(cert), "a file", "certificate chain for HTTPS, PEM"},
    {"key", 'k', "FILE", take_text, PLACE(key), "a file", "its private key, PEM, not encrypted"},
    {"privKey", 0, "FILE", take_text, PLACE(key), "a file", "the same as --key"},
    {"no-http", 0, NULL, take_flag, PLACE(no_http), NULL, "HTTPS only"},
    {"trusted-proxy", 0, "CIDR", take_trusted, PLACE(trusted),
        "a network such as 10.0.0.0/8, at most 64 in all",
        "believe X-Forwarded-For from there (repeatable)"},
    {"user", 0, "NAME", take_text, PLACE(user), "a user name",
        "run as this user (default postern-echoip)"},
    {"max-connections", 0, "N", take_connections, PLACE(max_connections), "1 to 65536",
        "connections at once (default 512)"},
    {"per-address", 0, "N", take_connections, PLACE(per_address), "1 to 65536",
        "of these from one IPv4 address or IPv6 /64 (default 32)"},
    {"log-level", 0, "LEVEL", take_log_level, PLACE(log_level), "error, warn, info or debug",
        "error, warn, info (default) or debug"},
    {"sandbox", 0, "WORD", take_sandbox, PLACE(best), "strict or best",
        "strict (default), or best: go on without seccomp if missing"},
#undef PLACE
};

#define ROWS         (sizeof rows / sizeof *rows)
#define CODE_ROW     256 /* getopt's code for row i is CODE_ROW + i */
#define CODE_HELP    1
#define CODE_VERSION 2

static void print_help(void)
{
	puts("usage: postern-echoip [OPTION]...\n"
	     "Tell each caller the address it calls from, as JSON over HTTP and HTTPS.\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];

		snprintf(left, sizeof left, "--%s %s", rows[i].name,
		    rows[i].value != NULL ? rows[i].value : "");
		if (rows[i].letter != 0)
			printf("  -%c, %-22s %s\n", rows[i].letter, left, rows[i].help);
		else
			printf("      %-22s %s\n", left, rows[i].help);
	}
	puts("      --help                 this text\n"
	     "      --version              name and version\n\n"
	     "example: postern-echoip --cert fullchain.pem --key privkey.pem");
}

/* getopt's own view of the table. */
static void getopt_tables(struct option longs[static ROWS + 3], char shorts[static 2 * ROWS + 2])
{
	size_t used = 0;

	shorts[used++] = ':';
	for (size_t i = 0; i < ROWS; i++) {
		longs[i] = (struct option){.name = rows[i].name,
		    .has_arg = rows[i].value != NULL ? required_argument : no_argument,
		    .val = CODE_ROW + (int)i};
		if (rows[i].letter != 0) {
			shorts[used++] = rows[i].letter;
			shorts[used++] = ':';
		}
	}
	shorts[used] = '\0';
	longs[ROWS] = (struct option){.name = "help", .val = CODE_HELP};
	longs[ROWS + 1] = (struct option){.name = "version", .val = CODE_VERSION};
	longs[ROWS + 2] = (struct option){0};
}

static const struct row *row_of(int code)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (code == CODE_ROW + (int)i || (rows[i].letter != 0 && code == rows[i].letter))
			return &rows[i];
	}
	return NULL;
}

static enum options_result wrong(const char *sentence, const char *what)
{
	log_event(LOG_LEVEL_ERROR, sentence, "found", what, NULL);
	return OPTIONS_WRONG;
}

/* What only the whole can tell. */
static enum options_result check(const struct options *o, int argc, char **argv)
{
	if (optind < argc)
		return wrong("unexpected argument; see --help", argv[optind]);
	if ((o->cert == NULL) != (o->key == NULL))
		return wrong("HTTPS needs both --cert and --key",
		    o->cert != NULL ? "only --cert" : "only --key");
	if (o->no_http && o->cert == NULL)
		return wrong("nothing to serve: HTTPS needs --cert and --key", "--no-http");
	return OPTIONS_RUN;
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[ROWS + 3];
	char shorts[2 * ROWS + 2];
	int code;

	*o = (struct options){.port = PORT_HTTP,
	    .https_port = PORT_HTTPS,
	    .max_connections = CONNECTIONS_DEFAULT,
	    .per_address = PER_ADDRESS_DEFAULT,
	    .log_level = LOG_LEVEL_INFO};
	getopt_tables(longs, shorts);
	opterr = 0;
	while ((code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct row *row = row_of(code);

		if (code == CODE_HELP) {
			print_help();
			return OPTIONS_ANSWERED;
		}
		if (code == CODE_VERSION) {
			puts("postern-echoip " POSTERN_VERSION);
			return OPTIONS_ANSWERED;
		}
		if (row == NULL)
			return wrong(code == ':' ? "option needs a value; see --help"
			                         : "unknown option; see --help",
			    argv[optind - 1]);
		if (!row->take((char *)o + row->place, optarg)) {
			log_event(LOG_LEVEL_ERROR, "bad value of an option", "option", row->name,
			    "found", optarg, "expected", row->expects, NULL);
			return OPTIONS_WRONG;
		}
	}
	return check(o, argc, argv);
}
