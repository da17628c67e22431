/* What the keeper remembers, and what the desk is told of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "keeper_bench_inside.h"

size_t bench_grants(void)
{
	return grant_table_count(bench.keeper.state.grants);
}

void bench_hold(uint32_t holder, const char *address, struct bench_what what)
{
	const struct opening o = {.address = bench_address(address),
	    .ports = bench_ports(what),
	    .policy = keeper_state_policy(&bench.keeper.state, holder),
	    .holder = holder,
	    .until_ns = bench.boot_ns + BENCH_RULE_S * BENCH_S};
	struct grant *g = grant_table_add(bench.keeper.state.grants, &o);

	assert_non_null(g);
	g->opened_real_ns = bench.real_ns;
}

uint32_t bench_rules_left(void)
{
	return keeper_left(&bench.keeper);
}

void bench_let_go(uint32_t holder, const char *address, struct bench_what what)
{
	const struct addr where = bench_address(address);
	const struct ports ports = bench_ports(what);
	struct grant_table *grants = bench.keeper.state.grants;
	struct grant *g = grant_table_find(grants, holder, &where, &ports);

	assert_non_null(g);
	grant_table_remove(grants, g);
}

uint32_t bench_unlisted(uint32_t number)
{
	uint8_t uuid[DEVICE_UUID_BYTES] = {[15] = 1};

	memcpy(uuid, &number, sizeof number);
	return keeper_state_place(&bench.keeper.state, uuid);
}

void bench_rule_left(enum bench_device of, const char *address, struct bench_what what)
{
	struct rule_journal *journal = bench.keeper.rules.journal;
	size_t i = 0;
	struct rule r = {.state = RULE_REMOVING,
	    .ports = bench_ports(what),
	    .duration_s = BENCH_RULE_S,
	    .client = bench_address(address),
	    .server = bench_address("192.0.2.1")};

	while (rule_journal_at(journal, i)->state != RULE_FREE)
		i++;
	bench_uuid(r.device, of);
	rule_journal_put(journal, i, &r);
}

/* --- The desk's side */

void bench_each_session(
    void (*visit)(const struct message_session *s, void *context), void *context)
{
	struct message_cursor cursor = {0};
	struct message m;
	int tries = 0;

	do {
		assert_true(channel_send(&bench.desk, MESSAGE_SESSIONS_WANTED, &cursor, NULL));
		do { /* after each part the keeper does not listen for a while */
			bench_run();
		} while (channel_wait(&bench.desk, &m, PHASE_RUN, 1) != CHANNEL_MESSAGE &&
		         ++tries < 5000);
		assert_true(tries < 5000);
		assert_int_equal(m.body.SESSIONS.generation, bench.generation);
		assert_in_range(m.body.SESSIONS.count, 0, MESSAGE_SESSIONS_MOST);
		for (uint32_t i = 0; i < m.body.SESSIONS.count; i++)
			visit(&m.body.SESSIONS.sessions[i], context);
		cursor.next = m.body.SESSIONS.next;
	} while (cursor.next != 0);
}

bool bench_desk_is_heard(void)
{
	static const struct message_cursor first;
	struct message m;

	bench.desk_pause_ns = 0;
	assert_true(channel_send(&bench.desk, MESSAGE_SESSIONS_WANTED, &first, NULL));
	bench_run();
	if (channel_receive(&bench.desk, &m, PHASE_RUN) != CHANNEL_MESSAGE)
		return false;
	assert_true(bench.desk_pause_ns > 0);
	return true;
}

struct count {
	enum session_kind kind;
	size_t count;
};

static void count_one(const struct message_session *s, void *context)
{
	struct count *c = context;

	c->count += s->kind == c->kind;
}

size_t bench_sessions(enum session_kind kind)
{
	struct count c = {kind, 0};

	bench_each_session(count_one, &c);
	return c.count;
}

struct wanted {
	enum session_kind kind;
	const char *name;
	struct addr address;
	struct bench_what what;
	int64_t ms;
	bool is_there;
};

static void find_one(const struct message_session *s, void *context)
{
	struct wanted *w = context;

	if (s->kind == SESSION_OPEN && strcmp(s->name, w->name) == 0 &&
	    addr_equal(&s->opening.address, &w->address))
		w->ms = (s->opening.until_ns - bench.boot_ns) / NS_PER_MS;
}

int64_t bench_session_ms(const char *name, const char *address)
{
	struct wanted w = {.name = name, .address = bench_address(address), .ms = -1};

	bench_each_session(find_one, &w);
	return w.ms;
}

static void compare_one(const struct message_session *s, void *context)
{
	struct wanted *w = context;
	const struct ports ports = bench_ports(w->what);

	w->is_there |= s->kind == w->kind && strcmp(s->name, w->name) == 0 &&
	               addr_equal(&s->opening.address, &w->address) &&
	               ports_equal(&s->opening.ports, &ports) &&
	               (s->kind == SESSION_OVERDUE || s->real_ns == bench.real_ns);
}

bool bench_session_is(
    enum session_kind kind, const char *name, const char *address, struct bench_what what)
{
	struct wanted w = {kind, name, bench_address(address), what, 0, false};

	bench_each_session(compare_one, &w);
	return w.is_there;
}
