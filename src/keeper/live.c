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

int64_t keeper_live_until(const struct keeper_state *k, const struct opening *o)
{
	const struct grant *g = next_same(grant_table_at(k->grants, &o->address), o);
	int64_t latest = 0;

	for (; g != NULL; g = next_same(g->next, o)) {
		if (g->wanted_ns > latest)
			latest = g->wanted_ns;
	}
	return latest;
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

/* The latest end that is in force. */
static int64_t confirmed_until(const struct grant *g)
{
	int64_t latest = 0;

	for (const struct grant *s = g; s != NULL; s = next_same(s->next, &g->opening)) {
		if (s->opening.until_ns > latest)
			latest = s->opening.until_ns;
	}
	return latest;
}

struct fw_change *keeper_live_collect(
    size_t *count, const struct keeper_state *k, int64_t now_boot_ns)
{
	struct fw_change *live = calloc(grant_table_count(k->grants) + 1, sizeof *live);

	*count = 0;
	for (size_t part = 0; live != NULL && part < grant_table_parts(k->grants); part++) {
		for (const struct grant *g = grant_table_part(k->grants, part); g != NULL;
		     g = g->next) {
			struct fw_change *c = &live[*count];

			if (keeper_live_by_program(k, &g->opening) || !speaks_for_element(k, g))
				continue;
			c->opening = g->opening;
			c->opening.until_ns = confirmed_until(g);
			c->owner = keeper_state_name(k, g->opening.holder);
			*count += c->opening.until_ns - now_boot_ns >= NS_PER_MS;
		}
	}
	return live;
}
