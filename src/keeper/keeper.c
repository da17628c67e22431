/* The keeper: the only process that can change the firewall. It believes nobody: every knock that
 * the doorman hands on is opened, verified and judged here again, from the keeper's own copy of the
 * configuration. It reads no file, parses nothing of variable length, and holds no private key. */
#include "keeper/keeper.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "keeper/adopt.h"
#include "keeper/sessions.h"
#include "proc/counters.h"

#define TICK_NS   NS_PER_SECOND
#define REPAIR_NS (200 * NS_PER_MS)

/* --- The end */

/* What programs have opened is shut in any case: nothing else would end it. */
static void stop(struct keeper *k, bool keep_rules)
{
	if (!keep_rules && k->fw_is_open && k->fw.ops->remove(&k->fw) != 0)
		log_line(LOG_LEVEL_ERROR, "our rules could not be removed from the firewall");
	if (k->stopping)
		return;
	k->stopping = true;
	peer_close(&k->doorman);
	peer_close(&k->desk);
	keeper_rules_stop(k);
	k->left_before = keeper_rules_left(k);
	if (k->left_before == 0)
		loop_stop(&k->process.loop);
	else
		keeper_tick(k, true);
}

void keeper_deserted(struct keeper *k)
{
	stop(k, true);
}

/* Gives a knock back unjudged. A doorman that has no room for it loses it: waiting for a process
 * that waits for us would be worse. */
static void give_back(struct keeper *k, const struct message_knock *knock, bool stale_config)
{
	struct message_knock_back m = {stale_config, *knock};

	if (!channel_try_send(&k->doorman.channel, MESSAGE_KNOCK_BACK, &m)) {
		const struct knock lost = {
		    .packet.record = knock->record, .holder = DIRECTORY_NOBODY};

		report_verdict(&k->report, VERDICT_BUSY, &lost, &k->state.config, clock_real_ns());
	}
	secret_wipe(m.knock.key, sizeof m.knock.key);
}

/* --- The rules as a whole */

/* Somebody else has changed our rules: back with them, and again until it works. */
static void repair(void *context)
{
	struct keeper *k = context;

	timer_read(k->repair_timer.fd);
	if (k->state.ledger == NULL || k->stopping)
		return;
	if (keeper_install(k, &k->state) == 0)
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

enum verdict keeper_admit(struct keeper *k)
{
	struct knock *knock = &k->batch[k->batch_count].knock;
	const struct admission admission = {.side = ADMIT_KEEPER,
	    .config = &k->state.config,
	    .replay = &k->replay,
	    .holders = keeper_state_holders(&k->state),
	    .ledger = k->state.ledger,
	    .now_ns = clock_real_ns()};
	enum verdict v;

	if (knock->program_result.has_key)
		knock->holder = keeper_state_place(&k->state, knock->packet.asked.device);
	v = admit(&admission, knock);
	if (v == VERDICT_GRANTED) {
		secret_wipe(knock->packet.key, sizeof knock->packet.key);
		keeper_state_admitted(&k->state, knock->holder);
		keeper_grant(k);
		return v;
	}
	report_verdict(&k->report, v, knock, &k->state.config, admission.now_ns);
	if (v == VERDICT_ASKED)
		keeper_ask(k, knock);
	codec_wipe(&knock->packet);
	return v;
}

static void judge(struct keeper *k, const struct message_knock *m)
{
	struct knock *knock;

	if (k->state.ledger == NULL || m->generation != k->state.config.header->generation) {
		give_back(k, m, true);
		return;
	}
	/* The quota counts what the ledger holds: one holder's knocks do not share a batch. Whose a
	 * request is shows later. */
	if (m->record.protocol == RECORD_OPENSPA || keeper_grants_for(k, m->holder))
		keeper_commit(k);
	knock = &k->batch[k->batch_count].knock;
	knock->packet.record = m->record;
	memcpy(knock->packet.key, m->key, sizeof knock->packet.key);
	/* Whose a request is, we see for ourselves. */
	knock->holder = m->record.protocol == RECORD_OPENSPA ? DIRECTORY_NOBODY : m->holder;
	knock->program_result = (struct program_result){0};
	if (keeper_admit(k) == VERDICT_WRONG_SIGNER && m->guessed)
		give_back(k, m, false);
}

bool keeper_take_knock(void *context, const struct message_knock *m, struct message_fds *fds)
{
	(void)fds;
	judge(context, m);
	return true;
}

static bool commit_batch(void *context)
{
	keeper_commit(context);
	return true;
}

/* One that we work with has ended. */
static bool end_with_peer(void *context)
{
	keeper_deserted(context);
	return true;
}

/* --- Time */

static void drop_ended(struct ledger_entry *e, void *context)
{
	struct keeper *k = context;
	char address[ADDR_TEXT_BYTES];

	if (e->expires_boot_ns > clock_boot_ns())
		return;
	log_event(LOG_LEVEL_INFO, "grant ended", "client", keeper_state_name(&k->state, e->holder),
	    "target", addr_text(&e->address, address), NULL);
	ledger_remove(k->state.ledger, e);
}

/* While it runs it is left alone: whoever can have it set anew could put it off for ever. */
void keeper_tick(struct keeper *k, bool on)
{
	if (on != k->ticking)
		timer_set(k->tick.fd, on ? TICK_NS : 0, TICK_NS);
	k->ticking = on;
}

/* Main waits for as long as there are fewer every time. */
static void say_how_far(struct keeper *k)
{
	static const struct message_empty nothing;
	uint32_t left = keeper_rules_left(k);

	if (left < k->left_before)
		channel_try_send(&k->process.main.channel, MESSAGE_KEEPER_STOPPING, &nothing);
	k->left_before = left;
	if (left == 0)
		loop_stop(&k->process.loop);
}

/* The kernel has ended its grants already, and the book only follows; those of programs end here.
 */
static void tick(void *context)
{
	struct keeper *k = context;

	timer_read(k->tick.fd);
	if (k->state.ledger == NULL)
		return;
	ledger_each(k->state.ledger, drop_ended, k);
	keeper_rules_sweep(k);
	if (k->stopping)
		say_how_far(k);
	else if (ledger_count(k->state.ledger) == 0 && keeper_rules_left(k) == 0)
		keeper_tick(k, false);
}

/* --- The desk's questions */

bool keeper_take_sessions_wanted(
    void *context, const struct message_cursor *m, struct message_fds *fds)
{
	struct keeper *k = context;
	struct message_sessions sessions = {0};

	(void)fds;
	if (k->state.ledger != NULL)
		keeper_sessions(k, m->next, &sessions);
	/* A desk that asks and does not listen must not hold up the knocks. */
	if (!channel_try_send(&k->desk.channel, MESSAGE_SESSIONS, &sessions) && errno != EAGAIN)
		keeper_deserted(k);
	return true;
}

/* --- Configuration */

static void windows_of(int64_t windows[static REPLAY_KINDS], const struct settings *s)
{
	windows[REPLAY_CLIENT] = s->replay_window_ns;
	windows[REPLAY_DEVICE] = s->openspa.window_ns;
}

/* Takes over a new configuration, all of it or nothing; an errno, or 0. */
static int change_config(struct keeper *k, int fd)
{
	struct snapshot snapshot = {0};
	struct keeper_state next;
	int64_t windows[REPLAY_KINDS];
	bool first = !k->fw_is_open;
	int error;

	if (!snapshot_map(&snapshot, fd))
		return errno;
	windows_of(windows, snapshot.settings);
	if (!keeper_state_next(&next, &snapshot, &k->state)) {
		snapshot_unmap(&snapshot);
		return ENOMEM;
	}
	if (first)
		keeper_adopt(&k->fw, &next);
	error = replay_configure(&k->replay, keeper_state_holders(&next), windows)
	            ? keeper_install(k, &next)
	            : -ENOMEM;
	if (error != 0) {
		keeper_state_free(&next);
		return -error;
	}
	keeper_state_replace(&k->state, &next);
	k->fw_is_open = true;
	keeper_rules_sweep(k);
	if (ledger_count(k->state.ledger) > 0 || keeper_rules_left(k) > 0)
		keeper_tick(k, true);
	return 0;
}

bool keeper_take_config(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)m;
	process_report(&k->process, change_config(k, fds->fd[FD_SNAPSHOT]));
	return true;
}

