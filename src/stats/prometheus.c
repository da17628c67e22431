/* The statistics as Prometheus reads them. Labels have few values, all of them ours. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/stat.h"
#include "stats/kinds.h"

enum type { COUNTER, GAUGE };

/* A metric that is one STAT, or, with a label, all whose names begin so. */
struct metric {
	const char *name;
	enum type type;
	const char *help;
	const char *stat;
	const char *label; /* its value is the rest of the STAT's name; NULL: none */
};

static const struct metric plain[] = {
    {"postern_build_info", GAUGE, "Version of the daemon, as a label.", STAT_VERSION, "version"},
    {"postern_start_time_seconds", GAUGE, "When the daemon was ready, since the Unix epoch.",
        STAT_START, NULL},
    {"postern_clients", GAUGE, "Clients in the configuration.", STAT_CLIENTS, NULL},
    {"postern_openspa_devices", GAUGE, "OpenSPA devices in the configuration.", STAT_DEVICES, NULL},
    {"postern_workers", GAUGE, "Processes that receive datagrams.", STAT_DOORMEN, NULL},
    {"postern_grants", GAUGE, "Grants in force.", STAT_GRANTS, NULL},
    {"postern_grants_opened_total", COUNTER, "Grants that began; a prolonged one is the same.",
        STAT_GRANTS_OPENED, NULL},
    {"postern_datagrams_received_total", COUNTER, "Datagrams that the daemon has read.",
        STAT_RECEIVED, NULL},
    {"postern_datagrams_lost_total", COUNTER,
        "Datagrams that the kernel dropped because the daemon had not read in time.",
        STAT_QUEUE_DROPPED, NULL},
    {"postern_copies_dropped_total", COUNTER, "Exact copies of a datagram of the last second.",
        STAT_COPIES, NULL},
    {"postern_budget_spent_total", COUNTER,
        "Datagrams that met a spent budget: no room to wait, no time to verify.", STAT_BUDGET,
        "budget"},
    {"postern_log_lines_left_out_total", COUNTER, "Log lines beyond the limits of rate.",
        STAT_LOG_LINES, NULL},
    {"postern_role_up", GAUGE, "Whether the processes of a role answer.", STAT_UP, "role"},
    {"postern_firewall_in_force", GAUGE, "Whether the firewall has our rules.", STAT_FIREWALL,
        NULL},
    {"postern_firewall_repairs_total", COUNTER,
        "How often our rules were put back after somebody else had changed them.",
        STAT_FIREWALL_REPAIRS, NULL},
    {"postern_sandbox_layer_missing", GAUGE, "Whether the daemon runs without a layer.",
        STAT_WITHOUT, "layer"},
    {"postern_last_reload_successful", GAUGE, "Whether the last reload was taken over.",
        STAT_RELOAD_OK, NULL},
    {"postern_last_reload_timestamp_seconds", GAUGE,
        "When the last reload ended, since the Unix epoch; 0: there was none.", STAT_RELOAD, NULL},
};

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool belongs(const struct metric *m, const char *stat)
{
	return m->label == NULL ? strcmp(stat, m->stat) == 0
	                        : strncmp(stat, m->stat, strlen(m->stat)) == 0;
}

static void print_plain(FILE *to, const struct stats *s, const struct metric *m)
{
	bool headed = false;

	for (size_t i = 0; i < s->count; i++) {
		const struct control_stat *v = &s->values[i];

		if (!belongs(m, v->name))
			continue;
		if (!headed)
			head(to, m->name, m->type == COUNTER ? "counter" : "gauge", m->help);
		headed = true;
		fputs(m->name, to);
		if (m->label != NULL)
			fprintf(to, "{%s=\"%s\"}", m->label, v->name + strlen(m->stat));
		fprintf(to, " %" PRIu64 "\n", v->value);
	}
}

static void print_knocks(FILE *to, const struct stats *s)
{
	head(to, "postern_knocks_total", "counter",
	    "Datagrams by what became of them; handed_on, asked and wrong_signer are not final.");
	for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
		const struct control_stat *found = stats_find(s, stats_verdict_name(v));

		if (found != NULL)
			fprintf(to, "postern_knocks_total{verdict=\"%s\"} %" PRIu64 "\n",
			    found->name, found->value);
	}
}

