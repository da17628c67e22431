/* From a knock to an open port, on one path whatever opens it: admitted, entered into the grant
 * table, changed in the firewall, reported. What waits together goes into one transaction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "keeper/keeper.h"
#include "keeper/live.h"

#define TICK_NS NS_PER_SECOND

int keeper_install(struct keeper *k, const struct keeper_state *state)
{
	size_t count;
	struct fw_change *live = keeper_live_collect(&count, state, clock_boot_ns());
	int error =
	    live == NULL ? -ENOMEM : k->fw.ops->install(&k->fw, &state->config, live, count);

	free(live);
	if (error == 0)
		k->report.counters->counts[COUNT_FIREWALL] = 1;
	return error;
}

void keeper_count_grants(struct keeper *k)
{
	k->report.counters->counts[COUNT_GRANTS] = grant_table_count(k->state.grants);
}

/* --- Admission */

/* In the table from now on, so that the quota counts it; when it is full nothing is opened that
 * would be in nobody's sight. */
static enum verdict enter(struct keeper *k, const struct knock *knock)
{
	struct admitted *a = &k->batch[k->batch_count];
	const struct opening o = {.address = knock->target,
	    .ports = knock->packet.asked.ports,
	    .policy = keeper_state_policy(&k->state, knock->holder),
	    .holder = knock->holder};
	struct grant *g = grant_table_find(k->state.grants, o.holder, &o.address, &o.ports);

	if (g == NULL)
		g = grant_table_add(k->state.grants, &o);
	if (g == NULL)
		return VERDICT_NO_MEMORY;
	a->knock = *knock;
	secret_wipe(a->knock.packet.key, sizeof a->knock.packet.key);
	a->grant = g;
	a->until_ns = clock_boot_ns() + knock->duration_ns;
	g->pending++;
	if (g->wanted_ns < a->until_ns)
		g->wanted_ns = a->until_ns;
	k->batch_count++;
	return VERDICT_GRANTED;
}

void keeper_report(struct keeper *k, enum verdict v, const struct knock *knock)
{
	report_verdict(&k->report, v, knock, &k->state.config, clock_real_ns());
	keeper_audit_refusal(k, v, knock);
}

enum verdict keeper_admit(struct keeper *k, struct knock *knock)
{
	const struct admission admission = {.side = ADMIT_KEEPER,
	    .config = &k->state.config,
	    .replay = &k->replay,
	    .holders = keeper_state_holders(&k->state),
	    .grants = k->state.grants,
	    .now_ns = clock_real_ns()};
	enum verdict v;

	if (knock->program_result.has_key)
		knock->holder = keeper_state_place(&k->state, knock->packet.asked.device);
	v = admit(&admission, knock);
	if (v == VERDICT_GRANTED) {
		keeper_state_admitted(&k->state, knock->holder);
		v = enter(k, knock);
	}
	if (v != VERDICT_GRANTED)
		keeper_report(k, v, knock);
	return v;
}

/* --- Outcomes */

/* While it runs it is left alone: whoever can have it set anew could put it off for ever. */
void keeper_tick(struct keeper *k, bool on)
{
	if (on != k->ticking)
		timer_set(k->tick.fd, on ? TICK_NS : 0, TICK_NS);
	k->ticking = on;
}

/* Those that find no room are lost as on the network: the clients ask again. */
static void send_responses(struct keeper *k)
{
	struct keeper_responses *r = &k->responses;

	if (r->count > 0)
		channel_try_send_many(
		    &k->doormen[r->doorman].peer.channel, MESSAGE_GRANTED, r->granted, r->count);
	r->count = 0;
}

/* An OpenSPA client is told, once the firewall has confirmed, and the doorman that its source is
 * no stranger's. */
