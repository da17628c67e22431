/* The keeper: the only process that can change the firewall. It believes nobody: every knock that
 * the doorman hands on is opened, verified and judged here again, from the keeper's own copy of the
 * configuration. It reads no file, parses nothing of variable length, and holds no private key. */
#include "proc/process.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "admit/admit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "proc/counters.h"
#include "proc/keeper_adopt.h"
#include "proc/keeper_sessions.h"
#include "proc/keeper_state.h"
#include "proc/report.h"

#define BATCH     32 /* knocks that share a transaction when many wait */
#define TICK_NS   NS_PER_SECOND
#define REPAIR_NS (200 * NS_PER_MS)

/* A knock that was admitted and waits for the firewall. */
struct admitted {
	struct knock knock;
	struct ledger_what what;
	uint64_t timeout_ms;
	int64_t expires_boot_ns;
};

struct keeper {
	struct process process;
	struct channel doorman;
	struct loop_source doorman_source;
	struct channel desk;
	struct loop_source desk_source;
	struct loop_source tick;
	struct loop_source repair_timer;
	struct loop_source watch; /* fd -1: the back-end has none */
	struct report report;
	struct fw fw;
	bool fw_is_open;
	struct keeper_state state;
	struct admitted batch[BATCH];
	size_t batch_count;
};

/* Gives a knock back unjudged. A doorman that has no room for it loses it: waiting for a process
 * that waits for us would be worse. */
static void give_back(struct keeper *k, const struct message_knock *knock, bool stale_config)
{
	struct message_knock_back m = {stale_config, *knock};

	if (!channel_try_send(&k->doorman, MESSAGE_KNOCK_BACK, &m)) {
		const struct knock lost = {
		    .packet.record = knock->record, .holder = DIRECTORY_NOBODY};

		report_verdict(&k->report, VERDICT_BUSY, &lost, &k->state.config, clock_real_ns());
	}
	secret_wipe(m.knock.key, sizeof m.knock.key);
}

/* --- The rules as a whole */

static int install(struct keeper *k, const struct keeper_state *state)
{
	struct keeper_live live;
	int error;

	if (!keeper_state_live(&live, state, clock_boot_ns()))
		return -ENOMEM;
	error = k->fw.ops->install(&k->fw, &state->config,
	    &(struct fw_live){live.grants, live.grant_count, live.openings, live.opening_count});
	keeper_live_free(&live);
	return error;
}

/* Somebody else has changed our rules: back with them, and again until it works. */
static void repair(void *context)
{
	struct keeper *k = context;

	timer_read(k->repair_timer.fd);
	if (k->state.ledger == NULL)
		return;
	if (install(k, &k->state) == 0)
		log_line(LOG_LEVEL_WARN, "somebody changed our rules in the firewall; repaired");
	else
		timer_set(k->repair_timer.fd, REPAIR_NS, 0);
}

static void rules_changed(void *context)
{
	struct keeper *k = context;

	if (k->fw.ops->disturbed(&k->fw))
		repair(k);
}

/* --- Knocks */

