#include "keeper/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* True when what `a` and `b` have open for one address is one and the same for the firewall. */
static bool same_element(const struct keeper_state *k, uint32_t a, const struct ledger_what *what_a,
    uint32_t b, const struct ledger_what *what_b)
{
	if (what_a->protocol != 0 || what_b->protocol != 0)
		return ledger_same(what_a, what_b);
	return k->config.clients[a].policy == k->config.clients[b].policy;
}

int64_t keeper_live_until(const struct keeper_state *k, uint32_t holder, const struct addr *address,
    const struct ledger_what *what)
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
	const char *owner = keeper_state_name(k, e->holder);

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

/* What rule scripts have opened is theirs to shut: it is not in our rules. */
static bool opened_by_program(const struct keeper_state *k, const struct ledger_what *what)
{
	return what->protocol != 0 && k->config.settings->openspa.firewall != CONF_ASKED_NATIVE;
}

bool keeper_live_collect(struct keeper_live *out, const struct keeper_state *k, int64_t now_boot_ns)
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
			    keeper_live_until(k, e->holder, &e->address, &e->what) - now_boot_ns;

			if (left >= NS_PER_MS && !opened_by_program(k, &e->what) &&
			    speaks_for_element(k, e))
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
