#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/explain_cause.h"
#include "cmd/explain_json.h"
#include "cmd/explain_print.h"

static const char *protocol_of(const struct packet *p)
{
	return p->protocol == IPPROTO_TCP ? "tcp" : "udp";
}

static void put_address(struct json *j, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT_BYTES];

	json_string(j, key, addr_text(a, text));
}

static void put_cause(
    struct json *j, const char *key, const struct rules *rules, const struct cause *cause)
{
	const struct rules_chain *c = cause->chain;
	char text[RULE_TEXT_BYTES];

	json_open(j, key, '{');
	json_string(j, "family", rule_family(c->family));
	json_bool(j, "legacy", c->legacy);
	json_string(j, "table", c->legacy ? c->table + strlen(RULES_LEGACY) : c->table);
	json_string(j, "chain", c->name);
	json_bool(j, "policy", cause->rule == NULL);
	if (cause->rule != NULL && c->legacy)
		json_number(j, "number", cause->rule->number);
	else if (cause->rule != NULL)
		json_number(j, "handle", (int64_t)cause->rule->handle);
	if (rule_text_of(text, cause)[0] != '\0')
		json_string(j, "rule", text);
	json_string(j, "owner", cause_owner_name(cause_owner(rules, cause)));
	json_close(j, '}');
}

static void put_question(struct json *j, const struct packet *p)
{
	put_address(j, "source", &p->source);
	put_address(j, "target", &p->meant);
	json_number(j, "port", p->meant_port);
	json_string(j, "protocol", protocol_of(p));
	json_string(j, "interface", p->in.name);
}

static void put_walk(struct json *j, const struct explain_answer *a)
{
	static const char *const results[] = {"accept", "drop", "unknown"};
	static const char *const ends[] = {"local", "forward", "no-way", "unknown"};
	const struct walk *w = &a->x->walk;
	const struct rules *rules = &a->x->rules;

	json_string(j, "verdict", results[w->result]);
	json_string(j, "way", ends[w->end]);
	if (w->result == WALK_DROPPED && w->cause.chain != NULL) {
		json_bool(j, "rejects", w->cause.rejects);
		put_cause(j, "by", rules, &w->cause);
	}
	if (w->packet.translated) {
		put_address(j, "translated_to", &w->packet.target);
		json_number(j, "translated_port", w->packet.port);
	}
	if (w->end == WALK_FORWARDED)
		json_string(j, "forwarded_by", w->packet.out.name);
	json_open(j, "doubts", '[');
	for (size_t i = 0; w->result == WALK_UNSURE && i < w->doubt_count; i++) {
		json_open(j, NULL, '{');
		json_string(j, "what", w->doubts[i].what);
		put_cause(j, "rule", rules, &w->doubts[i].cause);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_bool(j, "legacy_unread", a->x->legacy_unread);
}

static void put_gate(struct json *j, const struct explain_answer *a)
{
	const struct gate *g = a->gate;

	json_bool(j, "configured", g->configured);
	json_bool(j, "managed", g->managed);
	json_bool(j, "guarded", g->guards);
	json_number(j, "client_count", (int64_t)g->clients);
	json_open(j, "clients", '[');
	for (size_t i = 0; i < g->clients && i < GATE_NAMES; i++)
		json_string(j, NULL, names_of(a->names, g->names[i]));
	json_close(j, ']');
	json_bool(j, "daemon_answers", g->answered);
	json_number(j, "grant_count", (int64_t)g->grants);
	json_open(j, "grants", '[');
	for (size_t i = 0; i < g->grants && i < GATE_NAMES; i++) {
		json_open(j, NULL, '{');
		json_string(j, "client_name", names_of(a->names, g->grant[i].client));
		json_bool(j, "overdue", g->grant[i].overdue);
		json_time(j, "expires_at", g->grant[i].overdue ? INT64_MAX : g->grant[i].until_ns);
		json_close(j, '}');
	}
	json_close(j, ']');
	if (g->seen) {
		json_string(j, "last_client", names_of(a->names, g->last_client));
		json_time(j, "last_knock", g->last_ns);
	}
}

void explain_json(struct json *j, const struct explain_answer *a)
{
	char text[EXPLAIN_LINE_BYTES];

	put_question(j, a->asked);
	put_walk(j, a);
	put_gate(j, a);
	if (explain_reason(text, a)[0] != '\0')
		json_string(j, "reason", text);
	if (explain_remedy(text, a)[0] != '\0')
		json_string(j, "remedy", text);
}