/* How long the element is to live: never shorter than anyone who holds it was told. */
static uint64_t timeout_of(const struct keeper *k, const struct admitted *a, int64_t now_boot_ns)
{
	int64_t until =
	    keeper_state_open_until(&k->state, a->knock.holder, &a->knock.target, &a->what);

	if (until < a->expires_boot_ns)
		until = a->expires_boot_ns;
	return (uint64_t)((until - now_boot_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void add_to_batch(struct keeper *k, struct admitted *a)
{
	const struct asked *asked = &a->knock.packet.asked;
	int64_t now = clock_boot_ns();

	a->what = (struct ledger_what){asked->protocol, asked->first_port, asked->last_port};
	a->expires_boot_ns = now + a->knock.duration_ns;
	a->timeout_ms = timeout_of(k, a, now);
	k->batch_count++;
}

/* Enters a grant that the firewall has confirmed. */
static void enter(struct keeper *k, const struct admitted *a)
{
	struct keeper_state *s = &k->state;
	int64_t now_real = clock_real_ns();
	struct ledger_entry *e =
	    ledger_find(s->ledger, a->knock.holder, &a->knock.target, &a->what);

	s->seen[a->knock.holder] = (struct seen){a->knock.target, now_real};
	if (e == NULL) {
		/* A full ledger only shows less: the kernel ends the grant all the same. */
		e = ledger_add(s->ledger, a->knock.holder, &a->knock.target, &a->what);
		if (e == NULL)
			return;
		e->opened_real_ns = now_real;
		if (ledger_count(s->ledger) == 1)
			timer_set(k->tick.fd, TICK_NS, TICK_NS);
	}
	if (a->expires_boot_ns > e->expires_boot_ns)
		e->expires_boot_ns = a->expires_boot_ns;
}

/* Opens a run of the batch at once: all of it by policy, or all of it by ports. */
static int open_run(struct keeper *k, const struct admitted *a, size_t count)
{
	struct fw_grant grants[BATCH];
	struct fw_opening openings[BATCH];

	for (size_t i = 0; i < count; i++) {
		const char *owner = snapshot_holder_name(&k->state.config, a[i].knock.holder);

		if (a->what.protocol == 0) {
			grants[i] = (struct fw_grant){.address = a[i].knock.target,
			    .policy = k->state.config.clients[a[i].knock.holder].policy,
			    .timeout_ms = a[i].timeout_ms};
			memcpy(grants[i].owner, owner, sizeof grants[i].owner);
		} else {
			openings[i] = (struct fw_opening){.address = a[i].knock.target,
			    .protocol = a[i].what.protocol,
			    .first = a[i].what.first_port,
			    .last = a[i].what.last_port,
			    .timeout_ms = a[i].timeout_ms};
			memcpy(openings[i].owner, owner, sizeof openings[i].owner);
		}
	}
	return a->what.protocol == 0 ? k->fw.ops->grant(&k->fw, grants, count)
	                             : k->fw.ops->open_ports(&k->fw, openings, count);
}

/* The same; when our rules are gone, puts them back and tries again. */
static int open_grants(struct keeper *k, const struct admitted *a, size_t count)
{
	int error = open_run(k, a, count);

	if (error == -ENOENT && install(k, &k->state) == 0)
		error = open_run(k, a, count);
	return error;
}

/* What an OpenSPA client is told, once the firewall has confirmed. */
static void tell_granted(struct keeper *k, const struct admitted *a)
{
	const struct record *r = &a->knock.packet.record;
	const struct openspa_settings *s = &k->state.config.settings->openspa;
	const struct message_granted m = {.generation = k->state.config.header->generation,
	    .holder = a->knock.holder,
	    .source = r->source,
	    .local = r->local,
	    .source_port = r->source_port,
	    .protocol = a->what.protocol,
	    .first_port = a->what.first_port,
	    .last_port = a->what.last_port,
	    .duration_s = (uint16_t)(a->knock.duration_ns / NS_PER_SECOND)};

	if (a->what.protocol == 0 || s->answer == CONF_ANSWER_NEVER ||
	    (s->answer == CONF_ANSWER_SOURCE_MATCHES && !addr_equal(&r->source, &a->knock.target)))
		return;
	/* An answer that finds no room is lost as on the network: the client asks again. */
	channel_try_send(&k->doorman, MESSAGE_GRANTED, &m);
}

static void commit_run(struct keeper *k, const struct admitted *run, size_t count)
{
	int together = open_grants(k, run, count);

	for (size_t i = 0; i < count; i++) {
		/* One that cannot be opened does not take the others with it. */
		int error = together != 0 && count > 1 ? open_grants(k, &run[i], 1) : together;
		enum verdict v = error == 0 ? VERDICT_GRANTED : VERDICT_FIREWALL_FAILED;

		if (error == 0) {
			enter(k, &run[i]);
			tell_granted(k, &run[i]);
		}
		report_verdict(&k->report, v, &run[i].knock, &k->state.config, clock_real_ns());
	}
}

static void commit_batch(struct keeper *k)
{
	size_t start = 0;

	while (start < k->batch_count) {
		size_t end = start + 1;

		while (end < k->batch_count &&
		       (k->batch[end].what.protocol == 0) == (k->batch[start].what.protocol == 0))
			end++;
		commit_run(k, &k->batch[start], end - start);
		start = end;
	}
	k->batch_count = 0;
}

/* The quota counts what the ledger holds: one holder's knocks do not share a batch. */
static bool waits_for(const struct keeper *k, uint32_t holder)
{
	for (size_t i = 0; i < k->batch_count; i++) {
		if (k->batch[i].knock.holder == holder)
			return true;
	}
	return false;
}

static void judge(struct keeper *k, const struct message_knock *m)
{
	struct admitted *a;
	const struct admission admission = {.side = ADMIT_KEEPER,
	    .config = &k->state.config,
	    .replay = k->state.replay,
	    .ledger = k->state.ledger,
	    .now_ns = clock_real_ns()};
	enum verdict v;

	if (k->state.ledger == NULL || m->generation != k->state.config.header->generation) {
		give_back(k, m, true);
		return;
	}
	if (waits_for(k, m->holder))
		commit_batch(k);
	a = &k->batch[k->batch_count];
	a->knock.packet.record = m->record;
	memcpy(a->knock.packet.key, m->key, sizeof a->knock.packet.key);
	a->knock.holder = m->holder;
	v = admit(&admission, &a->knock);
	secret_wipe(a->knock.packet.key, sizeof a->knock.packet.key);
	if (v == VERDICT_GRANTED) {
		add_to_batch(k, a);
		return;
	}
	report_verdict(&k->report, v, &a->knock, &k->state.config, admission.now_ns);
	if (v == VERDICT_WRONG_SIGNER && m->guessed)
		give_back(k, m, false);
}

static void doorman_ready(void *context)
{
	struct keeper *k = context;
	enum channel_result result = CHANNEL_MESSAGE;

	for (int i = 0; i < BATCH && result == CHANNEL_MESSAGE; i++) {
		struct message m;

		result = channel_receive(&k->doorman, &m, PHASE_RUN);
		if (result == CHANNEL_MESSAGE) {
			judge(k, &m.body.KNOCK);
			secret_wipe(m.body.KNOCK.key, sizeof m.body.KNOCK.key);
		}
	}
	commit_batch(k);
	if (result == CHANNEL_CLOSED)
		loop_stop(&k->process.loop);
}

/* --- Time */

static void drop_ended(struct ledger_entry *e, void *context)
{
	struct keeper *k = context;
	char address[ADDR_TEXT_BYTES];

	if (e->expires_boot_ns > clock_boot_ns())
		return;
	log_event(LOG_LEVEL_INFO, "grant ended", "client",
	    snapshot_holder_name(&k->state.config, e->holder), "target",
	    addr_text(&e->address, address), NULL);
	ledger_remove(k->state.ledger, e);
}

/* The kernel has ended them already; this only keeps the book. */
static void tick(void *context)
{
	struct keeper *k = context;

	timer_read(k->tick.fd);
	if (k->state.ledger == NULL)
		return;
	ledger_each(k->state.ledger, drop_ended, k);
	if (ledger_count(k->state.ledger) == 0)
		timer_set(k->tick.fd, 0, 0);
}

/* --- The desk's questions */

static void desk_ready(void *context)
{
	struct keeper *k = context;
	struct message m;
	struct message_sessions sessions = {0};

	switch (channel_receive(&k->desk, &m, PHASE_RUN)) {
	case CHANNEL_MESSAGE:
		if (k->state.ledger != NULL)
			keeper_sessions(&k->state, m.body.SESSIONS_WANTED.next, &sessions);
		/* A desk that asks and does not listen must not hold up the knocks. */
		if (!channel_try_send(&k->desk, MESSAGE_SESSIONS, &sessions) && errno != EAGAIN)
			loop_stop(&k->process.loop);
		break;
	case CHANNEL_CLOSED:
		loop_stop(&k->process.loop);
		break;
	case CHANNEL_EMPTY:
		break;
	}
}

/* --- Configuration */

/* Takes over a new configuration, all of it or nothing; an errno, or 0. */
static int change_config(struct keeper *k, struct message *m)
{
	struct snapshot snapshot = {0};
	struct keeper_state next;
	bool first = !k->fw_is_open;
	int error;

	if (m->fd_count != 1)
		return EPROTO;
	if (!snapshot_map(&snapshot, m->fds[0]))
		return errno;
	if (!keeper_state_next(&next, &snapshot, &k->state)) {
		snapshot_unmap(&snapshot);
		return ENOMEM;
	}
	if (first)
		keeper_adopt(&k->fw, &next);
	error = install(k, &next);
	if (error != 0) {
		keeper_state_free(&next);
		return -error;
	}
	keeper_state_replace(&k->state, &next);
	k->fw_is_open = true;
	if (ledger_count(k->state.ledger) > 0)
		timer_set(k->tick.fd, TICK_NS, TICK_NS);
	return 0;
}

static void stop(struct keeper *k, bool keep_rules)
{
	if (!keep_rules && k->fw_is_open && k->fw.ops->remove(&k->fw) != 0)
		log_line(LOG_LEVEL_ERROR, "our rules could not be removed from the firewall");
	loop_stop(&k->process.loop);
}

static void main_ready(void *context)
{
	struct keeper *k = context;
	struct message m;

	switch (channel_receive(&k->process.main, &m, PHASE_RUN)) {
	case CHANNEL_MESSAGE:
		if (m.type == MESSAGE_STOP_KEEPER)
			stop(k, m.body.STOP_KEEPER.keep_rules);
		else
			process_report(&k->process, change_config(k, &m));
		message_close_fds(&m);
		break;
	case CHANNEL_CLOSED:
		/* Main is gone. The rules stay: shut is safe, and grants end by themselves. */
		loop_stop(&k->process.loop);
		break;
	case CHANNEL_EMPTY:
		break;
	}
}

static bool set_up(struct keeper *k, struct message *begin)
{
	const struct message_begin *how = &begin->body.BEGIN_KEEPER;
	struct counters *counters;

	if (begin->fd_count != 3)
		return false;
	counters = counters_map(begin->fds[2]);
	if (counters == NULL || !codec_prepare(how->openspa) || fw_open(&k->fw, how->firewall) != 0)
		return false;
	report_init(&k->report, counters);
	k->doorman = (struct channel){begin->fds[0], ROLE_KEEPER, ROLE_DOORMAN};
	k->doorman_source = (struct loop_source){k->doorman.fd, doorman_ready, k};
	k->desk = (struct channel){begin->fds[1], ROLE_KEEPER, ROLE_DESK};
	k->desk_source = (struct loop_source){k->desk.fd, desk_ready, k};
	k->tick = (struct loop_source){timer_open(), tick, k};
	k->repair_timer = (struct loop_source){timer_open(), repair, k};
	k->watch = (struct loop_source){k->fw.ops->watch(&k->fw), rules_changed, k};
	return k->tick.fd >= 0 && k->repair_timer.fd >= 0 &&
	       loop_add(&k->process.loop, &k->doorman_source) &&
	       loop_add(&k->process.loop, &k->desk_source) &&
	       loop_add(&k->process.loop, &k->tick) &&
	       loop_add(&k->process.loop, &k->repair_timer) &&
	       (k->watch.fd < 0 || loop_add(&k->process.loop, &k->watch));
}

int role_keeper(void)
{
	static struct keeper k;
	struct message begin;
	bool ran;

	if (!process_begin(&k.process, ROLE_KEEPER, &begin) || !set_up(&k, &begin) ||
	    !process_settle(&k.process, &begin.body.BEGIN_KEEPER, main_ready, &k)) {
		log_event(
		    LOG_LEVEL_ERROR, "the keeper cannot start", "error", strerror(errno), NULL);
		return 1;
	}
	ran = loop_run(&k.process.loop);
	keeper_state_free(&k.state);
	fw_close(&k.fw);
	return ran ? 0 : 1;
}
