#include "keeper/sessions.h"

#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"

static struct message_session *next_session(struct message_sessions *m, enum session_kind kind)
{
	static struct message_session too_many;
	struct message_session *s =
	    m->count < MESSAGE_SESSIONS_MOST ? &m->sessions[m->count++] : &too_many;

	*s = (struct message_session){.kind = (uint8_t)kind};
	return s;
}

static void add_grants(
    const struct keeper_state *k, struct message_sessions *m, size_t part, int64_t now)
{
	for (const struct grant *g = grant_table_part(k->grants, part); g != NULL; g = g->next) {
		struct message_session *s;

		if (g->opening.until_ns <= now)
			continue;
		s = next_session(m, SESSION_OPEN);
		s->opening = g->opening;
		memcpy(s->name, keeper_state_name(k, g->opening.holder), sizeof s->name);
		s->real_ns = g->opened_real_ns;
	}
}

static void add_overdue(
    const struct keeper_state *k, struct message_sessions *m, const struct rule *r)
{
	uint32_t holder = keeper_state_device(k, r->device);
	struct message_session *s = next_session(m, SESSION_OVERDUE);

	s->opening = (struct opening){.address = r->client, .ports = r->ports};
	if (holder != DIRECTORY_NOBODY)
		memcpy(s->name, keeper_state_name(k, holder), sizeof s->name);
	else
		uuid_text(s->name, r->device);
}

static void add_seen(const struct keeper_state *k, struct message_sessions *m, uint32_t holder)
{
	struct message_session *s = next_session(m, SESSION_SEEN);

	s->opening.address = k->seen[holder].address;
	memcpy(s->name, keeper_state_name(k, holder), sizeof s->name);
	s->real_ns = k->seen[holder].real_ns;
}

void keeper_sessions(const struct keeper *keeper, uint32_t cursor, struct message_sessions *m)
{
	const struct keeper_state *k = &keeper->state;
	uint32_t parts = (uint32_t)grant_table_parts(k->grants), rules = parts + RULES_MOST;
	uint32_t end = rules + keeper_state_holders(k), at = cursor;
	int64_t now = clock_boot_ns();

	m->generation = k->config.header->generation;
	/* Room for a part of any likely length: grants are spread by a keyed hash. */
	for (; at < end && m->count <= MESSAGE_SESSIONS_MOST / 2; at++) {
		const struct rule *overdue =
		    at < parts ? NULL : keeper_rules_overdue(&keeper->rules, at - parts);

		if (at < parts)
			add_grants(k, m, at, now);
		else if (overdue != NULL)
			add_overdue(k, m, overdue);
		else if (at >= rules && k->seen[at - rules].real_ns != 0)
			add_seen(k, m, at - rules);
	}
	m->next = at < end ? at : 0;
}
