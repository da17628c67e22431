#include "cmd/explain_cause.h"

#include <inttypes.h>
#include <string.h>

#include "cmd/text.h"

#define NAME_MOST 64 /* bytes of a name of others */
#define TEXT_MOST 200

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

enum cause_owner cause_owner(const struct rules *rules, const struct cause *cause)
{
	const struct rules_chain *c = cause->chain;

	if (c->family == NFPROTO_INET && strcmp(c->table, "postern") == 0)
		return CAUSE_POSTERN;
	if (begins(c->table, "firewalld"))
		return CAUSE_FIREWALLD;
	if (begins(c->name, "f2b-") || begins(c->table, "f2b-"))
		return CAUSE_FAIL2BAN;
	if (begins(c->name, "DOCKER") || begins(c->table, "docker"))
		return CAUSE_DOCKER;
	if (begins(c->name, "ufw") ||
	    rules_chain_named(rules, c->family, c->table, "ufw-user-input") != NULL ||
	    rules_chain_named(rules, c->family, c->table, "ufw6-user-input") != NULL)
		return CAUSE_UFW;
	return c->legacy ? CAUSE_IPTABLES : CAUSE_OTHER;
}

const char *cause_owner_name(enum cause_owner owner)
{
	static const char *const names[] = {[CAUSE_POSTERN] = "posternd",
	    [CAUSE_UFW] = "ufw",
	    [CAUSE_FIREWALLD] = "firewalld",
	    [CAUSE_DOCKER] = "Docker",
	    [CAUSE_FAIL2BAN] = "fail2ban",
	    [CAUSE_IPTABLES] = "iptables-legacy"};

	return owner < sizeof names / sizeof *names ? names[owner] : NULL;
}

void cause_add_name(struct line *l, const char *name)
{
	char escaped[4 * NAME_MOST + 4];

	line_add(l, "%s", text_escaped(escaped, NAME_MOST, name));
}

static void add_rule(struct line *l, const struct cause *cause)
{
	char text[RULE_TEXT_BYTES], escaped[TEXT_MOST];

	if (cause->chain->legacy)
		line_add(l, ", rule %" PRIu32, cause->rule->number);
	else
		line_add(l, ", rule handle %" PRIu64, cause->rule->handle);
	rule_text_of(text, cause);
	if (text[0] != '\0')
		line_add(l, ": `%s`", text_escaped(escaped, sizeof escaped, text));
}

void cause_add(struct line *l, const struct rules *rules, const struct cause *cause)
{
	const struct rules_chain *c = cause->chain;
	const char *owner = cause_owner_name(cause_owner(rules, cause));

	if (c->legacy)
		line_add(l, "%s table ", c->family == NFPROTO_IPV4 ? "iptables" : "ip6tables");
	else
		line_add(l, "table %s ", rule_family(c->family));
	cause_add_name(l, c->legacy ? c->table + strlen(RULES_LEGACY) : c->table);
	line_add(l, ", chain ");
	cause_add_name(l, c->name);
	if (cause->rule != NULL)
		add_rule(l, cause);
	else
		line_add(l, ", its policy");
	if (owner != NULL)
		line_add(l, " (%s)", owner);
}
