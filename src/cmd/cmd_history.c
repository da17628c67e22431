/* What the audit log holds, as people read it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_file.h"
#include "audit/audit_line.h"
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/json.h"
#include "cmd/names.h"
#include "cmd/option.h"
#include "cmd/text.h"
#include "conf/client_index.h"
#include "conf/values.h"

#define COLUMNS     80
#define WHAT_COLUMN 30 /* where the sentence begins, behind time and event */
#define WHAT_BYTES  1200
#define DAY_NS      (86400 * NS_PER_SECOND)

static const struct option_syntax syntax = {.usage = "history [OPTION...] [CLIENT]",
    .help = "Shows who was let in, from where, to which ports and until when, who was refused and\n"
            "why, who was revoked and by whom, and what reloads have changed: what the daemon has\n"
            "written to its audit log, the newest last. The daemon need not run. CLIENT is a\n"
            "client's or device's name.\n"
            "\n"
            "      --since TIME      only from then on: 2026-12-31, 2026-12-31T23:59:59Z, today,\n"
            "                        yesterday, or how long ago: 12h, 30d, 2w\n"
            "      --until TIME      only until then\n"
            "      --address ADDRESS only what has to do with that address\n"
            "      --state-dir DIR   the daemon's state directory (/var/lib/postern)\n"
            "\n"
            "With --json, one object a line. Times are UTC.\n"
            "\n"
            "Examples:\n"
            "  postern history --since yesterday --until today\n"
            "  postern history alice --since 30d\n",
    .operands = 1};

struct history {
	const struct cli *cli;
	struct names names;
	char label[CLIENT_NAME_BYTES]; /* of the client that is wanted; "": all */
	const char *client;
	int64_t since_ns, until_ns;
	const char *address; /* as addr_text writes it; NULL: all */
	uint64_t shown, damaged;
	struct audit_record record;
};

/* --- What is wanted */

static bool is_of_client(const struct history *h)
{
	const char *client = audit_record_get(&h->record, "client");

	return h->client == NULL || (client != NULL && (strcmp(client, h->label) == 0 ||
	                                                   strcmp(client, h->client) == 0));
}

static bool is_of_address(const struct history *h)
{
	const char *address = audit_record_get(&h->record, "address");
	const char *source = audit_record_get(&h->record, "source");

	return h->address == NULL || (address != NULL && strcmp(address, h->address) == 0) ||
	       (source != NULL && strcmp(source, h->address) == 0);
}

/* What was left out may have been anybody's. */
static bool is_wanted(const struct history *h)
{
	return h->record.time_ns >= h->since_ns && h->record.time_ns <= h->until_ns &&
	       (strcmp(h->record.event, "left-out") == 0 || (is_of_client(h) && is_of_address(h)));
}

/* --- For people */

/* Escaped. */
static void add(struct line *l, const char *before, const char *value, const char *after)
{
	char text[WHAT_BYTES];

	if (value != NULL)
		line_add(l, "%s%s%s", before, text_escaped(text, sizeof text, value), after);
}

static void add_field(
    struct history *h, struct line *l, const char *before, const char *key, const char *after)
{
	add(l, before, audit_record_get(&h->record, key), after);
}

static void add_client(struct history *h, struct line *l)
{
	const char *label = audit_record_get(&h->record, "client");

	if (label != NULL)
		line_add(l, "%s", names_of(&h->names, label));
}

static void add_asker(struct history *h, struct line *l)
{
	const char *by = audit_record_get(&h->record, "by");
	const struct passwd *user = NULL;
	int64_t uid = -1;

	if (audit_record_number(&h->record, "uid", &uid) && uid >= 0 && uid <= UINT32_MAX)
		user = getpwuid((uid_t)uid);
	if (user != NULL)
		add(l, " by ", user->pw_name, "");
	else
		line_add(l, " by uid %" PRId64, uid);
	if (by != NULL)
		line_add(l, " (%s)", strcmp(by, "control") == 0 ? "control socket" : "signal");
}

