#include "keeper/state.h"

#include <stdlib.h>
#include <string.h>

#include "admit/policy.h"
#include "base/clock.h"

#define GRANTS_MOST 65536

uint32_t keeper_state_holders(const struct keeper_state *k)
{
	return snapshot_holders(&k->config) + (k->unlisted != NULL ? UNLISTED_MOST : 0);
}

const char *keeper_state_name(const struct keeper_state *k, uint32_t holder)
{
	uint32_t known = snapshot_holders(&k->config);

	if (holder < known)
		return snapshot_holder_name(&k->config, holder);
	return k->unlisted->places[holder - known].name;
}

struct holder_identity keeper_state_identity(const struct keeper_state *k, uint32_t holder)
{
	const struct snapshot *s = &k->config;
	struct holder_identity who = {.device = holder >= s->client_count};

	if (!who.device)
		memcpy(who.bytes, s->clients[holder].public_key, CLIENT_KEY_BYTES);
	else if (holder < snapshot_holders(s))
		memcpy(who.bytes, s->devices[holder - s->client_count].uuid, DEVICE_UUID_BYTES);
	else if (k->unlisted != NULL)
		memcpy(who.bytes, k->unlisted->places[holder - snapshot_holders(s)].uuid,
		    DEVICE_UUID_BYTES);
	return who;
}

static bool is_there(const struct keeper_state *k, uint32_t holder)
{
	uint32_t known = snapshot_holders(&k->config);

	return holder < known || k->unlisted->places[holder - known].admitted;
}

static uint32_t find_holder(const struct keeper_state *k, const struct holder_identity *who)
{
	/* -1 becomes DIRECTORY_NOBODY. */
	return who->device ? keeper_state_device(k, who->bytes)
	                   : (uint32_t)snapshot_find_client(&k->config, who->bytes);
}

/* --- Unlisted devices */

uint32_t keeper_state_device(
    const struct keeper_state *k, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	int64_t device = snapshot_find_device(&k->config, uuid);
	uint32_t place;

	if (device >= 0)
		return k->config.client_count + (uint32_t)device;
	place = k->unlisted == NULL ? UNLISTED_NONE : unlisted_find(k->unlisted, uuid);
	return place == UNLISTED_NONE ? DIRECTORY_NOBODY : snapshot_holders(&k->config) + place;
}

/* True when nothing stands open for a unlisted any more. */
static bool may_go(const void *context, uint32_t place)
{
	const struct keeper_state *k = context;

	return grant_table_held_by(k->grants, snapshot_holders(&k->config) + place) == 0;
}

uint32_t keeper_state_place(struct keeper_state *k, const uint8_t uuid[static DEVICE_UUID_BYTES])
{
	uint32_t holder = keeper_state_device(k, uuid), place;

	if (holder != DIRECTORY_NOBODY || k->unlisted == NULL)
		return holder;
	place = unlisted_place(k->unlisted, uuid, may_go, k);
	if (place == UNLISTED_NONE)
		return DIRECTORY_NOBODY;
	holder = snapshot_holders(&k->config) + place;
	k->seen[holder] = (struct seen){0};
	return holder;
}

void keeper_state_admitted(struct keeper_state *k, uint32_t holder)
{
	uint32_t known = snapshot_holders(&k->config);

	if (holder >= known)
		k->unlisted->places[holder - known].admitted = true;
}

/* --- */

/* What a program said yes to stands until it ends: it is not asked again. */
static bool device_may_hold(const struct keeper_state *k, const struct device *d,
    const struct opening *o, int64_t now_real_ns)
{
	const struct asked asked = {.target = o->address, .ports = o->ports};

	return !d->revoked && now_real_ns <= d->expires_ns &&
	       (k->config.settings->openspa.authorization != CONF_ASKED_NATIVE ||
	           policy_duration(&k->config, d, &asked) > 0);
}

static bool unlisted_may_hold(const struct keeper_state *k, const struct unlisted_device *v,
    const struct opening *o, int64_t now_real_ns)
{
	const struct device device = policy_unlisted(&k->config, v->uuid);

	return v->admitted && device_may_hold(k, &device, o, now_real_ns);
}

uint32_t keeper_state_policy(const struct keeper_state *k, uint32_t holder)
{
	return holder < k->config.client_count ? k->config.clients[holder].policy : 0;
}

