#include "proc/keeper_state.h"

#include <stdlib.h>
#include <string.h>

#include "admit/policy.h"
#include "base/clock.h"

#define LEDGER_CAPACITY 65536

static struct holder_identity identity_of(const struct snapshot *s, uint32_t holder)
{
	struct holder_identity who = {.device = holder >= s->client_count};

	if (who.device)
		memcpy(who.bytes, s->devices[holder - s->client_count].uuid, DEVICE_UUID_BYTES);
	else
		memcpy(who.bytes, s->clients[holder].public_key, CLIENT_KEY_BYTES);
	return who;
}

static uint32_t find_holder(const struct keeper_state *k, const struct holder_identity *who)
{
	int64_t device;

	if (!who->device)
		return directory_find(k->directory, who->bytes);
	device = snapshot_find_device(&k->config, who->bytes);
	return device < 0 ? DIRECTORY_NOBODY : k->config.client_count + (uint32_t)device;
}

static bool device_may_hold(const struct keeper_state *k, const struct device *d,
    const struct addr *address, const struct ledger_what *what, int64_t now_real_ns)
{
	const struct asked asked = {.target = *address,
	    .protocol = what->protocol,
	    .first_port = what->first_port,
	    .last_port = what->last_port};

	return !d->revoked && now_real_ns <= d->expires_ns &&
	       policy_duration(&k->config, d, &asked) > 0;
}

bool keeper_state_may_hold(const struct keeper_state *k, uint32_t holder,
    const struct addr *address, const struct ledger_what *what, int64_t now_real_ns)
{
	const struct snapshot *s = &k->config;
	const struct client *c;

	if (holder >= snapshot_holders(s) || (what->protocol != 0) != (holder >= s->client_count))
		return false;
	if (holder >= s->client_count)
		return device_may_hold(
		    k, &s->devices[holder - s->client_count], address, what, now_real_ns);
	c = &s->clients[holder];
	return !c->revoked && now_real_ns <= c->expires_ns &&
	       s->policies[c->policy].ports.count > 0;
}

/* Grants of holders that may still have them. */
static bool carry_ledger(struct keeper_state *next, const struct keeper_state *old)
{
	int64_t now = clock_real_ns();

	if (old->ledger == NULL)
		return true;
	for (size_t part = 0; part < ledger_parts(old->ledger); part++) {
		for (const struct ledger_entry *e = ledger_part(old->ledger, part); e != NULL;
		     e = e->next) {
			struct holder_identity who = identity_of(&old->config, e->holder);
			uint32_t holder = find_holder(next, &who);
			struct ledger_entry *copy;

			if (!keeper_state_may_hold(next, holder, &e->address, &e->what, now))
				continue;
			copy = ledger_add(next->ledger, holder, &e->address, &e->what);
			if (copy == NULL)
				return false;
			copy->opened_real_ns = e->opened_real_ns;
			copy->expires_boot_ns = e->expires_boot_ns;
		}
	}
	return true;
}

static void carry_seen(struct keeper_state *next, const struct keeper_state *old)
{
	for (uint32_t i = 0; old->seen != NULL && i < snapshot_holders(&old->config); i++) {
		struct holder_identity who = identity_of(&old->config, i);
		uint32_t holder = find_holder(next, &who);

		if (holder != DIRECTORY_NOBODY)
			next->seen[holder] = old->seen[i];
	}
}

bool keeper_state_next(
    struct keeper_state *next, struct snapshot *snapshot, const struct keeper_state *old)
{
	size_t holders = (size_t)snapshot_holders(snapshot) + 1; /* calloc(0) may give NULL */
	size_t leaving = (size_t)snapshot_holders(&old->config) + old->departed_count + 1;

	*next = (struct keeper_state){.config = *snapshot};
	next->directory = directory_new(&next->config);
	next->replay = calloc(holders, sizeof *next->replay);
	next->seen = calloc(holders, sizeof *next->seen);
	next->ledger = ledger_new(LEDGER_CAPACITY, snapshot_holders(snapshot));
	next->departed = calloc(leaving, sizeof *next->departed);
	if (next->directory == NULL || next->replay == NULL || next->seen == NULL ||
	    next->ledger == NULL || next->departed == NULL || !carry_ledger(next, old)) {
		next->config = (struct snapshot){0}; /* still the caller's */
		keeper_state_free(next);
		return false;
	}
	carry_seen(next, old);
	*snapshot = (struct snapshot){0};
	return true;
}

/* A guard goes where its holder is now: in the configuration, or among the departed for as long as
 * forgetting it could let a packet in twice. */
static void move_guard(
    struct keeper_state *next, const struct holder_identity *who, struct replay *guard)
{
	const struct settings *settings = next->config.settings;
	int64_t window = who->device ? settings->openspa.window_ns : settings->replay_window_ns;
	uint32_t holder = find_holder(next, who);

