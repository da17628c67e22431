/* Rules of legacy iptables, which the kernel asks beside those of nf_tables, and only iptables' own
 * programs read. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/text.h"
#include "doctor/doctor.h"
#include "doctor/legacy_save.h"
#include "doctor/run.h"

#define SAVED_BYTES (1U << 20)
#define PORTS_BYTES 64

static const struct kind {
	const char *tool, *names, *family;
} kinds[] = {{"iptables-legacy", "/proc/net/ip_tables_names", "legacy iptables"},
    {"ip6tables-legacy", "/proc/net/ip6_tables_names", "legacy ip6tables"}};

static bool has_tables(const struct kind *k)
{
	FILE *file = fopen(k->names, "re");
	bool found = file != NULL && fgetc(file) != EOF;

	if (file != NULL)
		fclose(file);
	return found;
}

/* To be freed; NULL where the program is not there, or prints more than anybody has. */
static char *saved(const struct kind *k)
{
	char *text = malloc(SAVED_BYTES), name[32];
	char *const argv[] = {name, NULL};

	snprintf(name, sizeof name, "%s-save", k->tool);
	if (text != NULL && run_read(argv, 0, text, SAVED_BYTES) && strlen(text) < SAVED_BYTES - 1)
		return text;
	free(text);
	return NULL;
}

/* --- What its input chain does to what is granted */

/* Of a managed port. Who is granted it can do without the health port. */
struct fate {
	bool let_in, dropped; /* by a rule that is about nothing else; the first one counts */
	bool perhaps;         /* by one before that of which it cannot be told from here */
};

struct input {
	const struct ports *ports;
	struct fate *fates;
	uint32_t count;
	uint32_t mark; /* of what is granted */
	bool drops;    /* what no rule decides */
};

static bool meet(const struct legacy_rule *rule, const struct ports *p)
{
	return (rule->ports.protocol == 0 || rule->ports.protocol == p->protocol) &&
	       rule->ports.first <= p->last && p->first <= rule->ports.last;
}

static void judge_port(
    struct fate *f, const struct legacy_rule *rule, const struct ports *p, uint32_t mark)
{
	bool granted = (mark & rule->mark_mask) == rule->mark;
	bool whole = !rule->narrow && granted && ports_contain(&rule->ports, p);
	bool accepts = strcmp(rule->target, "ACCEPT") == 0;
	bool drops = strcmp(rule->target, "DROP") == 0 || strcmp(rule->target, "REJECT") == 0;
	bool named = rule->ports.first != 0 || rule->ports.last != UINT16_MAX;

	if (f->let_in || f->dropped || !granted)
		return;
	f->let_in = accepts && whole;
	f->dropped = drops && whole;
	/* One that is narrow and names no port is for answers, or for certain senders. */
	f->perhaps = f->perhaps || (accepts ? !whole && named : !drops);
}

static void judge_rule(void *context, const struct legacy_rule *rule)
{
	struct input *in = context;

	if (strcmp(rule->table, "filter") != 0 || strcmp(rule->chain, "INPUT") != 0)
		return;
	if (rule->policy)
		in->drops = strcmp(rule->target, "DROP") == 0;
	for (uint32_t i = 0; i < in->count && !rule->policy; i++)
		if (meet(rule, &in->ports[i]))
			judge_port(&in->fates[i], rule, &in->ports[i], in->mark);
}

static bool is_dropped(const struct input *in, uint32_t i)
{
	return in->fates[i].dropped || (in->drops && !in->fates[i].let_in);
}

static void say_fates(struct doctor *d, const struct kind *k, const struct input *in)
{
	uint32_t count[2] = {0}, first[2] = {0};
	char text[PORTS_BYTES], remedy[128];

	for (uint32_t i = 0; i < in->count; i++)
		if (is_dropped(in, i) && count[in->fates[i].perhaps]++ == 0)
			first[in->fates[i].perhaps] = i;
	snprintf(remedy, sizeof remedy, "%s -I INPUT -m mark --mark 0x%x/0x%x -j ACCEPT", k->tool,
	    (unsigned int)in->mark, (unsigned int)in->mark);
	if (count[0] > 0)
		report_say(&d->report, FINDING_PROBLEM, remedy,
		    "%s, chain INPUT, drops what is granted: %s", k->family,
		    text_ports(text, sizeof text, &in->ports[first[0]], 1, count[0] > 1));
	if (count[1] > 0)
		report_say(&d->report, FINDING_UNKNOWN, "postern explain ADDRESS PORT",
		    "whether %s, chain INPUT, lets by what is granted cannot be told from here: %s",
		    k->family,
		    text_ports(text, sizeof text, &in->ports[first[1]], 1, count[1] > 1));
	if (count[0] == 0 && count[1] == 0)
		report_say(&d->report, FINDING_OK, NULL, "%s, chain INPUT, lets by what is granted",
		    k->family);
}

static bool is_health_port(const struct settings *s, const struct ports *p)
{
	return p->protocol == IPPROTO_TCP && p->first == s->health_port && p->last == p->first;
}

static void look(struct doctor *d, const struct kind *k)
{
	const struct settings *s = doctor_settings(d);
	struct input in = {.ports = snapshot_ports(&d->snapshot, s->managed_ports),
	    .fates = calloc(s->managed_ports.count + 1, sizeof *in.fates),
	    .count = s->managed_ports.count,
	    .mark = s->mark};
	char remedy[32], *text = saved(k);

	snprintf(remedy, sizeof remedy, "%s-save", k->tool);
	if (text == NULL || in.fates == NULL) {
		report_say(&d->report, FINDING_UNKNOWN, remedy,
		    "there are tables of %s, whose rules cannot be read", k->family);
	} else {
		for (uint32_t i = 0; i < in.count; i++)
			in.fates[i].let_in = is_health_port(s, &in.ports[i]);
		legacy_save_read(text, judge_rule, &in);
		say_fates(d, k, &in);
	}
	free(in.fates);
	free(text);
}

void doctor_legacy(struct doctor *d)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (has_tables(&kinds[i]))
			look(d, &kinds[i]);
}

/* --- Ports that lead elsewhere */

struct translations {
	const struct kind *kind;
	void (*each)(void *context, const struct fw_translated *rule);
	void *context;
};

/* What the host itself sends is nobody's way in. */
static void take_translation(void *context, const struct legacy_rule *rule)
{
	struct translations *t = context;
	bool translates =
	    strcmp(rule->target, "DNAT") == 0 || strcmp(rule->target, "REDIRECT") == 0;

	if (!rule->policy && translates && strcmp(rule->table, "nat") == 0 &&
	    strcmp(rule->chain, "OUTPUT") != 0)
		t->each(t->context, &(struct fw_translated){.family = t->kind->family,
		                        .table = rule->table,
		                        .chain = rule->chain,
		                        .ports = rule->ports});
}

void doctor_legacy_translated(
    void (*each)(void *context, const struct fw_translated *rule), void *context)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct translations t = {&kinds[i], each, context};
		char *text = has_tables(&kinds[i]) ? saved(&kinds[i]) : NULL;

		if (text != NULL)
			legacy_save_read(text, take_translation, &t);
		free(text);
	}
}
