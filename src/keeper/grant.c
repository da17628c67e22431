/* From an admitted knock to an open port: what waits together goes into one transaction. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "keeper/keeper.h"
#include "keeper/live.h"

int keeper_install(struct keeper *k, const struct keeper_state *state)
{
	struct keeper_live live;
	int error;

	if (!keeper_live_collect(&live, state, clock_boot_ns()))
		return -ENOMEM;
	error = k->fw.ops->install(&k->fw, &state->config,
	    &(struct fw_live){live.grants, live.grant_count, live.openings, live.opening_count});
	keeper_live_free(&live);
	return error;
}

/* How long the element is to live: never shorter than anyone who holds it was told. */
static uint64_t timeout_of(const struct keeper *k, const struct admitted *a, int64_t now_boot_ns)
{
	int64_t until = keeper_live_until(&k->state, a->knock.holder, &a->knock.target, &a->what);

	if (until < a->expires_boot_ns)
		until = a->expires_boot_ns;
	return (uint64_t)((until - now_boot_ns + NS_PER_MS - 1) / NS_PER_MS);
}

void keeper_grant(struct keeper *k)
{
	struct admitted *a = &k->batch[k->batch_count];
	const struct asked *asked = &a->knock.packet.asked;
	int64_t now = clock_boot_ns();

	a->what = (struct ledger_what){asked->protocol, asked->first_port, asked->last_port};
	a->expires_boot_ns = now + a->knock.duration_ns;
	a->timeout_ms = timeout_of(k, a, now);
	k->batch_count++;
}

bool keeper_enter(struct keeper *k, const struct admitted *a)
{
	struct keeper_state *s = &k->state;
	int64_t now_real = clock_real_ns();
	struct ledger_entry *e =
	    ledger_find(s->ledger, a->knock.holder, &a->knock.target, &a->what);

	s->seen[a->knock.holder] = (struct seen){a->knock.target, now_real};
	if (e == NULL) {
		e = ledger_add(s->ledger, a->knock.holder, &a->knock.target, &a->what);
		if (e == NULL)
			return false;
		e->opened_real_ns = now_real;
		if (ledger_count(s->ledger) == 1)
			keeper_tick(k, true);
	}
	if (a->expires_boot_ns > e->expires_boot_ns)
		e->expires_boot_ns = a->expires_boot_ns;
	return true;
}

/* Opens a run of the batch at once: all of it by policy, or all of it by ports. */
static int open_run(struct keeper *k, const struct admitted *a, size_t count)
{
	struct fw_grant grants[KEEPER_BATCH];
	struct fw_opening openings[KEEPER_BATCH];

	for (size_t i = 0; i < count; i++) {
		const char *owner = keeper_state_name(&k->state, a[i].knock.holder);

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

	if (error == -ENOENT && keeper_install(k, &k->state) == 0)
		error = open_run(k, a, count);
	return error;
}

void keeper_send_response(struct keeper *k, const struct knock *knock)
{
	const struct record *r = &knock->packet.record;
	const struct asked *asked = &knock->packet.asked;
	const struct openspa_settings *s = &k->state.config.settings->openspa;
	const struct message_granted m = {.signer_key = knock->signer_key,
	    .source = r->source,
	    .local = r->local,
	    .source_port = r->source_port,
	    .protocol = asked->protocol,
	    .first_port = asked->first_port,
	    .last_port = asked->last_port,
	    .duration_s = (uint16_t)(knock->duration_ns / NS_PER_SECOND)};

	if (asked->protocol == 0 || s->answer == CONF_ANSWER_NEVER ||
	    (s->answer == CONF_ANSWER_SOURCE_MATCHES && !addr_equal(&r->source, &knock->target)))
		return;
	/* An answer that finds no room is lost as on the network: the client asks again. */
	channel_try_send(&k->doorman.channel, MESSAGE_GRANTED, &m);
}

static void commit_run(struct keeper *k, const struct admitted *run, size_t count)
{
	int together = open_grants(k, run, count);

	for (size_t i = 0; i < count; i++) {
		/* One that cannot be opened does not take the others with it. */
		int error = together != 0 && count > 1 ? open_grants(k, &run[i], 1) : together;
		enum verdict v = error == 0 ? VERDICT_GRANTED : VERDICT_FIREWALL_FAILED;

		if (error == 0) {
			/* A full ledger only shows less: the kernel ends the grant all the same. */
			(void)keeper_enter(k, &run[i]);
			keeper_send_response(k, &run[i].knock);
		}
		report_verdict(&k->report, v, &run[i].knock, &k->state.config, clock_real_ns());
	}
}

/* How a knock is put into force: by policy and by ports in nftables, or by a program. */
enum way { BY_POLICY, BY_PORTS, BY_PROGRAM };

static enum way way_of(const struct keeper *k, const struct admitted *a)
{
	if (a->what.protocol == 0)
		return BY_POLICY;
	return k->state.config.settings->openspa.firewall == CONF_ASKED_NATIVE ? BY_PORTS
	                                                                       : BY_PROGRAM;
}

void keeper_commit(struct keeper *k)
{
	size_t start = 0;

	while (start < k->batch_count) {
		enum way way = way_of(k, &k->batch[start]);
		size_t end = start + 1;

		while (end < k->batch_count && way_of(k, &k->batch[end]) == way)
			end++;
		for (size_t i = start; way == BY_PROGRAM && i < end; i++)
			keeper_rules_grant(k, &k->batch[i]);
		if (way != BY_PROGRAM)
			commit_run(k, &k->batch[start], end - start);
		start = end;
	}
	for (size_t i = 0; i < k->batch_count; i++)
		codec_wipe(&k->batch[i].knock.packet);
	k->batch_count = 0;
}

bool keeper_grants_for(const struct keeper *k, uint32_t holder)
{
	for (size_t i = 0; i < k->batch_count; i++) {
		if (k->batch[i].knock.holder == holder)
			return true;
	}
	return false;
}
