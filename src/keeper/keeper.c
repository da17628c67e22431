/* The keeper: the only process that can change the firewall. It believes nobody: every knock that
 * the doorman hands on is opened, verified and judged here again, from the keeper's own copy of the
 * configuration. It reads no file, parses nothing of variable length, and holds no private key. */
#include "keeper/keeper.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "keeper/adopt.h"
#include "keeper/sessions.h"
#include "proc/counters.h"
#include "proc/slice.h"

#define REPAIR_NS (200 * NS_PER_MS)
#define SLEPT_NS  (100 * NS_PER_MS) /* less is added up until it is worth while */

/* After a page for the desk four times as long as it took is for the knocks. */
#define DESK_SHARE        4
#define DESK_PAUSE_NS     (200 * NS_PER_MS / 1000)
#define DESK_PAUSE_MAX_NS (100 * NS_PER_MS)

/* Gives a knock back unjudged. A doorman that has no room for it loses it: waiting for a process
 * that waits for us would be worse. */
static void give_back(
    struct keeper_doorman *from, const struct message_knock *knock, bool stale_config)
{
	struct message_knock_back m = {stale_config, *knock};

	if (!channel_try_send(&from->peer.channel, MESSAGE_KNOCK_BACK, &m)) {
		const struct knock lost = {
		    .packet.record = knock->record, .holder = DIRECTORY_NOBODY};

		keeper_report(from->keeper, VERDICT_BUSY, &lost);
	}
	secret_wipe(m.knock.key, sizeof m.knock.key);
}

/* --- The rules as a whole */

/* Somebody else has changed our rules: back with them, and again until it works. */
static void repair(void *context)
{
	struct keeper *k = context;

	timer_read(k->repair_timer.fd);
	if (k->state.grants == NULL || k->stopping)
		return;
	k->report.counters->counts[COUNT_FIREWALL] = 0;
	if (keeper_install(k, &k->state) == 0) {
		k->report.counters->counts[COUNT_FIREWALL_REPAIRS]++;
		log_event(LOG_LEVEL_WARN, "somebody changed our rules in the firewall; repaired",
		    "event", "firewall-repaired", NULL);
	} else {
		timer_set(k->repair_timer.fd, REPAIR_NS, 0);
	}
}

static void rules_changed(void *context)
{
	struct keeper *k = context;

	if (k->fw.ops->disturbed(&k->fw))
		repair(k);
}

/* --- Knocks */

bool keeper_take_knock(void *context, const struct message_knock *m, struct message_fds *fds)
{
	struct keeper_doorman *from = context;
	struct keeper *k = from->keeper;
	struct knock *knock = &k->judged;
	enum verdict v;

	(void)fds;
	from->taken++; /* and through with it at the next commit */
	if (k->state.grants == NULL || m->generation != k->state.config.header->generation) {
		give_back(from, m, true);
		return true;
	}
	knock->packet.record = m->record;
	knock->packet.record.doorman = (uint8_t)(from - k->doormen);
	memcpy(knock->packet.key, m->key, sizeof knock->packet.key);
	/* Whose a request is, we see for ourselves. */
	knock->holder = m->record.protocol == RECORD_OPENSPA ? DIRECTORY_NOBODY : m->holder;
	knock->program_result = (struct program_result){0};
	v = keeper_admit(k, knock);
	if (v == VERDICT_ASKED)
		keeper_ask(k, knock);
	if (v == VERDICT_WRONG_SIGNER && m->guessed)
		give_back(from, m, false);
	codec_wipe(&knock->packet);
	/* What is refused keeps nothing waiting that was admitted: it is remembered already, and a
	 * kill -9 before its grant would lose it. */
	if (v != VERDICT_GRANTED)
		keeper_commit(k);
	return true;
}

/* --- Time */

static void log_ended(struct keeper *k, const struct opening *o)
{
	char address[ADDR_TEXT_BYTES], suppressed[REPORT_COUNT_BYTES];

	if (report_ended(&k->report, suppressed))
		log_event(LOG_LEVEL_INFO, "grant ended", "client",
		    keeper_state_name(&k->state, o->holder), "target",
		    addr_text(&o->address, address), "suppressed", suppressed, "event", "grant-end",
		    NULL);
}

static void drop_ended(struct keeper *k)
{
	struct grant_table *grants = k->state.grants;
	int64_t now = clock_boot_ns();
	struct grant *next;

	for (struct grant *g = grant_table_next(grants, NULL); g != NULL; g = next) {
		next = grant_table_next(grants, g);
		if (g->opening.until_ns > now)
			continue;
		log_ended(k, &g->opening);
		keeper_audit_end(k, g, AUDIT_END_EXPIRED);
		keeper_close(k, g);
		grant_table_remove(grants, g);
	}
	keeper_count_grants(k);
}

