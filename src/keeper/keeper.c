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
	loop_remove(&k->process.loop, &k->doorman_source);
	loop_remove(&k->process.loop, &k->desk_source);
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

	if (!channel_try_send(&k->doorman, MESSAGE_KNOCK_BACK, &m)) {
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
	    .replay = k->state.replay,
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

static void doorman_ready(void *context)
{
	struct keeper *k = context;
	enum channel_result result = CHANNEL_MESSAGE;

	for (int i = 0; i < KEEPER_BATCH && result == CHANNEL_MESSAGE; i++) {
		struct message m;

		result = channel_receive(&k->doorman, &m, PHASE_RUN);
		if (result == CHANNEL_MESSAGE) {
			judge(k, &m.body.KNOCK);
			secret_wipe(m.body.KNOCK.key, sizeof m.body.KNOCK.key);
		}
	}
	keeper_commit(k);
	if (result == CHANNEL_CLOSED)
		keeper_deserted(k);
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
		channel_try_send(&k->process.main, MESSAGE_KEEPER_STOPPING, &nothing);
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

static void desk_ready(void *context)
{
	struct keeper *k = context;
	struct message m;
	struct message_sessions sessions = {0};

	switch (channel_receive(&k->desk, &m, PHASE_RUN)) {
	case CHANNEL_MESSAGE:
		if (k->state.ledger != NULL)
			keeper_sessions(k, m.body.SESSIONS_WANTED.next, &sessions);
		/* A desk that asks and does not listen must not hold up the knocks. */
		if (!channel_try_send(&k->desk, MESSAGE_SESSIONS, &sessions) && errno != EAGAIN)
			keeper_deserted(k);
		break;
	case CHANNEL_CLOSED:
		keeper_deserted(k);
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
	error = keeper_install(k, &next);
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

/* The channels to both runners, behind the first three descriptors. */
static bool open_programs(struct keeper *k, const struct message *begin)
{
	const struct message_begin *how = &begin->body.BEGIN_KEEPER;
	const int *fd = &begin->fds[3];

	k->questions.source.fd = -1;
	k->rules.source.fd = -1;
	if (how->runner && !keeper_questions_open(k, *fd++))
		return false;
	if (!how->privileged)
		return true;
	if (!keeper_rules_open(k, fd[0], fd[1]))
		return false;
	/* The mapping is what is used, but the file stays open: main's lock on it ends with it. */
	return true;
}

static bool set_up(struct keeper *k, const struct message *begin)
{
	const struct message_begin *how = &begin->body.BEGIN_KEEPER;
	struct counters *counters;

	if (begin->fd_count != 3U + (how->runner ? 1 : 0) + (how->privileged ? 2 : 0))
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
	       (k->watch.fd < 0 || loop_add(&k->process.loop, &k->watch)) &&
	       open_programs(k, begin);
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
	secret_free(k.questions.slots);
	keeper_state_free(&k.state);
	fw_close(&k.fw);
	return ran ? 0 : 1;
}
