#include "cmd/history_print.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/json.h"
#include "cmd/text.h"
#include "stats/kinds.h"

#define COLUMNS     80
#define WHAT_COLUMN 30 /* where the sentence begins, behind time and event */
#define WHAT_BYTES  1200

/* Escaped. */
static void add(struct line *l, const char *before, const char *value, const char *after)
{
	char text[WHAT_BYTES];

	if (value != NULL)
		line_add(l, "%s%s%s", before, text_escaped(text, sizeof text, value), after);
}

static void add_field(
    struct history_entry *h, struct line *l, const char *before, const char *key, const char *after)
{
	add(l, before, audit_record_get(h->record, key), after);
}

static void add_client(struct history_entry *h, struct line *l)
{
	const char *label = audit_record_get(h->record, "client");

	if (label != NULL)
		line_add(l, "%s", names_of(h->names, label));
}

static void add_asker(struct history_entry *h, struct line *l)
{
	const char *by = audit_record_get(h->record, "by");
	const struct passwd *user = NULL;
	int64_t uid = -1;

	if (audit_record_number(h->record, "uid", &uid) && uid >= 0 && uid <= UINT32_MAX)
		user = getpwuid((uid_t)uid);
	if (user != NULL)
		add(l, " by ", user->pw_name, "");
	else
		line_add(l, " by uid %" PRId64, uid);
	if (by != NULL)
		line_add(l, " (%s)", strcmp(by, "control") == 0 ? "control socket" : "signal");
}

static void add_ports(struct history_entry *h, struct line *l)
{
	const char *ports = audit_record_get(h->record, "ports");
	char spaced[WHAT_BYTES];
	struct line to = {.text = spaced, .size = sizeof spaced};

	if (ports == NULL)
		return;
	for (; *ports != '\0'; ports++)
		line_add(&to, *ports == ',' ? ", " : "%c", *ports);
	add(l, ": ", spaced, "");
}

static void say_grant(struct history_entry *h, struct line *l)
{
	const char *address = audit_record_get(h->record, "address");
	const char *source = audit_record_get(h->record, "source");

	add_client(h, l);
	add_field(h, l, " at ", "address", "");
	add_ports(h, l);
	add_field(h, l, "; until ", "until", "");
	add_field(h, l, "; since ", "since", "");
	add_field(h, l, ", renewals: ", "renewals", "");
	add_field(h, l, "; by ", "rule", "");
	if (address != NULL && source != NULL && strcmp(address, source) != 0)
		add(l, ", knocked from ", source, "");
}

static void say_end(struct history_entry *h, struct line *l)
{
	add_client(h, l);
	add_field(h, l, " at ", "address", "");
	add_ports(h, l);
	add_field(h, l, "; ", "why", "");
	add_field(h, l, ", since ", "since", "");
	add_field(h, l, ", renewals: ", "renewals", "");
}

static void say_refusal(struct history_entry *h, struct line *l)
{
	add_client(h, l);
	add_field(h, l, " from ", "source", "");
	add_field(h, l, ": ", "verdict", "");
}

/* What whoever is asked why would look at first. */
static const struct {
	const char *verdict, *why;
} strangers[] = {
    {"untagged", "without the tag of server.shield: an old profile, or its clock"},
    {"bad_key", "not made for this server's key: an old profile, or another server's"},
    {"bad_seal", "not made for this server's key: an old profile, or another server's"},
    {"unknown_signer", "nobody here has its key"},
    {"busy", "too many came at once; see postern stats"},
};

static const char *why_refused(const char *verdict)
{
	for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
		if (strcmp(strangers[i].verdict, verdict) == 0)
			return strangers[i].why;
	for (int v = 0; v < VERDICT_COUNT; v++)
		if (strcmp(stats_verdict_name((enum verdict)v), verdict) == 0)
			return stats_verdict_meaning((enum verdict)v);
	return NULL;
}

static void say_stranger(struct history_entry *h, struct line *l)
{
	const char *verdict = audit_record_get(h->record, "verdict");
	int64_t ahead_s = 0;

	add_field(h, l, "a stranger from ", "source", "");
	add_field(h, l, " by ", "rule", "");
	add(l, ": ", verdict, "");
	if (audit_record_number(h->record, "ahead", &ahead_s))
		line_add(l, ", its clock is %" PRId64 " s %s", ahead_s < 0 ? -ahead_s : ahead_s,
		    ahead_s < 0 ? "behind" : "ahead");
	else if (verdict != NULL)
		add(l, ", ", why_refused(verdict), "");
}

