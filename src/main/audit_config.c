/* What the audit log says of the daemon itself: that it starts and stops, and what a reload has
 * changed and who has asked for it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "main/config_diff.h"
#include "main/processes.h"

#define NAMED_MOST     100 /* clients of one reload that have a line of their own */
#define SETTINGS_BYTES 600

static void add_asker(struct audit_line *l, const struct asker *by)
{
	static const char *const hows[] = {
	    [ASKED_BY_SIGNAL] = "signal", [ASKED_BY_CONTROL] = "control"};

	audit_line_text(l, "by", hows[by->how]);
	audit_line_number(l, "uid", by->uid);
}

/* --- A reload */

struct telling {
	struct main_process *main;
	uint32_t counts[CONFIG_CHANGES];
	uint32_t named;
	char settings[SETTINGS_BYTES];
};

static const struct {
	const char *event, *count; /* of one, of all */
} changes[CONFIG_CHANGES] = {
    [CONFIG_ADDED] = {"add", "added"},
    [CONFIG_REMOVED] = {"remove", "removed"},
    [CONFIG_REVOKED] = {"revoke", "revoked"},
    [CONFIG_CHANGED] = {"change", "changed"},
    [CONFIG_SETTING] = {NULL, "settings"},
};

static void log_shut_out(const struct main_process *m, const char *name, const char *how)
{
	char uid[16];

	snprintf(uid, sizeof uid, "%u", m->asker.uid);
	log_event(LOG_LEVEL_INFO, how, "client", name, "by-uid", uid, "event", "revoke", NULL);
}

static void found(void *context, enum config_change change, const char *name, const char *what)
{
	struct telling *t = context;
	struct main_process *m = t->main;
	struct line names = {
	    .text = t->settings, .size = sizeof t->settings, .used = strlen(t->settings)};
	struct audit_line l;

	t->counts[change]++;
	if (change == CONFIG_SETTING) {
		line_add(&names, "%s%s", names.used > 0 ? "," : "", name);
		return;
	}
	if (t->named == NAMED_MOST)
		return; /* the counts tell */
	t->named++;
	audit_line_begin(&l, changes[change].event, clock_real_ns());
	audit_line_text(&l, "client", name);
	audit_line_text(&l, "what", what);
	add_asker(&l, &m->asker);
	audit_write(&m->audit, &l);
	if (change == CONFIG_REVOKED)
		log_shut_out(m, name, "client revoked");
	else if (change == CONFIG_REMOVED)
		log_shut_out(m, name, "client removed");
}

void main_audit_config(struct main_process *m, const struct snapshot *before)
{
	struct telling t = {.main = m};
	struct audit_line l;

	config_diff(before, &m->in_force, found, &t);
	audit_line_begin(&l, "config", clock_real_ns());
	add_asker(&l, &m->asker);
	for (int c = 0; c < CONFIG_SETTING; c++)
		if (t.counts[c] > 0)
			audit_line_number(&l, changes[c].count, t.counts[c]);
	if (t.counts[CONFIG_SETTING] > 0)
		audit_line_text(&l, "settings", t.settings);
	audit_line_number(&l, "clients", m->clients);
	audit_line_number(&l, "devices", m->devices);
	audit_write(&m->audit, &l);
}

void main_audit_refused(struct main_process *m, const char *why)
{
	char text[200];
	struct audit_line l;

	snprintf(text, sizeof text, "%s", why);
	audit_line_begin(&l, "config-refused", clock_real_ns());
	add_asker(&l, &m->asker);
	audit_line_text(&l, "why", text);
	audit_write(&m->audit, &l);
}

/* --- The daemon */

void main_audit_start(struct main_process *m)
{
	struct audit_line l;

	audit_open(&m->audit, m->options->state_dir);
	audit_open_strangers(&m->audit.strangers);
	audit_line_begin(&l, "start", clock_real_ns());
	audit_line_text(&l, "version", POSTERN_VERSION);
	audit_line_number(&l, "clients", m->clients);
	audit_line_number(&l, "devices", m->devices);
	audit_write(&m->audit, &l);
}

void main_audit_stop(struct main_process *m, bool taken_away)
{
	const bool told_to = m->exit_status == 0;
	struct audit_line l;

	if (m->audit.state_dir == NULL)
		return;
	audit_line_begin(&l, "stop", clock_real_ns());
	audit_line_text(&l, "why", told_to ? "told to" : "failed");
	if (told_to)
		add_asker(&l, &m->asker);
	audit_line_text(&l, "rules", taken_away ? "removed" : "kept");
	audit_write(&m->audit, &l);
	audit_close_strangers(&m->audit);
	audit_close(&m->audit);
}