	if (holder != DIRECTORY_NOBODY) {
		next->replay[holder] = *guard;
	} else if (replay_matters(guard, clock_real_ns(), window)) {
		struct departed *d = &next->departed[next->departed_count++];

		d->who = *who;
		d->replay = *guard;
	} else {
		replay_clear(guard);
	}
	*guard = (struct replay){0};
}

void keeper_state_replace(struct keeper_state *state, struct keeper_state *next)
{
	for (uint32_t i = 0; state->replay != NULL && i < snapshot_holders(&state->config); i++) {
		struct holder_identity who = identity_of(&state->config, i);

		move_guard(next, &who, &state->replay[i]);
	}
	for (size_t i = 0; i < state->departed_count; i++)
		move_guard(next, &state->departed[i].who, &state->departed[i].replay);
	state->departed_count = 0;
	keeper_state_free(state);
	*state = *next;
	*next = (struct keeper_state){0};
}

void keeper_state_free(struct keeper_state *state)
{
	for (uint32_t i = 0; state->replay != NULL && i < snapshot_holders(&state->config); i++)
		replay_clear(&state->replay[i]);
	for (size_t i = 0; i < state->departed_count; i++)
		replay_clear(&state->departed[i].replay);
	directory_free(state->directory);
	free(state->replay);
	free(state->seen);
	ledger_free(state->ledger);
	free(state->departed);
	snapshot_unmap(&state->config);
	*state = (struct keeper_state){0};
}

/* True when what `a` and `b` have open for one address is one and the same for the firewall. */
static bool same_element(const struct keeper_state *k, uint32_t a, const struct ledger_what *what_a,
    uint32_t b, const struct ledger_what *what_b)
{
	if (what_a->protocol != 0 || what_b->protocol != 0)
		return ledger_same(what_a, what_b);
	return k->config.clients[a].policy == k->config.clients[b].policy;
}

int64_t keeper_state_open_until(const struct keeper_state *k, uint32_t holder,
    const struct addr *address, const struct ledger_what *what)
{
	int64_t latest = 0;

	for (const struct ledger_entry *e = ledger_at(k->ledger, address); e != NULL; e = e->next) {
		if (addr_equal(&e->address, address) && e->expires_boot_ns > latest &&
		    same_element(k, e->holder, &e->what, holder, what))
			latest = e->expires_boot_ns;
	}
	return latest;
}

/* Of several holders that have the same thing open, the last one's name is shown. */
static bool speaks_for_element(const struct keeper_state *k, const struct ledger_entry *entry)
{
	for (const struct ledger_entry *e = ledger_at(k->ledger, &entry->address); e != entry;
	     e = e->next) {
		if (addr_equal(&e->address, &entry->address) &&
		    same_element(k, e->holder, &e->what, entry->holder, &entry->what))
			return false;
	}
	return true;
}

static void add_live(struct keeper_live *live, const struct keeper_state *k,
    const struct ledger_entry *e, uint64_t timeout_ms)
{
	const char *owner = snapshot_holder_name(&k->config, e->holder);

	if (e->what.protocol == 0) {
		struct fw_grant *g = &live->grants[live->grant_count++];

		*g = (struct fw_grant){.address = e->address,
		    .policy = k->config.clients[e->holder].policy,
		    .timeout_ms = timeout_ms};
		memcpy(g->owner, owner, sizeof g->owner);
	} else {
		struct fw_opening *o = &live->openings[live->opening_count++];

		*o = (struct fw_opening){.address = e->address,
		    .protocol = e->what.protocol,
		    .first = e->what.first_port,
		    .last = e->what.last_port,
		    .timeout_ms = timeout_ms};
		memcpy(o->owner, owner, sizeof o->owner);
	}
}

bool keeper_state_live(struct keeper_live *out, const struct keeper_state *k, int64_t now_boot_ns)
{
	size_t most = ledger_count(k->ledger) + 1;

	*out = (struct keeper_live){.grants = calloc(most, sizeof *out->grants),
	    .openings = calloc(most, sizeof *out->openings)};
	if (out->grants == NULL || out->openings == NULL) {
		keeper_live_free(out);
		return false;
	}
	for (size_t part = 0; part < ledger_parts(k->ledger); part++) {
		for (const struct ledger_entry *e = ledger_part(k->ledger, part); e != NULL;
		     e = e->next) {
			int64_t left =
			    keeper_state_open_until(k, e->holder, &e->address, &e->what) -
			    now_boot_ns;

			if (left >= NS_PER_MS && speaks_for_element(k, e))
				add_live(out, k, e, (uint64_t)(left / NS_PER_MS));
		}
	}
	return true;
}

void keeper_live_free(struct keeper_live *live)
{
	free(live->grants);
	free(live->openings);
	*live = (struct keeper_live){0};
}
