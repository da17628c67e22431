#include "main/openspa_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "conf/original.h"

static const struct flag {
	const char *name;
	const char *letter; /* NULL: none */
	const char *key;    /* of the configuration */
} flags[] = {
    {"--public-key", NULL, "public_key"},
    {"--private-key", NULL, "private_key"},
    {"--port", "-p", "port"},
    {"--bind", "-b", "bind"},
    {"--server-ip", NULL, "server_ip"},
    {"--echo-ipv4-server", NULL, "echo_ipv4_server"},
    {"--echo-ipv6-server", NULL, "echo_ipv6_server"},
};

/* Their one place each in argv is ours to fill. */
static char debug[] = "--log-level=debug", here[] = "-cconfig.yaml";

/* What stands in `word` behind the flag's name: a value, "" when it is the next word, NULL when it
 * is another flag. */
static const char *value_in(const char *word, const struct flag *flag)
{
	size_t length = strlen(flag->name);

	if (strncmp(word, flag->name, length) == 0 && (word[length] == '\0' || word[length] == '='))
		return word + length + (word[length] == '=');
	if (flag->letter == NULL || strncmp(word, flag->letter, 2) != 0)
		return NULL;
	return word + 2 + (word[2] == '=');
}

/* Takes a flag at argv[at]: how many words it has, 0 when it is none. */
static int take_flag(int argc, char *const argv[], int at)
{
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		const char *value = value_in(argv[at], &flags[i]);
		bool next = value != NULL && *value == '\0';

		if (value == NULL)
			continue;
		if (next && at + 1 == argc) {
			fprintf(stderr, "posternd: %s: its value is missing\n", argv[at]);
			exit(EXIT_USAGE);
		}
		original_flag(flags[i].key, next ? argv[at + 1] : value);
		return next ? 2 : 1;
	}
	return 0;
}

static bool is_word(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* The file may be named before the command, too. */
static bool is_start(int argc, char *const argv[])
{
	int first = 1;

	while (first < argc && *argv[first] == '-')
		first += is_word(argv[first], "-c", "--config") ? 2 : 1;
	return first < argc && strcmp(argv[first], "start") == 0;
}

int openspa_words(int argc, char *argv[])
{
	bool named = false, started = false;
	int kept = 1;

	if (!is_start(argc, argv))
		return argc;
	for (int at = 1, words; at < argc; at += words) {
		words = take_flag(argc, argv, at);
		if (words > 0)
			continue;
		words = 1;
		if (!started && strcmp(argv[at], "start") == 0)
			started = true;
		else if (is_word(argv[at], "-v", "--verbose"))
			argv[kept++] = debug;
		else if (strcmp(argv[at], "--verbose-split") != 0)
			argv[kept++] = argv[at];
		named |= strncmp(argv[at], "-c", 2) == 0 || strncmp(argv[at], "--config", 8) == 0;
	}
	if (!named)
		argv[kept++] = here;
	argv[kept] = NULL;
	return kept;
}