/* Main waits for as long as there are fewer every time. */
static void say_how_far(struct keeper *k)
{
	static const struct message_empty nothing;
	uint32_t left = keeper_left(k);

	if (left < k->left_before)
		channel_try_send(&k->process.main.channel, MESSAGE_KEEPER_STOPPING, &nothing);
	k->left_before = left;
	if (left == 0)
		loop_stop(&k->process.loop);
}

/* Programs have something to do or to shut; the grant table is looked at while there is need. */
static void go_on(struct keeper *k)
{
	if (k->programs.ops != NULL)
		k->programs.ops->tick(&k->programs);
	keeper_tick(k, k->stopping || grant_table_count(k->state.grants) > 0 ||
	                   keeper_left(k) > 0 || k->questions.waiting > 0);
}

/* The kernel's timers stood still while the machine slept: they are set anew for what is left. */
static void make_up_for_sleep(struct keeper *k)
{
	int64_t asleep_ns = clock_asleep_ns();

	if (asleep_ns - k->asleep_ns < SLEPT_NS || k->stopping || keeper_install(k, &k->state) != 0)
		return; /* the next tick tries again */
	k->asleep_ns = asleep_ns;
	log_line(LOG_LEVEL_INFO, "the machine has slept: grants go on for what is left of them");
}

/* The table follows the kernel, which has ended its grants; those of programs end here. */
static void tick(void *context)
{
	struct keeper *k = context;

	timer_read(k->tick.fd);
	if (k->state.grants == NULL)
		return;
	drop_ended(k);
	keeper_questions_check(k);
	make_up_for_sleep(k);
	go_on(k);
	if (k->stopping)
		say_how_far(k);
}

/* --- The desk's questions */

static void listen_to_desk(void *context)
{
	struct keeper *k = context;

	timer_read(k->desk_pause.fd);
	if (k->desk.channel.fd >= 0)
		loop_add(&k->process.loop, &k->desk.source);
}

/* A desk that asks without end must not take the processor: what it asks waits in its channel. */
static void pause_desk(struct keeper *k, int64_t took_ns)
{
	int64_t pause_ns = DESK_SHARE * took_ns;

	if (k->desk.channel.fd < 0)
		return;
	if (pause_ns < DESK_PAUSE_NS)
		pause_ns = DESK_PAUSE_NS;
	if (pause_ns > DESK_PAUSE_MAX_NS)
		pause_ns = DESK_PAUSE_MAX_NS;
	if (timer_set(k->desk_pause.fd, pause_ns, 0))
		loop_remove(&k->process.loop, &k->desk.source);
}

bool keeper_take_sessions_wanted(
    void *context, const struct message_cursor *m, struct message_fds *fds)
{
	struct keeper *k = context;
	struct message_sessions sessions = {0};
	int64_t began = clock_boot_ns();

	(void)fds;
	if (k->state.grants != NULL)
		keeper_sessions(k, m->next, &sessions);
	/* A desk that asks and does not listen must not hold up the knocks. */
	if (!channel_try_send(&k->desk.channel, MESSAGE_SESSIONS, &sessions) && errno != EAGAIN)
		keeper_deserted(k);
	pause_desk(k, clock_boot_ns() - began);
	return true;
}

/* --- Configuration */

/* Closes what nobody may have under the next configuration. Rules of nftables are new anyway. */
static void close_lost(struct keeper *k, const struct keeper_state *next)
{
	const struct grant_table *grants = k->state.grants;
	int64_t now = clock_real_ns();

	if (grants == NULL || grant_table_count(grants) == grant_table_count(next->grants))
		return; /* all of them go on */
	for (const struct grant *g = grant_table_next(grants, NULL); g != NULL;
	     g = grant_table_next(grants, g)) {
		struct opening o = g->opening;

		if (keeper_state_inherit(next, &k->state, &o, now))
			continue;
		keeper_audit_end(k, g, keeper_audit_why_lost(next, &o, now));
		keeper_close(k, g);
	}
}

/* Takes over a new configuration, all of it or nothing; an errno, or 0. */
static int change_config(struct keeper *k, const struct message_fds *fds)
{
	struct snapshot snapshot = {0};
	struct keeper_state next;
	const struct settings *s;
	bool first = !k->fw_is_open;
	int error;

	if (!process_snapshot(&k->process, &snapshot, fds))
		return errno;
	if (!keeper_state_next(&next, &snapshot, &k->state)) {
		snapshot_unmap(&snapshot);
		return ENOMEM;
	}
	if (first)
		keeper_adopt(&k->fw, &next);
	s = next.config.settings;
	error =
	    replay_configure(&k->replay, keeper_state_holders(&next),
	        (const int64_t[]){
	            [REPLAY_CLIENT] = s->replay_window_ns, [REPLAY_DEVICE] = s->openspa.window_ns})
	        ? keeper_install(k, &next)
	        : -ENOMEM;
	if (error != 0) {
		keeper_state_free(&next);
		return -error;
	}
	close_lost(k, &next);
	keeper_state_replace(&k->state, &next);
	keeper_count_grants(k);
	k->fw_is_open = true;
	go_on(k);
	return 0;
}