static void put_response(struct keeper *k, const struct knock *knock)
{
	const struct record *r = &knock->packet.record;
	const struct asked *asked = &knock->packet.asked;
	const struct openspa_settings *s = &k->state.config.settings->openspa;

	if (asked->ports.protocol == 0)
		return;
	if (k->responses.count == CHANNEL_TOGETHER || k->responses.doorman != r->doorman)
		send_responses(k);
	k->responses.doorman = r->doorman;
	k->responses.granted[k->responses.count++] =
	    (struct message_granted){.signer_key = knock->signer_key,
	        .source = r->source,
	        .local = r->local,
	        .source_port = r->source_port,
	        .ports = asked->ports,
	        .duration_s = (uint16_t)(knock->duration_ns / NS_PER_SECOND),
	        .silent =
	            s->answer == CONF_ANSWER_NEVER || (s->answer == CONF_ANSWER_SOURCE_MATCHES &&
	                                                  !addr_equal(&r->source, &knock->target))};
}

static enum verdict verdict_of(int error)
{
	if (error == 0)
		return VERDICT_GRANTED;
	if (error == -EBUSY)
		return VERDICT_BUSY;
	return error == -ENOMEM ? VERDICT_NO_MEMORY : VERDICT_FIREWALL_FAILED;
}

/* `g` is what was granted. */
static void conclude(struct keeper *k, enum verdict v, const struct knock *knock, struct grant *g)
{
	if (v == VERDICT_GRANTED) {
		int64_t took_ns;

		if (__builtin_sub_overflow(
		        clock_boot_ns(), knock->packet.record.arrived_ns, &took_ns))
			took_ns = -1; /* a doorman that lies */
		counters_opened(k->report.counters, took_ns);
		put_response(k, knock);
		keeper_audit_grant(k, g, knock);
	}
	keeper_report(k, v, knock);
}

/* A copy that waited. */
static void forget(struct knock *knock)
{
	if (knock != NULL)
		codec_wipe(&knock->packet);
	free(knock);
}

/* What the table says of it follows what the firewall has. */
static void settle_grant(struct keeper *k, const struct admitted *a, bool stands)
{
	struct grant *g = a->grant;
	int64_t now_real = clock_real_ns();

	g->pending--;
	if (stands) {
		k->state.seen[a->knock.holder] = (struct seen){a->knock.target, now_real};
		if (g->opening.until_ns == 0) {
			g->opened_real_ns = now_real;
			k->report.counters->counts[COUNT_GRANTS_OPENED]++;
		}
		if (g->opening.until_ns < a->until_ns)
			g->opening.until_ns = a->until_ns;
		keeper_tick(k, true);
	}
	if (g->pending > 0)
		return;
	g->wanted_ns = g->opening.until_ns;
	if (g->opening.until_ns == 0)
		grant_table_remove(k->state.grants, g);
}

static void settle(struct keeper *k, const struct admitted *a, const struct fw_change *c)
{
	settle_grant(k, a, c->outcome >= 0);
	if (c->outcome == FW_LATER)
		return; /* keeper_outcome goes on */
	forget(c->waiting);
	conclude(k, verdict_of(c->outcome), &a->knock, a->grant);
}

/* Why there is no grant any more that somebody has waited for. */
static enum verdict why_ended(const struct keeper *k, uint32_t holder, const struct knock *knock)
{
	const struct opening o = {
	    .address = knock->target, .ports = knock->packet.asked.ports, .holder = holder};

	return keeper_state_may_hold(&k->state, &o, clock_real_ns()) ? VERDICT_FIREWALL_FAILED
	                                                             : VERDICT_REVOKED;
}

void keeper_outcome(void *context, void *waiting, int error)
{
	struct keeper *k = context;
	struct knock *knock = waiting;
	/* Its number may have changed meanwhile. */
	uint32_t holder = keeper_state_device(&k->state, knock->packet.asked.device);
	struct grant *g =
	    grant_table_find(k->state.grants, holder, &knock->target, &knock->packet.asked.ports);
	bool stands = g != NULL && g->opening.until_ns > clock_boot_ns() && !k->stopping;
	enum verdict v = verdict_of(error);

	if (error == -ECANCELED || (error == 0 && !stands))
		v = why_ended(k, holder, knock);
	else if (error != 0 && g != NULL) {
		keeper_audit_end(k, g, AUDIT_END_FAILED);
		grant_table_remove(k->state.grants, g);
	}
	keeper_count_grants(k);
	conclude(k, v, knock, g);
	send_responses(k);
	forget(knock);
}

