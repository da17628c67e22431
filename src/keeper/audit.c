/* What main is told for the audit log. */
#include "keeper/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "keeper/keeper.h"

/* Of all together, lines a second and in a burst; of one client, in a burst and then each so often.
 */
#define GRANTS_RATE       100
#define GRANTS_BURST      1000
#define REFUSALS_RATE     5
#define REFUSALS_BURST    50
#define CLIENT_GRANTS     20
#define CLIENT_GRANT_NS   (10 * NS_PER_SECOND)
#define CLIENT_REFUSALS   5
#define CLIENT_REFUSAL_NS (60 * NS_PER_SECOND)
#define RENEWAL_TOLD_NS   (600 * NS_PER_SECOND)

void keeper_audit_init(struct keeper_audit *a, const struct channel *main)
{
	*a = (struct keeper_audit){.grants = rate_of(GRANTS_RATE, GRANTS_BURST),
	    .refusals = rate_of(REFUSALS_RATE, REFUSALS_BURST)};
	strangers_init(&a->strangers, main, MESSAGE_KEEPER_STRANGER);
}

/* Who shares a place with another loses it, and may be told of again. */
static struct audit_client *client_of(struct keeper_audit *a, uint32_t holder)
{
	struct audit_client *c = &a->clients[(holder * 2654435761U) >> 24];

	/* Who shares a place shares what is left of its limits. */
	if (c->grants.burst == 0)
		*c = (struct audit_client){.grants = {.interval_ns = CLIENT_GRANT_NS,
		                               .burst = CLIENT_GRANTS,
		                               .tokens = CLIENT_GRANTS},
		    .refusals = {.interval_ns = CLIENT_REFUSAL_NS,
		        .burst = CLIENT_REFUSALS,
		        .tokens = CLIENT_REFUSALS}};
	return c;
}

static void tell(struct keeper *k, struct message_audit *m)
{
	m->real_ns = clock_real_ns();
	m->left_out = k->audit.left_out;
	if (channel_try_send(&k->process.main.channel, MESSAGE_AUDIT, m)) {
		k->audit.left_out = k->audit.no_room = 0;
	} else {
		k->audit.left_out++;
		k->audit.no_room++;
	}
}

void keeper_audit_close(struct keeper *k)
{
	const struct message_audit m = {.kind = AUDIT_LEFT_OUT, .left_out = k->audit.left_out};
	char count[24];

	if (k->process.main.channel.fd < 0)
		return;
	strangers_close(&k->audit.strangers);
	if (k->audit.left_out == 0)
		return;
	snprintf(count, sizeof count, "%" PRIu64, k->audit.no_room);
	if (k->audit.no_room > 0)
		log_event(LOG_LEVEL_WARN, "ends of grants are missing from the audit log", "count",
		    count, "event", "audit-lost", NULL);
	(void)channel_send(&k->process.main.channel, MESSAGE_AUDIT, &m, NULL);
	k->audit.left_out = k->audit.no_room = 0;
}

static void put_ports(struct message_audit *m, const struct snapshot *s, const struct opening *o)
{
	struct span ports = s->policies[o->policy].ports;

	if (o->ports.protocol != 0) {
		m->ports[0] = o->ports;
		m->port_count = 1;
		return;
	}
	m->more_ports = ports.count > AUDIT_PORTS_MOST;
	m->port_count = (uint8_t)(m->more_ports ? AUDIT_PORTS_MOST : ports.count);
	memcpy(m->ports, snapshot_ports(s, ports), m->port_count * sizeof m->ports[0]);
}

static struct message_audit message_of(
    const struct keeper *k, enum audit_kind kind, const struct grant *g)
{
	struct message_audit m = {.kind = (uint8_t)kind,
	    .openspa = g->opening.ports.protocol != 0,
	    .address = g->opening.address,
	    .since_ns = g->opened_real_ns,
	    .renewals = g->audit.renewals};

	memcpy(m.client, keeper_state_name(&k->state, g->opening.holder), sizeof m.client);
	put_ports(&m, &k->state.config, &g->opening);
	return m;
}

/* Whether it is to be told now; it counts in any case. */
static bool is_worth_telling(struct keeper_audit *a, struct grant *g, int64_t now_ns)
{
	struct audit_client *c = client_of(a, g->opening.holder);

	if (g->audit.told_ns != 0)
		g->audit.renewals++;
	if (g->audit.told_ns != 0 && now_ns - g->audit.told_ns < RENEWAL_TOLD_NS)
		return false;
	if (rate_take(&c->grants, now_ns) && rate_take(&a->grants, now_ns))
		return true;
	a->left_out++;
	return false;
}

void keeper_audit_grant(struct keeper *k, struct grant *g, const struct knock *knock)
{
	int64_t now_ns = clock_boot_ns();
	const struct openspa_settings *s = &k->state.config.settings->openspa;
	struct message_audit m;

	if (!is_worth_telling(&k->audit, g, now_ns))
		return;
	m = message_of(k, g->audit.told_ns == 0 ? AUDIT_GRANT : AUDIT_RENEWAL, g);
	m.source = knock->packet.record.source;
	m.source_port = knock->packet.record.source_port;
	m.until_ns = clock_real_ns() + (g->opening.until_ns - now_ns);
	m.by_program =
	    m.openspa && (s->authorization != CONF_ASKED_NATIVE || knock->program_result.has_key);
	g->audit.told_ns = now_ns;
	tell(k, &m);
}

void keeper_audit_end(struct keeper *k, const struct grant *g, enum audit_end why)
{
	struct message_audit m;

	if (g->audit.told_ns == 0)
		return;
	m = message_of(k, AUDIT_END, g);
	m.end = (uint8_t)why;
	tell(k, &m);
}

enum audit_end keeper_audit_why_lost(
    const struct keeper_state *next, const struct opening *o, int64_t now_real_ns)
{
	const struct snapshot *s = &next->config;
	bool revoked = false;
	int64_t expires_ns = NEVER_NS;

	if (o->holder == DIRECTORY_NOBODY)
		return AUDIT_END_GONE;
	if (o->holder < s->client_count) {
		revoked = s->clients[o->holder].revoked;
		expires_ns = s->clients[o->holder].expires_ns;
	} else if (o->holder < snapshot_holders(s)) {
		revoked = s->devices[o->holder - s->client_count].revoked;
		expires_ns = s->devices[o->holder - s->client_count].expires_ns;
	}
	if (revoked)
		return AUDIT_END_REVOKED;
	return now_real_ns > expires_ns ? AUDIT_END_EXPIRED : AUDIT_END_CHANGED;
}

void keeper_audit_refusal(struct keeper *k, enum verdict v, const struct knock *knock)
{
	struct message_audit m = {.kind = AUDIT_REFUSAL, .verdict = (uint8_t)v};
	int64_t now_ns = clock_boot_ns();
	char uuid[UUID_TEXT_BYTES];

	if (v == VERDICT_GRANTED || v == VERDICT_ASKED)
		return;
	if (!knock->verified) {
		strangers_tell(&k->audit.strangers, v, knock, clock_real_ns());
		return;
	}
	if (!rate_take(&client_of(&k->audit, knock->holder)->refusals, now_ns) ||
	    !rate_take(&k->audit.refusals, now_ns)) {
		k->audit.left_out++;
		return;
	}
	snprintf(m.client, sizeof m.client, "%s", report_client(knock, &k->state.config, uuid));
	m.openspa = knock->packet.record.protocol == RECORD_OPENSPA;
	m.address = knock->packet.asked.target;
	m.source = knock->packet.record.source;
	m.source_port = knock->packet.record.source_port;
	tell(k, &m);
}
