/* What the audit log holds, as people read it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit_reader.h"
#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/history_print.h"
#include "cmd/option.h"
#include "conf/client_index.h"
#include "conf/values.h"

#define DAY_NS (86400 * NS_PER_SECOND)

static const struct option_syntax syntax = {.usage = "history [OPTION...] [CLIENT]",
    .help = "Shows who was let in, from where, to which ports and until when, who was refused and\n"
            "why, who was revoked and by whom, and what reloads have changed: what the daemon has\n"
            "written to its audit log, the newest last. The daemon need not run. CLIENT is a\n"
            "client's or device's name. A knock of which nobody can tell whose it is, as one with\n"
            "another key, stands there as a stranger's, by its address.\n"
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
            "  postern history alice --since 30d\n"
            "  postern history --address 198.51.100.7\n",
    .operands = 1};

/* A set of the log's files, read on to the next entry that is wanted. */
struct history_set {
	struct audit_reader reader;
	struct audit_record record;
	bool has_record;
};

struct history {
	const struct cli *cli;
	struct names names;
	char label[CLIENT_NAME_BYTES]; /* of the client that is wanted; "": all */
	const char *client;
	int64_t since_ns, until_ns;
	const char *address; /* as addr_text writes it; NULL: all */
	uint64_t shown, damaged;
	uint64_t left_out; /* of strangers, before the next entry that is shown */
	int64_t left_out_ns;
	struct history_set sets[AUDIT_SETS];
};

/* --- What is wanted */

static bool is_of_client(const struct history *h, const struct audit_record *r)
{
	const char *client = audit_record_get(r, "client");

	return h->client == NULL || (client != NULL && (strcmp(client, h->label) == 0 ||
	                                                   strcmp(client, h->client) == 0));
}

static bool is_of_address(const struct history *h, const struct audit_record *r)
{
	const char *address = audit_record_get(r, "address");
	const char *source = audit_record_get(r, "source");

	return h->address == NULL || (address != NULL && strcmp(address, h->address) == 0) ||
	       (source != NULL && strcmp(source, h->address) == 0);
}

/* What was left out may have been anybody's; among strangers, no client's that is known. */
static bool is_wanted(const struct history *h, enum audit_set set, const struct audit_record *r)
{
	if (r->time_ns < h->since_ns || r->time_ns > h->until_ns)
		return false;
	if (strcmp(r->event, "left-out") == 0)
		return h->client == NULL || set != AUDIT_SET_STRANGERS;
	return is_of_client(h, r) && is_of_address(h, r);
}

/* --- */

static void read_on(struct history *h, enum audit_set set)
{
	struct history_set *s = &h->sets[set];

	s->has_record = false;
	while (!s->has_record && audit_reader_next(&s->reader)) {
		if (!audit_line_read(&s->record, s->reader.line, s->reader.used))
			h->damaged += s->reader.used > 0;
		else
			s->has_record = is_wanted(h, set, &s->record);
	}
}

/* Of which the oldest entry that has not been shown is; AUDIT_SETS at the end. */
static enum audit_set find_next(const struct history *h)
{
	enum audit_set next = AUDIT_SETS;

	for (int set = 0; set < AUDIT_SETS; set++)
		if (h->sets[set].has_record &&
		    (next == AUDIT_SETS ||
		        h->sets[set].record.time_ns < h->sets[next].record.time_ns))
			next = (enum audit_set)set;
	return next;
}

/* A flood writes such a line each minute; people are shown one for all that follow each other. */
static bool is_added_up(struct history *h, enum audit_set set, const struct audit_record *r)
{
	int64_t count = 0;

	if (h->cli->json || set != AUDIT_SET_STRANGERS || strcmp(r->event, "left-out") != 0)
		return false;
	if (audit_record_number(r, "count", &count) && count > 0)
		h->left_out += (uint64_t)count;
	h->left_out_ns = r->time_ns;
	return true;
}

static void show_left_out(struct history *h)
{
	if (h->left_out > 0)
		history_print_left_out(h->left_out_ns, h->left_out);
	h->left_out = 0;
}

static void show_record(struct history *h, const struct audit_record *r)
{
	struct history_entry entry = {r, &h->names};

	show_left_out(h);
	if (h->cli->json)
		history_print_json(&entry);
	else
		history_print(&entry);
}

static void show_all(struct history *h)
{
	enum audit_set set;

	for (int i = 0; i < AUDIT_SETS; i++)
		read_on(h, (enum audit_set)i);
	while ((set = find_next(h)) != AUDIT_SETS) {
		const struct audit_record *r = &h->sets[set].record;

		if (!is_added_up(h, set, r))
			show_record(h, r);
		h->shown++;
		read_on(h, set);
	}
	show_left_out(h);
}

/* Says what was in the way of reading. */
static enum cli_exit check_set(
    const struct history *h, const char *folder, const struct audit_reader *r)
{
	if (r->error == EACCES || r->error == EPERM)
		return cli_fail(h->cli, CLI_PERMISSION,
		    "%s/%s: only root may read the history; try it with sudo", folder, r->file);
	if (r->error != 0)
		return cli_fail(
		    h->cli, CLI_FAILED, "%s/%s: %s", folder, r->file, strerror(r->error));
	if (r->files == 0 && r->set == AUDIT_SET_LOG)
		return cli_fail(h->cli, CLI_FAILED,
		    "%s: there is no " AUDIT_FILE_NAME
		    "; posternd writes it when it is ready (another --state-dir?)",
		    folder);
	return CLI_DONE;
}

static enum cli_exit conclude(struct history *h, const char *folder)
{
	for (int set = 0; set < AUDIT_SETS; set++) {
		const struct audit_reader *r = &h->sets[set].reader;
		enum cli_exit status = check_set(h, folder, r);

		if (status != CLI_DONE)
			return status;
		h->damaged += r->damaged;
	}
	if (h->damaged > 0)
		cli_warn(h->cli, "%" PRIu64 " lines of it are damaged and left out", h->damaged);
	if (h->shown == 0 && h->client != NULL)
		cli_say(h->cli,
		    "nothing of that was recorded; for knocks that nobody could tell to be of "
		    "%s: postern history --address ADDRESS",
		    h->client);
	else if (h->shown == 0)
		cli_say(h->cli, "nothing of that was recorded");
	return cli_flush(h->cli, CLI_DONE);
}

static enum cli_exit show(struct history *h, const char *folder)
{
	enum cli_exit status;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return cli_fail(h->cli, CLI_PERMISSION,
		    "%s: only root may read the history; try it with sudo", folder);
	if (fd < 0 && errno == ENOENT)
		return cli_fail(h->cli, CLI_FAILED,
		    "%s is not there: posternd has not run here yet (another --state-dir?)",
		    folder);
	if (fd < 0)
		return cli_fail_errno(h->cli, "%s", folder);
	for (int set = 0; set < AUDIT_SETS; set++)
		audit_reader_open(&h->sets[set].reader, fd, (enum audit_set)set);
	close(fd);
	show_all(h);
	status = conclude(h, folder);
	for (int set = 0; set < AUDIT_SETS; set++)
		audit_reader_close(&h->sets[set].reader);
	return status;
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