static void add_ports(struct history *h, struct line *l)
{
	const char *ports = audit_record_get(&h->record, "ports");
	char spaced[WHAT_BYTES];
	struct line to = {.text = spaced, .size = sizeof spaced};

	if (ports == NULL)
		return;
	for (; *ports != '\0'; ports++)
		line_add(&to, *ports == ',' ? ", " : "%c", *ports);
	add(l, ": ", spaced, "");
}

static void say_grant(struct history *h, struct line *l)
{
	const char *address = audit_record_get(&h->record, "address");
	const char *source = audit_record_get(&h->record, "source");

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

static void say_end(struct history *h, struct line *l)
{
	add_client(h, l);
	add_field(h, l, " at ", "address", "");
	add_ports(h, l);
	add_field(h, l, "; ", "why", "");
	add_field(h, l, ", since ", "since", "");
	add_field(h, l, ", renewals: ", "renewals", "");
}

static void say_refusal(struct history *h, struct line *l)
{
	add_client(h, l);
	add_field(h, l, " from ", "source", "");
	add_field(h, l, ": ", "verdict", "");
}

static void say_client(struct history *h, struct line *l)
{
	add_client(h, l);
	add_field(h, l, ": ", "what", "");
	add_asker(h, l);
}

static void say_config(struct history *h, struct line *l)
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

static void say_start(struct history *h, struct line *l)
{
	add_field(h, l, "posternd ", "version", "");
	add_field(h, l, ", ", "clients", " clients");
	add_field(h, l, ", ", "devices", " devices");
}

static void say_stop(struct history *h, struct line *l)
{
	line_add(l, "posternd, ");
	add_field(h, l, "", "why", "");
	if (audit_record_get(&h->record, "by") != NULL)
		add_asker(h, l);
	add_field(h, l, "; its rules were ", "rules", "");
}

static void say_left_out(struct history *h, struct line *l)
{
	add_field(h, l, "", "count", " entries, of which there were too many at once");
}

static const struct {
	const char *event, *word;
	void (*say)(struct history *h, struct line *l);
	enum cli_colour colour;
} events[] = {
    {"grant", "let in", say_grant, CLI_GREEN},
    {"renewal", "renewed", say_grant, CLI_GREEN},
    {"grant-end", "ended", say_end, CLI_PLAIN},
    {"refusal", "refused", say_refusal, CLI_RED},
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

static void print_record(struct history *h)
{
	char when[CLOCK_TEXT_BYTES], what[WHAT_BYTES] = "", unknown[16];
	struct line l = {.text = what, .size = sizeof what};
	size_t i = 0;

	while (i < sizeof events / sizeof *events && strcmp(events[i].event, h->record.event) != 0)
		i++;
	printf("%s ", clock_text(h->record.time_ns, when));
	if (i == sizeof events / sizeof *events) { /* of a later version */
		printf("%-8.8s ", text_escaped(unknown, sizeof unknown, h->record.event));
		add_client(h, &l);
	} else {
		printf("%s%-8s%s ", cli_colour(events[i].colour), events[i].word,
		    cli_colour(CLI_PLAIN));
		events[i].say(h, &l);
	}
	print_wrapped(what);
}

/* --- For programs */

static void print_json(struct history *h)
{
	const struct audit_record *r = &h->record;
	struct json j = {.to = stdout};

	json_open(&j, NULL, '{');
	for (size_t i = 0; i < r->count; i++) {
		const struct audit_field *f = &r->fields[i];
		int64_t number = 0;

		if (audit_record_number(r, f->key, &number))
			json_number(&j, f->key, number);
		else
			json_string(&j, f->key,
			    strcmp(f->key, "client") == 0 ? names_of(&h->names, f->value)
			                                  : f->value);
	}
	json_close(&j, '}');
}

/* --- */

static bool take_line(void *context, const char *text, size_t size)
{
	struct history *h = context;

	if (!audit_line_read(&h->record, text, size)) {
		h->damaged += size > 0;
		return true;
	}
	if (!is_wanted(h))
		return true;
	h->shown++;
	if (h->cli->json)
		print_json(h);
	else
		print_record(h);
	return true;
}

static enum cli_exit show(struct history *h, const char *folder)
{
	struct audit_reading r;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return cli_fail(h->cli, CLI_PERMISSION,
		    "%s: only root may read the history; try it with sudo", folder);
	if (fd < 0)
		return cli_fail_errno(h->cli, "%s", folder);
	audit_files_read(fd, &r, take_line, h);
	close(fd);
	if (r.error == EACCES || r.error == EPERM)
		return cli_fail(h->cli, CLI_PERMISSION,
		    "%s/%s: only root may read the history; try it with sudo", folder, r.file);
	if (r.error != 0)
		return cli_fail(h->cli, CLI_FAILED, "%s/%s: %s", folder, r.file, strerror(r.error));
	if (r.files == 0)
		return cli_fail(h->cli, CLI_FAILED,
		    "%s: there is no " AUDIT_FILE_NAME
		    "; posternd writes it when it is ready (another --state-dir?)",
		    folder);
	if (h->damaged + r.damaged > 0)
		cli_warn(h->cli, "%" PRIu64 " lines of it are damaged and left out",
		    h->damaged + r.damaged);
	if (h->shown == 0)
		cli_say(h->cli, "nothing of that was recorded");
	return cli_flush(h->cli, CLI_DONE);
}

/* A day by name, a time, or how long ago; a boundary that is shared is in both. */
static bool option_when(struct cli *cli, const struct option_row *row, char *text)
{
	int64_t *out = row->place, now_ns = clock_real_ns(), ago_ns;
	const char *expected;
	char *end = NULL;
	int64_t today_ns = now_ns - now_ns % DAY_NS;
	unsigned long days = strtoul(text, &end, 10);

	if (strcmp(text, "today") == 0)
		*out = today_ns;
	else if (strcmp(text, "yesterday") == 0)
		*out = today_ns - DAY_NS;
	else if (*text >= '0' && *text <= '9' && days <= (*end == 'w' ? 5200UL : 36500UL) &&
	         (strcmp(end, "d") == 0 || strcmp(end, "w") == 0))
		*out = now_ns - (int64_t)days * (*end == 'w' ? 7 : 1) * DAY_NS;
	else if (value_duration(&ago_ns, text, &expected))
		*out = now_ns - ago_ns;
	else
		return value_time(out, text, &expected) ||
		       option_refuse(cli, row, text,
		           "a time such as 2026-12-31T23:59:59Z, a day such as 2026-12-31, today "
		           "or yesterday, or how long ago, such as 12h, 30d or 2w");
	return true;
}

static bool option_address(struct cli *cli, const struct option_row *row, char *text)
{
	struct addr *a = row->place;

	return addr_parse(a, text) || option_refuse(cli, row, text, "an IPv4 or IPv6 address");
}

enum cli_exit cmd_history(struct cli *cli, int argc, char **argv)
{
	struct history h = {
	    .cli = cli, .names.cli = cli, .since_ns = INT64_MIN, .until_ns = INT64_MAX};
	const char *folder = CONF_INDEX_FOLDER;
	struct addr address;
	char text[ADDR_TEXT_BYTES];
	bool has_address = false;
	const struct option_row options[] = {
	    {"since", .take = option_when, .place = &h.since_ns},
	    {"until", .take = option_when, .place = &h.until_ns},
	    {"address", .take = option_address, .place = &address, .flag = &has_address},
	    {"state-dir", .take = option_text, .place = &folder},
	    {0},
	};
	enum cli_exit status;

	if (!option_read(cli, &syntax, options, argc, argv))
		return cli->status;
	h.client = cli->operand;
	if (h.client != NULL)
		value_label(h.label, h.client);
	if (has_address)
		h.address = addr_text(&address, text);
	status = show(&h, folder);
	names_free(&h.names);
	return status;
}