/* shield-PLACE-RESULT */
static void print_kernel_shield(FILE *to, const struct stats *s)
{
	static const char *const places[] = {"xdp", "socket"};
	bool headed = false;

	for (size_t p = 0; p < sizeof places / sizeof *places; p++)
		for (size_t i = 0; i < s->count; i++) {
			char start[24];
			int length = snprintf(start, sizeof start, "shield-%s-", places[p]);

			if (strncmp(s->values[i].name, start, (size_t)length) != 0)
				continue;
			if (!headed)
				head(to, "postern_shield_datagrams_total", "counter",
				    "Datagrams that the shield in the kernel has looked at.");
			headed = true;
			fprintf(to,
			    "postern_shield_datagrams_total{place=\"%s\",result=\"%s\"} %" PRIu64
			    "\n",
			    places[p], s->values[i].name + length, s->values[i].value);
		}
}

static void print_reloads(FILE *to, const struct stats *s)
{
	uint64_t all = stats_value(s, STAT_RELOADS), refused = stats_value(s, STAT_RELOADS_REFUSED);

	head(to, "postern_reloads_total", "counter", "Reloads of the configuration.");
	fprintf(to, "postern_reloads_total{result=\"done\"} %" PRIu64 "\n",
	    all > refused ? all - refused : 0);
	fprintf(to, "postern_reloads_total{result=\"refused\"} %" PRIu64 "\n", refused);
}

/* One series for each state, of which one is 1. */
struct states {
	const char *name, *help, *stat, *label;
	size_t count;
	const char *words[CONTROL_INTAKES];
};

static void print_states(FILE *to, const struct stats *s, const struct states *states)
{
	uint64_t now = stats_value(s, states->stat);

	head(to, states->name, "gauge", states->help);
	for (size_t i = 0; i < states->count; i++)
		fprintf(to, "%s{%s=\"%s\"} %d\n", states->name, states->label, states->words[i],
		    now == i);
}

static const struct states all_states[] = {
    {"postern_guard", "Whether postern-guard keeps the rules when the daemon ends.", CONTROL_GUARD,
        "state", CONTROL_GUARDS, {"none", "there", "gone"}},
    {"postern_shield_place", "Where junk is dropped first.", CONTROL_SHIELD, "place",
        CONTROL_SHIELDS, {"user", "socket", "xdp-generic", "xdp-native"}},
    {"postern_intake", "How knocks are received.", CONTROL_INTAKE, "kind", CONTROL_INTAKES,
        {"none", "socket", "capture", "xdp", "xdp-in-part", "xdp-nowhere"}},
};

static void print_bucket(FILE *to, const char *limit, uint64_t sum)
{
	fprintf(to, "postern_knock_open_seconds_bucket{le=\"%s\"} %" PRIu64 "\n", limit, sum);
}

/* Each bucket is told by itself; here each has those below it in it, too. */
static void print_open_times(FILE *to, const struct stats *s)
{
	const uint64_t ns = stats_value(s, STAT_OPEN_NS);
	uint64_t sum = 0;

	head(to, "postern_knock_open_seconds", "histogram",
	    "Time from the arrival of a knock to the change of the firewall.");
	for (size_t i = 0; i < s->count; i++) {
		const char *name = s->values[i].name;
		char limit[32], *end;
		double us;

		if (strncmp(name, STAT_OPEN_US, strlen(STAT_OPEN_US)) != 0)
			continue;
		us = strtod(name + strlen(STAT_OPEN_US), &end);
		if (*end != '\0' || !(us > 0) || us > 1e9)
			continue;
		sum += s->values[i].value;
		snprintf(limit, sizeof limit, "%g", us / 1e6);
		print_bucket(to, limit, sum);
	}
	sum += stats_value(s, STAT_OPEN_MORE);
	print_bucket(to, "+Inf", sum);
	fprintf(to, "postern_knock_open_seconds_sum %" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000,
	    ns % 1000000000);
	fprintf(to, "postern_knock_open_seconds_count %" PRIu64 "\n", sum);
}

void stats_print_prometheus(FILE *to, const struct stats *s)
{
	head(to, "postern_up", "gauge", "Whether the daemon has answered.");
	fprintf(to, "postern_up %d\n", s->up);
	if (!s->up)
		return;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		print_plain(to, s, &plain[i]);
	print_knocks(to, s);
	print_kernel_shield(to, s);
	print_open_times(to, s);
	print_reloads(to, s);
	for (size_t i = 0; i < sizeof all_states / sizeof *all_states; i++)
		print_states(to, s, &all_states[i]);
}
