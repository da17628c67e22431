#include "keeper/live.h"

#include <stdlib.h>

#include "base/clock.h"

/* The next grant from `g` on of what `o` is. */
static const struct grant *next_same(const struct grant *g, const struct opening *o)
{
	while (g != NULL && !opening_same(&g->opening, o))
		g = g->next;
	return g;
}

/* The latest end of what `o` is, of the grants from `g` on: as it is in force, or is asked for. */
static int64_t latest_end(const struct grant *g, const struct opening *o, bool in_force)
{
	int64_t latest = 0;

	for (g = next_same(g, o); g != NULL; g = next_same(g->next, o)) {
		int64_t end = in_force ? g->opening.until_ns : g->wanted_ns;

		if (end > latest)
			latest = end;
	}
	return latest;
}

int64_t keeper_live_until(const struct keeper_state *k, const struct opening *o)
{
	return latest_end(grant_table_at(k->grants, &o->address), o, false);
}

bool keeper_live_is_open(const struct keeper_state *k, const struct opening *o)
{
	return latest_end(grant_table_at(k->grants, &o->address), o, true) > 0;
}

bool keeper_live_by_program(const struct keeper_state *k, const struct opening *o)
{
	return o->ports.protocol != 0 && k->config.settings->openspa.firewall != CONF_ASKED_NATIVE;
}

/* Of several holders that have the same thing open, the last one's name is shown. */
static bool speaks_for_element(const struct keeper_state *k, const struct grant *g)
{
	return next_same(grant_table_at(k->grants, &g->opening.address), &g->opening) == g;
}

struct fw_change *keeper_live_collect(
    size_t *count, const struct keeper_state *k, int64_t now_boot_ns)
{
	struct fw_change *live = calloc(grant_table_count(k->grants) + 1, sizeof *live);

	*count = 0;
	if (live == NULL)
		return NULL;
	for (const struct grant *g = grant_table_next(k->grants, NULL); g != NULL;
	     g = grant_table_next(k->grants, g)) {
		struct fw_change *c = &live[*count];

		if (keeper_live_by_program(k, &g->opening) || !speaks_for_element(k, g))
			continue;
		c->opening = g->opening;
		c->opening.until_ns = latest_end(g, &g->opening, true);
		c->owner = keeper_state_name(k, g->opening.holder);
		*count += c->opening.until_ns - now_boot_ns >= NS_PER_MS;
	}
	return live;
}