bool keeper_state_may_hold(
    const struct keeper_state *k, const struct opening *o, int64_t now_real_ns)
{
	const struct snapshot *s = &k->config;
	uint32_t holder = o->holder;
	const struct client *c;

	if (holder >= keeper_state_holders(k) ||
	    (o->ports.protocol != 0) != (holder >= s->client_count))
		return false;
	if (holder >= snapshot_holders(s))
		return unlisted_may_hold(
		    k, &k->unlisted->places[holder - snapshot_holders(s)], o, now_real_ns);
	if (holder >= s->client_count)
		return device_may_hold(k, &s->devices[holder - s->client_count], o, now_real_ns);
	c = &s->clients[holder];
	return !c->revoked && now_real_ns <= c->expires_ns &&
	       s->policies[c->policy].ports.count > 0;
}

bool keeper_state_inherit(const struct keeper_state *next, const struct keeper_state *old,
    struct opening *o, int64_t now_real_ns)
{
	struct holder_identity who = keeper_state_identity(old, o->holder);

	o->holder = find_holder(next, &who);
	o->policy = keeper_state_policy(next, o->holder);
	return keeper_state_may_hold(next, o, now_real_ns);
}

/* Grants of holders that may still have them. */
static bool carry_grants(struct keeper_state *next, const struct keeper_state *old)
{
	int64_t now = clock_real_ns();

	for (const struct grant *g = grant_table_next(old->grants, NULL); g != NULL;
	     g = grant_table_next(old->grants, g)) {
		struct opening o = g->opening;
		struct grant *copy;

		if (!keeper_state_inherit(next, old, &o, now))
			continue;
		copy = grant_table_add(next->grants, &o);
		if (copy == NULL)
			return false;
		copy->opened_real_ns = g->opened_real_ns;
		copy->audit = g->audit;
	}
	return true;
}

/* Most stand beside those who stood beside them before: all of 1,000,000 by search take a second.
 */
static uint32_t find_near(
    const struct keeper_state *k, const struct holder_identity *who, uint32_t near)
{
	if (near < snapshot_holders(&k->config)) {
		const struct holder_identity there = keeper_state_identity(k, near);

		if (memcmp(&there, who, sizeof there) == 0)
			return near;
	}
	return find_holder(k, who);
}

static void carry_seen(struct keeper_state *next, const struct keeper_state *old)
{
	uint32_t ahead = 0; /* of their old numbers; less than 0 as unsigned numbers are */

	for (uint32_t i = 0; old->seen != NULL && i < keeper_state_holders(old); i++) {
		struct holder_identity who;
		uint32_t holder;

		if (old->seen[i].real_ns == 0 || !is_there(old, i))
			continue;
		who = keeper_state_identity(old, i);
		holder = find_near(next, &who, i + ahead);
		if (holder == DIRECTORY_NOBODY)
			continue;
		next->seen[holder] = old->seen[i];
		ahead = holder - i;
	}
}

/* Unlisted devices keep their places; those who stand in the configuration now have one there. */
static bool carry_unlisted(struct keeper_state *next, const struct keeper_state *old)
{
	if (next->config.settings->openspa.directory == CONF_ASKED_NATIVE)
		return true;
	next->unlisted = unlisted_new();
	if (next->unlisted == NULL || old->unlisted == NULL)
		return next->unlisted != NULL;
	memcpy(next->unlisted->hash_key, old->unlisted->hash_key, sizeof old->unlisted->hash_key);
	for (uint32_t i = 0; i < UNLISTED_MOST; i++) {
		const struct unlisted_device *v = &old->unlisted->places[i];

		if (v->admitted && snapshot_find_device(&next->config, v->uuid) < 0)
			next->unlisted->places[i] = *v;
	}
	return true;
}

bool keeper_state_next(
    struct keeper_state *next, struct snapshot *snapshot, const struct keeper_state *old)
{
	bool unlisted;
	uint32_t holders;

	*next = (struct keeper_state){.config = *snapshot};
	unlisted = carry_unlisted(next, old);
	holders = keeper_state_holders(next);
	next->seen = calloc((size_t)holders + 1, sizeof *next->seen); /* never of nothing */
	next->grants = grant_table_new(GRANTS_MOST, holders);
	if (!unlisted || next->seen == NULL || next->grants == NULL || !carry_grants(next, old)) {
		next->config = (struct snapshot){0}; /* still the caller's */
		keeper_state_free(next);
		return false;
	}
	carry_seen(next, old);
	*snapshot = (struct snapshot){0};
	return true;
}

void keeper_state_replace(struct keeper_state *state, struct keeper_state *next)
{
	keeper_state_free(state);
	*state = *next;
	*next = (struct keeper_state){0};
}

void keeper_state_free(struct keeper_state *state)
{
	free(state->seen);
	grant_table_free(state->grants);
	free(state->unlisted);
	snapshot_unmap(&state->config);
	*state = (struct keeper_state){0};
}
