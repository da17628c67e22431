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

static void add_ledger_part(
    const struct keeper_state *k, struct message_sessions *m, size_t part, int64_t now)
{
	const struct ledger_entry *e = ledger_part(k->ledger, part);

	for (; e != NULL; e = e->next) {
		struct message_session *s;

		if (e->expires_boot_ns <= now)
			continue;
		s = next_session(m, SESSION_OPEN);
		s->address = e->address;
		s->what = e->what;
		memcpy(s->name, keeper_state_name(k, e->holder), sizeof s->name);
		s->holder = e->holder;
		s->opened_real_ns = e->opened_real_ns;
		s->remaining_ms =
		    (uint64_t)((e->expires_boot_ns - now + NS_PER_MS - 1) / NS_PER_MS);
	}
}

static void add_overdue(
    const struct keeper_state *k, struct message_sessions *m, const struct rule *r)
{
	uint32_t holder = keeper_state_device(k, r->device);
	struct message_session *s = next_session(m, SESSION_OVERDUE);

	s->address = r->client;
	s->what = (struct ledger_what){r->protocol, r->first_port, r->last_port};
	if (holder != DIRECTORY_NOBODY)
		memcpy(s->name, keeper_state_name(k, holder), sizeof s->name);
	else
		uuid_text(s->name, r->device);
}

static void add_seen(const struct keeper_state *k, struct message_sessions *m, uint32_t holder)
{
	struct message_session *s = next_session(m, SESSION_SEEN);

	s->address = k->seen[holder].address;
	memcpy(s->name, keeper_state_name(k, holder), sizeof s->name);
	s->opened_real_ns = k->seen[holder].real_ns;
}

void keeper_sessions(const struct keeper *keeper, uint32_t cursor, struct message_sessions *m)
{
	const struct keeper_state *k = &keeper->state;
	uint32_t parts = (uint32_t)ledger_parts(k->ledger), rules = parts + RULES_MOST;
	uint32_t end = rules + keeper_state_holders(k), at = cursor;
	int64_t now = clock_boot_ns();

	m->generation = k->config.header->generation;
	/* Room for a part of any likely length: entries are spread by a keyed hash. */
	for (; at < end && m->count <= MESSAGE_SESSIONS_MOST / 2; at++) {
		const struct rule *overdue =
		    at < parts ? NULL : keeper_rules_overdue(keeper, at - parts);

		if (at < parts)
			add_ledger_part(k, m, at, now);
		else if (overdue != NULL)
			add_overdue(k, m, overdue);
		else if (at >= rules && k->seen[at - rules].real_ns != 0)
			add_seen(k, m, at - rules);
	}
	m->next = at < end ? at : 0;
}
