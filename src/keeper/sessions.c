#include "keeper/sessions.h"

#include <string.h>

#include "base/clock.h"
#include "base/uuid.h"

/* What a cursor stands for: the start, the grants that are left of the walk over them, or the
 * number of a rule or of a holder. */
#define FROM_THE_START 0U
#define MORE_GRANTS    1U
#define FIRST_RULE     2U
#define FIRST_HOLDER   (FIRST_RULE + RULES_MOST)
/* Of those that have ended, and of those that are not in force yet, many may stand together. */
#define LOOKED_AT_MOST (32 * MESSAGE_SESSIONS_MOST)

static bool is_full(const struct message_sessions *m)
{
	return m->count == MESSAGE_SESSIONS_MOST;
}

/* There is room for it. */
static struct message_session *next_session(struct message_sessions *m, enum session_kind kind)
{
	struct message_session *s = &m->sessions[m->count++];

	*s = (struct message_session){.kind = (uint8_t)kind};
	return s;
}

static void add_grant(
    const struct keeper_state *k, struct message_sessions *m, const struct grant *g)
{
	struct message_session *s = next_session(m, SESSION_OPEN);

	s->opening = g->opening;
	memcpy(s->name, keeper_state_name(k, g->opening.holder), sizeof s->name);
	s->real_ns = g->opened_real_ns;
}

/* The next ones of the walk; where to go on. */
static uint32_t add_grants(const struct keeper_state *k, struct message_sessions *m)
{
	int64_t now = clock_boot_ns();

	for (int i = 0; i < LOOKED_AT_MOST && !is_full(m); i++) {
		const struct grant *g = grant_table_step(k->grants);

		if (g == NULL)
			return FIRST_RULE;
		if (g->opening.until_ns > now)
			add_grant(k, m, g);
	}
	return MORE_GRANTS;
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
	uint32_t end = FIRST_HOLDER + keeper_state_holders(k), at = cursor;

	m->generation = k->config.header->generation;
	if (at == FROM_THE_START)
		grant_table_walk(k->grants);
	if (at < FIRST_RULE)
		at = add_grants(k, m);
	for (; at >= FIRST_RULE && at < end && !is_full(m); at++) {
		const struct rule *overdue =
		    at < FIRST_HOLDER ? keeper_rules_overdue(&keeper->rules, at - FIRST_RULE)
		                      : NULL;

		if (overdue != NULL)
			add_overdue(k, m, overdue);
		else if (at >= FIRST_HOLDER && k->seen[at - FIRST_HOLDER].real_ns != 0)
			add_seen(k, m, at - FIRST_HOLDER);
	}
	m->next = at < end ? at : FROM_THE_START;
}
