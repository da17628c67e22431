#include "proc/keeper_sessions.h"

#include "base/clock.h"

static void add_session(struct message_sessions *m, const struct message_session *session)
{
	if (m->count < MESSAGE_SESSIONS_MOST)
		m->sessions[m->count++] = *session;
}

static void add_ledger_part(
    const struct keeper_state *k, struct message_sessions *m, size_t part, int64_t now)
{
	const struct ledger_entry *e = ledger_part(k->ledger, part);

	for (; e != NULL; e = e->next) {
		if (e->expires_boot_ns <= now)
			continue;
		add_session(
		    m, &(struct message_session){.address = e->address,
		           .what = e->what,
		           .holder = e->holder,
		           .opened_real_ns = e->opened_real_ns,
		           .remaining_ms =
		               (uint64_t)((e->expires_boot_ns - now + NS_PER_MS - 1) / NS_PER_MS)});
	}
}

void keeper_sessions(const struct keeper_state *k, uint32_t cursor, struct message_sessions *m)
{
	size_t parts = ledger_parts(k->ledger);
	size_t end = parts + snapshot_holders(&k->config);
	size_t at = cursor;
	int64_t now = clock_boot_ns();

	m->generation = k->config.header->generation;
	/* Room for a part of any likely length: entries are spread by a keyed hash. */
	for (; at < end && m->count <= MESSAGE_SESSIONS_MOST / 2; at++) {
		if (at < parts) {
			add_ledger_part(k, m, at, now);
		} else if (k->seen[at - parts].real_ns != 0) {
			const struct seen *seen = &k->seen[at - parts];

			add_session(m, &(struct message_session){.address = seen->address,
			                   .holder = (uint32_t)(at - parts),
			                   .opened_real_ns = seen->real_ns});
		}
	}
	m->next = at < end ? (uint32_t)at : 0;
}