static void say_client(struct history_entry *h, struct line *l)
{
	add_client(h, l);
	add_field(h, l, ": ", "what", "");
	add_asker(h, l);
}

static void say_config(struct history_entry *h, struct line *l)
{
	line_add(l, "the configuration,");
	add_asker(h, l);
	add_field(h, l, "; ", "added", " added");
	add_field(h, l, "; ", "removed", " removed");
	add_field(h, l, "; ", "revoked", " revoked");
	add_field(h, l, "; ", "changed", " changed");
	add_field(h, l, "; ", "settings", "");
	add_field(h, l, "; refused: ", "why", "");
}

static void say_start(struct history_entry *h, struct line *l)
{
	add_field(h, l, "posternd ", "version", "");
	add_field(h, l, ", ", "clients", " clients");
	add_field(h, l, ", ", "devices", " devices");
}

static void say_stop(struct history_entry *h, struct line *l)
{
	line_add(l, "posternd, ");
	add_field(h, l, "", "why", "");
	if (audit_record_get(h->record, "by") != NULL)
		add_asker(h, l);
	add_field(h, l, "; its rules were ", "rules", "");
}

static void say_left_out(struct history_entry *h, struct line *l)
{
	add_field(h, l, "", "count", " entries, of which there were too many at once");
}

static const struct {
	const char *event, *word;
	void (*say)(struct history_entry *h, struct line *l);
	enum cli_colour colour;
} events[] = {
    {"grant", "let in", say_grant, CLI_GREEN},
    {"renewal", "renewed", say_grant, CLI_GREEN},
    {"grant-end", "ended", say_end, CLI_PLAIN},
    {"refusal", "refused", say_refusal, CLI_RED},
    {"stranger", "refused", say_stranger, CLI_RED},
    {"add", "added", say_client, CLI_PLAIN},
    {"remove", "removed", say_client, CLI_YELLOW},
    {"revoke", "revoked", say_client, CLI_YELLOW},
    {"change", "changed", say_client, CLI_PLAIN},
    {"config", "reload", say_config, CLI_PLAIN},
    {"config-refused", "reload", say_config, CLI_RED},
    {"start", "started", say_start, CLI_BOLD},
    {"stop", "stopped", say_stop, CLI_BOLD},
    {"left-out", "left out", say_left_out, CLI_YELLOW},
};

/* In what is left of the columns, broken at blanks where it can be. */
static void print_wrapped(const char *text)
{
	const size_t most = COLUMNS - WHAT_COLUMN;

	while (strlen(text) > most) {
		size_t cut = most;

		while (cut > 0 && text[cut] != ' ')
			cut--;
		if (cut == 0)
			cut = most;
		printf("%.*s\n%*s", (int)cut, text, WHAT_COLUMN, "");
		text += cut + strspn(text + cut, " ");
	}
	puts(text);
}

static void print_head(int64_t time_ns, const char *word, enum cli_colour colour)
{
	char when[CLOCK_TEXT_BYTES];

	printf("%s %s%-8.8s%s ", clock_text(time_ns, when), cli_colour(colour), word,
	    cli_colour(CLI_PLAIN));
}

void history_print(struct history_entry *h)
{
	char what[WHAT_BYTES] = "", unknown[16];
	struct line l = {.text = what, .size = sizeof what};
	size_t i = 0;

	while (i < sizeof events / sizeof *events && strcmp(events[i].event, h->record->event) != 0)
		i++;
	if (i == sizeof events / sizeof *events) { /* of a later version */
		print_head(h->record->time_ns,
		    text_escaped(unknown, sizeof unknown, h->record->event), CLI_PLAIN);
		add_client(h, &l);
	} else {
		print_head(h->record->time_ns, events[i].word, events[i].colour);
		events[i].say(h, &l);
	}
	print_wrapped(what);
}

void history_print_left_out(int64_t time_ns, uint64_t count)
{
	char what[WHAT_BYTES];

	snprintf(what, sizeof what,
	    "%" PRIu64 " refusals of strangers, of which there were too many at once", count);
	print_head(time_ns, "left out", CLI_YELLOW);
	print_wrapped(what);
}

/* --- For programs */

void history_print_json(struct history_entry *h)
{
	const struct audit_record *r = h->record;
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	for (size_t i = 0; i < r->count; i++) {
		const struct audit_field *f = &r->fields[i];
		int64_t number = 0;

		if (audit_record_number(r, f->key, &number))
			json_number(&j, f->key, number);
		else
			json_string(&j, f->key,
			    strcmp(f->key, "client") == 0 ? names_of(h->names, f->value)
			                                  : f->value);
	}
	json_close(&j, '}');
}
