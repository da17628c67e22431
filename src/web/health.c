#include "web/health.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "ctl/stat.h"
#include "stats/stats.h"
#include "web/text.h"

/* A row of the list being written. */
struct rows {
	FILE *to;
	const struct stats *stats;
	bool any;
};

static void row(struct rows *r, const char *what, const char *state, const char *say)
{
	fprintf(
	    r->to, "%s{\"what\":\"%s\",\"state\":\"%s\",\"say\":", r->any ? "," : "", what, state);
	text_print(r->to, say);
	fputc('}', r->to);
	r->any = true;
}

/* The n-th value whose name begins so; NULL: there are no more. `name` becomes the rest. */
static const struct control_stat *next_of(
    const struct stats *s, const char *beginning, size_t *at, const char **name)
{
	size_t length = strlen(beginning);

	for (; *at < s->count; (*at)++) {
		const struct control_stat *v = &s->values[*at];

		if (strncmp(v->name, beginning, length) != 0)
			continue;
		*name = v->name + length;
		(*at)++;
		return v;
	}
	return NULL;
}

static bool is_told(const struct stats *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->values[i].name, name) == 0)
			return true;
	return false;
}

static void processes(struct rows *r)
{
	struct line l = {0};
	char text[256] = "";
	const struct control_stat *v;
	const char *name;
	size_t at = 0, silent = 0, all = 0;

	l = (struct line){.text = text, .size = sizeof text};
	while ((v = next_of(r->stats, STAT_UP, &at, &name)) != NULL) {
		all++;
		if (v->value == 0)
			line_add(&l, "%s%s", silent++ > 0 ? ", " : "not answering: ", name);
	}
	if (silent == 0)
		line_add(&l, "all %zu answer", all);
	if (all > 0)
		row(r, "Processes", silent > 0 ? "bad" : "good", text);
}

static void firewall(struct rows *r)
{
	uint64_t repairs = stats_value(r->stats, STAT_FIREWALL_REPAIRS);
	char text[128];

	if (!is_told(r->stats, STAT_FIREWALL)) {
		row(r, "Firewall", "off", "none is configured");
		return;
	}
	if (stats_value(r->stats, STAT_FIREWALL) == 0) {
		row(r, "Firewall", "bad", "the rules are not in force");
		return;
	}
	snprintf(text, sizeof text, "in force, put back %" PRIu64 " times", repairs);
	row(r, "Firewall", repairs > 0 ? "warn" : "good", repairs > 0 ? text : "in force");
}

static void guard(struct rows *r)
{
	static const char *const states[CONTROL_GUARDS] = {"off", "good", "bad"};
	static const char *const says[CONTROL_GUARDS] = {
	    "none: while the daemon is down, others can take the rules away",
	    "keeps ports shut while the daemon is down", "it was there, and is gone"};
	uint64_t value = stats_value(r->stats, CONTROL_GUARD);

	if (is_told(r->stats, CONTROL_GUARD) && value < CONTROL_GUARDS)
		row(r, "Guard", states[value], says[value]);
}

static void intake(struct rows *r)
{
	static const char *const says[CONTROL_INTAKES] = {"openme is off",
	    "knocks come by a socket", "knocks are captured",
	    "knocks are taken at the device (XDP)", "one device is deaf (XDP)",
	    "no device hears knocks (XDP)"};
	uint64_t value = stats_value(r->stats, CONTROL_INTAKE);

	if (is_told(r->stats, CONTROL_INTAKE) && value < CONTROL_INTAKES)
		row(r, "Intake",
		    value >= CONTROL_INTAKE_XDP_IN_PART ? "bad"
		    : value == CONTROL_INTAKE_NONE      ? "off"
		                                        : "good",
		    says[value]);
}

static void shield(struct rows *r)
{
	static const char *const says[CONTROL_SHIELDS] = {"junk is dropped in the daemon",
	    "junk is dropped at the socket", "junk is dropped at the device (XDP, generic)",
	    "junk is dropped at the device (XDP, native)"};
	uint64_t value = stats_value(r->stats, CONTROL_SHIELD);

	if (is_told(r->stats, CONTROL_SHIELD) && value < CONTROL_SHIELDS)
		row(r, "Shield", value == CONTROL_SHIELD_USER ? "off" : "good", says[value]);
}

static void sandbox(struct rows *r)
{
	char text[256] = "";
	struct line l = {.text = text, .size = sizeof text};
	const struct control_stat *v;
	const char *name;
	size_t at = 0, lacking = 0;

	while ((v = next_of(r->stats, STAT_WITHOUT, &at, &name)) != NULL)
		if (v->value != 0)
			line_add(&l, "%s%s", lacking++ > 0 ? ", " : "without ", name);
	row(r, "Sandbox", lacking > 0 ? "warn" : "good", lacking > 0 ? text : "all layers closed");
}

static void reload(struct rows *r)
{
	uint64_t when = stats_value(r->stats, STAT_RELOAD);
	bool is_good = stats_value(r->stats, STAT_RELOAD_OK) != 0 || when == 0;
	char text[96], time[CLOCK_TEXT_BYTES];

	if (!is_told(r->stats, STAT_RELOAD))
		return;
	clock_text((int64_t)(when % INT32_MAX) * NS_PER_SECOND, time);
	snprintf(text, sizeof text, "%s %s", is_good ? "taken over" : "a change was refused", time);
	row(r, "Configuration", is_good ? "good" : "bad", when == 0 ? "as at the start" : text);
}

static void lost(struct rows *r)
{
	uint64_t count = stats_value(r->stats, STAT_QUEUE_DROPPED);
	char text[96];

	snprintf(text, sizeof text, "%" PRIu64 " datagrams were lost before they were read", count);
	row(r, "Queue", count > 0 ? "warn" : "good", count > 0 ? text : "nothing was lost");
}

static void print_start(FILE *to, const struct stats *s)
{
	const char *names[] = {STAT_START, STAT_CLIENTS, STAT_DEVICES};
	const char *members[] = {"started_s", "configured_clients", "configured_devices"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (is_told(s, names[i]))
			fprintf(to, "\"%s\":%" PRIu64 ",", members[i], stats_value(s, names[i]));
}

void health_print(FILE *to, const struct stats *s)
{
	struct rows r = {.to = to, .stats = s};

	fprintf(to, "\"healthy\":%s,\"health\":[", s->up && stats_healthy(s) ? "true" : "false");
	if (s->up) {
		processes(&r);
		firewall(&r);
		guard(&r);
		intake(&r);
		shield(&r);
		lost(&r);
		sandbox(&r);
		reload(&r);
	}
	fputs("],", to);
	print_start(to, s);
}
