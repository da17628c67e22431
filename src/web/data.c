#include "web/data.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "conf/values.h"
#include "web/health.h"
#include "web/request.h"
#include "web/text.h"

/* "," before all but the first of a list. */
static void separate(FILE *to, bool *any)
{
	if (*any)
		fputc(',', to);
	*any = true;
}

static bool is_matched(const char *filter, const char *label, const struct addr *address)
{
	char name[CONF_TEXT_BYTES], text[ADDR_TEXT_BYTES];

	if (*filter == '\0')
		return true;
	return request_matches(filter, value_name_of_label(name, label) ? name : label) ||
	       request_matches(filter, addr_text(address, text));
}

static void print_ports(FILE *to, const struct grant_shown *g)
{
	fputs("\"ports\":[", to);
	for (int i = 0; i < g->port_count; i++) {
		const struct ports *p = &g->ports[i];

		fprintf(to, "%s[%u,%u,%u]", i > 0 ? "," : "", p->protocol, p->first, p->last);
	}
	fprintf(to, "],\"more\":%s", g->more ? "true" : "false");
}

static void print_grant(FILE *to, const struct grant_shown *g, int64_t age_ns)
{
	uint64_t age_ms = (uint64_t)(age_ns / NS_PER_MS);
	char address[ADDR_TEXT_BYTES];

	fputs("{\"label\":", to);
	text_print(to, g->label);
	fprintf(to, ",\"address\":\"%s\",", addr_text(&g->address, address));
	print_ports(to, g);
	fprintf(to, ",\"opened_ms\":%lld,\"left_ms\":%" PRIu64 ",\"overdue\":%s}",
	    g->opened_ns / NS_PER_MS, g->left_ms > age_ms ? g->left_ms - age_ms : 0,
	    g->overdue ? "true" : "false");
}

static void print_client(FILE *to, const struct client_shown *c)
{
	char address[ADDR_TEXT_BYTES];

	fputs("{\"label\":", to);
	text_print(to, c->label);
	fprintf(to, ",\"address\":\"%s\",\"seen_ms\":%lld,\"open\":%s}",
	    addr_text(&c->address, address), c->seen_ns / NS_PER_MS,
	    c->has_grant ? "true" : "false");
}

static void print_grants(FILE *to, const struct people *p, const char *filter, int64_t age_ns)
{
	size_t matching = 0;
	bool any = false;

	fprintf(
	    to, "\"grants\":{\"all\":%zu,\"kept\":%zu,\"rows\":[", p->grants_all, p->grant_count);
	for (size_t i = 0; i < p->grant_count; i++) {
		const struct grant_shown *g = &p->grants[i];

		if (!is_matched(filter, g->label, &g->address) || ++matching > DATA_ROWS_MOST)
			continue;
		separate(to, &any);
		print_grant(to, g, age_ns);
	}
	fprintf(to, "],\"matching\":%zu}", matching);
}

static void print_clients(FILE *to, const struct people *p, const char *filter)
{
	size_t matching = 0;
	bool any = false;

	fprintf(to, "\"clients\":{\"all\":%zu,\"kept\":%zu,\"rows\":[", p->clients_all,
	    p->client_count);
	for (size_t i = 0; i < p->client_count; i++) {
		const struct client_shown *c = &p->clients[i];

		if (!is_matched(filter, c->label, &c->address) || ++matching > DATA_ROWS_MOST)
			continue;
		separate(to, &any);
		print_client(to, c);
	}
	fprintf(to, "],\"matching\":%zu}", matching);
}

static void print_minutes(FILE *to, const struct history_minutes *m)
{
	static const char *const names[HISTORY_KINDS] = {"granted", "refused", "noise"};

	fputs("\"minutes\":{", to);
	for (int k = 0; k < HISTORY_KINDS; k++) {
		fprintf(to, "%s\"%s\":[", k > 0 ? "," : "", names[k]);
		for (int i = 0; i < HISTORY_MINUTES; i++)
			if (m->counts[k][i] == HISTORY_UNKNOWN)
				fputs(i > 0 ? ",null" : "null", to);
			else
				fprintf(to, "%s%" PRIu64, i > 0 ? "," : "", m->counts[k][i]);
		fputc(']', to);
	}
	fputs("},", to);
}

/* Those that there have been since the daemon was started. */
static void print_verdicts(FILE *to, const struct stats *s, const struct history_minutes *m)
{
	static const char *const kinds[] = {"granted", "refused", "noise"};
	bool any = false;

	fputs("\"verdicts\":[", to);
	for (int v = 0; v < VERDICT_COUNT; v++) {
		const char *name = verdict_name((enum verdict)v);
		enum history_kind kind = history_kind_of((enum verdict)v);
		uint64_t all = stats_value(s, name);

		if (kind == HISTORY_OTHER || all == 0)
			continue;
		separate(to, &any);
		fprintf(to,
		    "{\"name\":\"%s\",\"kind\":\"%s\",\"all\":%" PRIu64 ",\"hour\":%" PRIu64
		    ",\"meaning\":",
		    name, kinds[kind], all, m->verdicts[v]);
		text_print(to, verdict_meaning((enum verdict)v));
		fputc('}', to);
	}
	fputs("],", to);
}

void data_print(
    FILE *to, const char *host, struct asker *a, const struct history *h, const char *filter)
{
	const struct stats *s = asker_stats(a);
	const struct people *p = asker_people(a);
	const char *problem = asker_problem(a);
	int64_t now = clock_boot_ns();
	struct history_minutes minutes;

	history_minutes(h, now, &minutes);
	fprintf(to, "{\"now_ms\":%lld,\"version\":\"" POSTERN_VERSION "\",\"problem\":",
	    clock_real_ns() / NS_PER_MS);
	if (problem != NULL)
		text_print(to, problem);
	else
		fputs("null", to);
	fputs(",\"host\":", to);
	text_print(to, host);
	fputc(',', to);
	health_print(to, s);
	print_minutes(to, &minutes);
	print_verdicts(to, s, &minutes);
	print_grants(to, p, filter, now - a->people_asked_ns);
	fputc(',', to);
	print_clients(to, p, filter);
	fputs("}\n", to);
}
