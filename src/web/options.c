#include "web/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/control.h"

#define UNIX_PREFIX "unix:"

bool place_is_loopback(const struct addr *a)
{
	static const struct addr six = {{[15] = 1}};

	return addr_is_v4(a) ? a->bytes[12] == 127 : addr_equal(a, &six);
}

static bool port_parse(uint16_t *out, const char *text)
{
	size_t length = strlen(text);
	unsigned long value;

	if (length == 0 || length > 5 || strspn(text, "0123456789") != length)
		return false;
	value = strtoul(text, NULL, 10);
	*out = (uint16_t)value;
	return value <= UINT16_MAX;
}

bool place_parse(struct place *out, const char *text)
{
	char host[ADDR_TEXT_BYTES];
	const char *colon = strrchr(text, ':');
	bool brackets = *text == '[';
	size_t length;

	*out = (struct place){.port = 0};
	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		text += strlen(UNIX_PREFIX);
		snprintf(out->path, sizeof out->path, "%s", text);
		return *text == '/' && strlen(text) < sizeof out->path;
	}
	if (colon == NULL || (brackets && (colon < text + 2 || colon[-1] != ']')))
		return false;
	length = (size_t)(colon - text) - (brackets ? 2 : 0);
	if (length >= sizeof host)
		return false;
	memcpy(host, text + (brackets ? 1 : 0), length);
	host[length] = '\0';
	return brackets == (strchr(host, ':') != NULL) && port_parse(&out->port, colon + 1) &&
	       addr_parse(&out->address, host) && place_is_loopback(&out->address);
}

/* Each reads `text` into its place in the options. */

static bool take_text(void *place, const char *text)
{
	*(const char **)place = text;
	return *text != '\0';
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

static bool take_listen(void *place, const char *text)
{
	struct options *o = place;

	return o->place_count < PLACES_MAX && place_parse(&o->places[o->place_count++], text);
}

/* A row is an option: what it takes, how it is read, what the help says. */
static const struct row {
	const char *name;
	const char *value;
	bool (*take)(void *place, const char *text);
	size_t place; /* in struct options */
	const char *expects;
	const char *help;
} rows[] = {
#define PLACE(member) offsetof(struct options, member)
    {"listen", "PLACE", take_listen, 0,
        "127.0.0.1:PORT, [::1]:PORT or unix:/PATH, at most 4 in all: the page is for this host "
        "alone",
        "listen there (repeatable; 127.0.0.1:9765 and [::1]:9765)"},
    {"control", "PATH", take_text, PLACE(control), "a path",
        "posternd's control socket (" CONTROL_PATH ")"},
    {"user", "NAME", take_text, PLACE(user), "a user name",
        "run as this user when started as root (postern-web)"},
    {"log-level", "LEVEL", take_log_level, PLACE(log_level), "error, warn, info or debug",
        "error, warn, info (default) or debug"},
    {"sandbox", "WORD", take_sandbox, PLACE(best), "strict or best",
        "strict (default), or best: go on without a layer that is\n"
        "                         missing here"},
#undef PLACE
};

#define ROWS         (sizeof rows / sizeof *rows)
#define CODE_ROW     256 /* getopt's code for row i is CODE_ROW + i */
#define CODE_HELP    1
#define CODE_VERSION 2

static void print_help(void)
{
	puts("usage: postern-web [OPTION]...\n"
	     "Serve a status page of the running posternd, and its counters as Prometheus reads\n"
	     "them, to this host alone.\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];

		snprintf(left, sizeof left, "--%s %s", rows[i].name, rows[i].value);
		printf("  %-22s %s\n", left, rows[i].help);
	}
	puts("  --help                 this text\n"
	     "  --version              name and version\n\n"
	     "The page is at /, the counters are at /metrics.\n"
	     "example: postern-web --listen unix:/run/postern-web/socket");
}

static enum options_result wrong(const char *sentence, const char *what)
{
	log_event(LOG_LEVEL_ERROR, sentence, "found", what, NULL);
	return OPTIONS_WRONG;
}

static enum options_result take(struct options *o, int code, const char *word, const char *value)
{
	const struct row *row = &rows[code - CODE_ROW];

	if (code < CODE_ROW)
		return wrong(
		    code == ':' ? "option needs a value; see --help" : "unknown option; see --help",
		    word);
	if (row->take((char *)o + row->place, value))
		return OPTIONS_RUN;
	log_event(LOG_LEVEL_ERROR, "bad value of an option", "option", row->name, "found", value,
	    "expected", row->expects, NULL);
	return OPTIONS_WRONG;
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[ROWS + 3] = {{0}};
	enum options_result result = OPTIONS_RUN;
	int code;

	*o = (struct options){.control = CONTROL_PATH, .log_level = LOG_LEVEL_INFO};
	for (size_t i = 0; i < ROWS; i++)
		longs[i] = (struct option){
		    .name = rows[i].name, .has_arg = required_argument, .val = CODE_ROW + (int)i};
	longs[ROWS] = (struct option){.name = "help", .val = CODE_HELP};
	longs[ROWS + 1] = (struct option){.name = "version", .val = CODE_VERSION};
	opterr = 0;
	while (result == OPTIONS_RUN && (code = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		if (code == CODE_HELP || code == CODE_VERSION) {
			if (code == CODE_HELP)
				print_help();
			else
				puts("postern-web " POSTERN_VERSION);
			return OPTIONS_ANSWERED;
		}
		result = take(o, code, argv[optind - 1], optarg);
	}
	if (result == OPTIONS_RUN && optind < argc)
		return wrong("unexpected argument; see --help", argv[optind]);
	return result;
}