bool keeper_take_stop(void *context, const struct message_stop *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)fds;
	stop(k, m->keep_rules);
	return !k->process.loop.stopped;
}

/* --- The start */

static bool open_peers(struct keeper *k, struct message_fds *fds)
{
	k->doorman.burst = KEEPER_BATCH;
	k->doorman.after = commit_batch;
	k->doorman.closed = end_with_peer;
	k->desk.closed = end_with_peer;
	return process_open_peer(&k->process, &k->doorman, ROLE_DOORMAN, fds) &&
	       process_open_peer(&k->process, &k->desk, ROLE_DESK, fds) &&
	       keeper_questions_open(k, fds) && keeper_rules_open(k, fds);
}

bool keeper_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct keeper *k = context;
	struct counters *counters = counters_map(fds->fd[FD_KEEPER_COUNTERS]);

	if (counters == NULL || !codec_prepare(m->openspa) ||
	    !replay_open(&k->replay, message_fds_take(fds, FD_REPLAY), &m->replay) ||
	    fw_open(&k->fw, m->firewall) != 0)
		return false;
	report_init(&k->report, counters);
	k->tick = (struct loop_source){timer_open(), tick, k};
	k->repair_timer = (struct loop_source){timer_open(), repair, k};
	k->watch = (struct loop_source){k->fw.ops->watch(&k->fw), rules_changed, k};
	return k->tick.fd >= 0 && k->repair_timer.fd >= 0 && loop_add(&k->process.loop, &k->tick) &&
	       loop_add(&k->process.loop, &k->repair_timer) &&
	       (k->watch.fd < 0 || loop_add(&k->process.loop, &k->watch)) && open_peers(k, fds);
}

MESSAGES_TO_KEEPER(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_KEEPER(MESSAGE_ENTRY)};

int keeper_run(void)
{
	static struct keeper k;
	int status = process_run(&k.process, ROLE_KEEPER, handlers, &k, NULL);

	secret_free(k.questions.slots);
	keeper_state_free(&k.state);
	replay_close(&k.replay);
	fw_close(&k.fw);
	return status;
}