bool keeper_take_config(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)m;
	process_report(&k->process, change_config(k, fds));
	return true;
}

bool keeper_take_stop(void *context, const struct message_stop *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)fds;
	keeper_stop(k, m->keep_rules);
	return !k->process.loop.stopped;
}

/* --- The start */

static bool commit_knocks(void *doorman)
{
	return keeper_commit(((struct keeper_doorman *)doorman)->keeper);
}

static bool doorman_ended(void *doorman)
{
	return keeper_deserted(((struct keeper_doorman *)doorman)->keeper);
}

/* The next of them. */
static bool open_doorman(struct keeper *k, struct message_fds *fds)
{
	struct keeper_doorman *d = &k->doormen[k->doorman_count];

	d->keeper = k;
	d->peer.room = k->arrived;
	d->peer.burst = KEEPER_BATCH;
	d->peer.after = commit_knocks;
	d->peer.closed = doorman_ended;
	d->taken = d->held->judged;
	if (!process_open_peer(&k->process, &d->peer, ROLE_DOORMAN, fds))
		return false;
	d->peer.context = d;
	k->doorman_count++;
	return true;
}

bool keeper_take_doorman(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)m;
	return k->doorman_count < k->doormen_expected && open_doorman(k, fds);
}

static bool map_held(struct keeper *k, int fd)
{
	if (k->doormen_expected == 0 || k->doormen_expected > DOORMEN_MOST)
		return false;
	for (unsigned int i = 0; i < k->doormen_expected; i++)
		if ((k->doormen[i].held = held_map(fd, i)) == NULL)
			return false;
	return true;
}

static bool open_peers(struct keeper *k, struct message_fds *fds)
{
	k->desk.closed = keeper_deserted;
	return open_doorman(k, fds) && process_open_peer(&k->process, &k->desk, ROLE_DESK, fds) &&
	       keeper_questions_open(k, fds) && keeper_rules_open(k, fds);
}

bool keeper_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct keeper *k = context;
	struct counters *counters = counters_map(fds->fd[FD_KEEPER_COUNTERS], 0);

	keeper_open_shield(k, fds);
	slice_shorten();
	k->patience = (m->patience_ms + 999) / 1000 + 1;
	k->doormen_expected = m->doormen;
	if (!map_held(k, fds->fd[FD_HELD]) || counters == NULL || !codec_prepare(m->openspa) ||
	    !replay_open(&k->replay, message_fds_take(fds, FD_REPLAY)) ||
	    fw_open(&k->fw, m->firewall, m->boot_id, message_fds_take(fds, FD_FIREWALL)) != 0)
		return false;
	keeper_drop_unkept(k);
	report_init(&k->report, counters);
	keeper_audit_init(&k->audit, &k->process.main.channel);
	k->asleep_ns = clock_asleep_ns();
	k->tick = (struct loop_source){timer_open(), tick, k};
	k->repair_timer = (struct loop_source){timer_open(), repair, k};
	k->desk_pause = (struct loop_source){timer_open(), listen_to_desk, k};
	k->watch = (struct loop_source){
	    k->fw.ops->watch == NULL ? -1 : k->fw.ops->watch(&k->fw), rules_changed, k};
	return k->tick.fd >= 0 && k->repair_timer.fd >= 0 && k->desk_pause.fd >= 0 &&
	       loop_add(&k->process.loop, &k->tick) &&
	       loop_add(&k->process.loop, &k->repair_timer) &&
	       loop_add(&k->process.loop, &k->desk_pause) &&
	       (k->watch.fd < 0 || loop_add(&k->process.loop, &k->watch)) && open_peers(k, fds);
}

MESSAGES_TO_KEEPER(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_KEEPER(MESSAGE_ENTRY)};

int keeper_run(void)
{
	static struct keeper k;
	int status = process_run(&k.process, ROLE_KEEPER, &sandbox_keeper, handlers, &k, NULL);

	keeper_audit_close(&k);
	secret_free(k.questions.slots);
	keeper_state_free(&k.state);
	replay_close(&k.replay);
	fw_close(&k.fw);
	return status;
}