/* --- Changes */

static struct fw *back_end(struct keeper *k, const struct opening *o)
{
	return k->programs.ops != NULL && keeper_live_by_program(&k->state, o) ? &k->programs
	                                                                       : &k->fw;
}

static struct fw_change change_of(
    const struct keeper *k, const struct fw *fw, const struct admitted *a)
{
	const struct asked *asked = &a->knock.packet.asked;
	struct fw_change c = {.opening = a->grant->opening,
	    .owner = keeper_state_name(&k->state, a->knock.holder),
	    .request = {.device = asked->device,
	        .server = asked->server,
	        .duration_s = (uint16_t)(a->knock.duration_ns / NS_PER_SECOND),
	        .behind_nat = asked->behind_nat}};

	/* Never shorter than anyone who holds it was told. */
	c.fresh = a->grant->pending == 1 && !keeper_live_is_open(&k->state, &c.opening);
	c.opening.until_ns = keeper_live_until(&k->state, &c.opening);
	if (fw->ops->by_program)
		c.waiting = malloc(sizeof a->knock);
	if (c.waiting != NULL)
		memcpy(c.waiting, &a->knock, sizeof a->knock);
	return c;
}

/* When our rules are gone, puts them back and tries again. */
static int apply(struct keeper *k, struct fw *fw, struct fw_change *changes, size_t count)
{
	int error = fw->ops->change(fw, changes, count);

	if (error == -ENOENT) {
		k->report.counters->counts[COUNT_FIREWALL] = 0;
		if (keeper_install(k, &k->state) == 0)
			error = fw->ops->change(fw, changes, count);
	}
	for (size_t i = 0; error != 0 && i < count; i++)
		changes[i].outcome = error;
	return error;
}

static void commit_run(struct keeper *k, struct fw *fw, const struct admitted *run, size_t count)
{
	struct fw_change changes[KEEPER_BATCH];
	int together;

	for (size_t i = 0; i < count; i++)
		changes[i] = change_of(k, fw, &run[i]);
	together = apply(k, fw, changes, count);
	for (size_t i = 0; i < count; i++) {
		/* One that cannot be opened does not take the others with it. */
		if (together != 0 && count > 1)
			apply(k, fw, &changes[i], 1);
		settle(k, &run[i], &changes[i]);
	}
}

bool keeper_commit(void *keeper)
{
	struct keeper *k = keeper;
	size_t start = 0;

	while (start < k->batch_count) {
		struct fw *fw = back_end(k, &k->batch[start].grant->opening);
		size_t end = start + 1;

		while (end < k->batch_count && back_end(k, &k->batch[end].grant->opening) == fw)
			end++;
		commit_run(k, fw, &k->batch[start], end - start);
		start = end;
	}
	send_responses(k);
	for (size_t i = 0; i < k->batch_count; i++)
		codec_wipe(&k->batch[i].knock.packet);
	if (k->batch_count > 0)
		keeper_count_grants(k);
	k->batch_count = 0;
	replay_settle(&k->replay);
	for (unsigned int i = 0; i < k->doorman_count; i++)
		k->doormen[i].held->judged = k->doormen[i].taken;
	return true;
}

void keeper_drop_unkept(struct keeper *k)
{
	for (unsigned int i = 0; i < k->doormen_expected; i++)
		if (!held_is_fresh(k->doormen[i].held))
			return;
	replay_drop_pending(&k->replay);
}

void keeper_close(struct keeper *k, const struct grant *g)
{
	const struct opening *o = &g->opening;
	struct holder_identity who = keeper_state_identity(&k->state, o->holder);
	struct fw_change c = {.opening = *o,
	    .owner = keeper_state_name(&k->state, o->holder),
	    .request.device = who.bytes,
	    .close = true};

	/* Whatever the configuration says now: one of before may have had it opened. */
	if (k->programs.ops != NULL && o->ports.protocol != 0)
		k->programs.ops->change(&k->programs, &c, 1);
}
