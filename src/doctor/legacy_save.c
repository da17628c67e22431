#include "doctor/legacy_save.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MOST      UINT16_MAX
#define OTHER_PROTOCOL 255 /* one that has no ports that anybody guards */

/* A rule while it is read. */
struct reading {
	struct legacy_rule rule;
	const char *match; /* the extension that was named last */
	char *list;        /* of ports; NULL: none */
	bool inverted;     /* so is what comes next */
};

/* The next word of the line, without its quotes; NULL: there is none. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " "), *to, *from;
	bool quoted = *word == '"';

	if (*word == '\0')
		return NULL;
	word += quoted;
	for (to = from = word; *from != '\0' && *from != (quoted ? '"' : ' '); from++) {
		if (quoted && *from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from;
	}
	*at = *from == '\0' ? from : from + 1;
	*to = '\0';
	return word;
}

static char *argument(char **at)
{
	static char nothing[1];
	char *word = next_word(at);

	return word == NULL ? nothing : word;
}

static uint8_t protocol_of(const char *name)
{
	if (strcmp(name, "tcp") == 0)
		return IPPROTO_TCP;
	return strcmp(name, "udp") == 0 ? IPPROTO_UDP : OTHER_PROTOCOL;
}

/* "22" or "1000:2000". */
static void take_range(struct ports *p, const char *text)
{
	char *end;
	unsigned long first = strtoul(text, &end, 10);
	unsigned long last = *end == ':' ? strtoul(end + 1, NULL, 10) : first;

	p->first = first > PORT_MOST ? PORT_MOST : (uint16_t)first;
	p->last = last > PORT_MOST ? PORT_MOST : (uint16_t)last;
}

/* "0x1/0xff", or all of its bits. */
static void take_mark(struct legacy_rule *rule, const char *text)
{
	char *end;

	rule->mark = (uint32_t)strtoul(text, &end, 0);
	rule->mark_mask = *end == '/' ? (uint32_t)strtoul(end + 1, NULL, 0) : UINT32_MAX;
}

/* Packets that begin a connection are looked at here. */
static bool is_of_new(const char *states)
{
	return strstr(states, "NEW") != NULL;
}

/* False: a match that is not known here. */
static bool take_known(struct reading *r, const char *name, char **at)
{
	struct legacy_rule *rule = &r->rule;

	if (strcmp(name, "-p") == 0)
		rule->ports.protocol = protocol_of(argument(at));
	else if (strcmp(name, "--dport") == 0 || strcmp(name, "--dports") == 0)
		r->list = argument(at);
	else if (strcmp(name, "--mark") == 0 && strcmp(r->match, "mark") == 0)
		take_mark(rule, argument(at));
	else if (strcmp(name, "--ctstate") == 0 || strcmp(name, "--state") == 0)
		rule->narrow = !is_of_new(argument(at)) || rule->narrow;
	else
		return false;
	return true;
}

static void take_match(struct reading *r, const char *name, char **at)
{
	if (r->inverted || !take_known(r, name, at))
		r->rule.narrow = true;
	r->inverted = false;
}

/* What follows its target is that one's own. */
static void take_words(struct reading *r, char *at)
{
	for (char *word = next_word(&at); word != NULL; word = next_word(&at)) {
		if (strcmp(word, "-j") == 0 || strcmp(word, "-g") == 0) {
			r->rule.target = argument(&at);
			return;
		}
		if (strcmp(word, "-m") == 0)
			r->match = argument(&at);
		else if (strcmp(word, "--comment") == 0)
			(void)argument(&at);
		else if (strcmp(word, "!") == 0)
			r->inverted = true;
		else if (*word == '-')
			take_match(r, word, &at);
	}
}

static void tell(
    struct reading *r, void (*each)(void *context, const struct legacy_rule *rule), void *context)
{
	char *rest = NULL;

	if (r->list == NULL) {
		each(context, &r->rule);
		return;
	}
	for (const char *range = strtok_r(r->list, ",", &rest); range != NULL;
	     range = strtok_r(NULL, ",", &rest)) {
		take_range(&r->rule.ports, range);
		each(context, &r->rule);
	}
}

/* ":INPUT DROP [0:0]" or "-A INPUT ... -j DROP". */
static void read_line(struct reading *r, char *line)
{
	char *at = line;

	r->rule.policy = *line == ':';
	if (r->rule.policy) {
		at = line + 1;
		r->rule.chain = argument(&at);
		r->rule.target = argument(&at);
	} else {
		(void)argument(&at);
		r->rule.chain = argument(&at);
		take_words(r, at);
	}
}

void legacy_save_read(
    char *saved, void (*each)(void *context, const struct legacy_rule *rule), void *context)
{
	const char *table = "";
	char *rest = NULL;

	for (char *line = strtok_r(saved, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct reading r = {.match = "",
		    .rule = {.table = table, .target = "", .ports = {.last = PORT_MOST}}};

		if (*line == '*')
			table = line + 1;
		if (*line != ':' && strncmp(line, "-A ", 3) != 0)
			continue;
		read_line(&r, line);
		tell(&r, each, context);
	}
}
