#include "keeper/adopt.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "keeper/live.h"

#define NOBODY UINT32_MAX

/* Holders by name, for there may be many of them and much that was left. Several may have one name.
 */
struct adoption {
	struct keeper_state *state;
	uint32_t *slots; /* holders, or NOBODY */
	uint32_t mask;
	uint32_t adopted;
};

static uint32_t first_slot(const struct adoption *a, const char *name)
{
	static const uint8_t key[SECRET_HASH_BYTES]; /* all names are the administrator's */

	return (uint32_t)secret_hash(key, name, strlen(name)) & a->mask;
}

static bool index_names(struct adoption *a)
{
	const struct snapshot *s = &a->state->config;
	size_t slots = 1;

	while (slots < 2 * (size_t)snapshot_holders(s) + 1)
		slots *= 2;
	a->mask = (uint32_t)(slots - 1);
	a->slots = malloc(slots * sizeof *a->slots);
	if (a->slots == NULL)
		return false;
	memset(a->slots, 0xff, slots * sizeof *a->slots);
	for (uint32_t h = 0; h < snapshot_holders(s); h++) {
		uint32_t i = first_slot(a, snapshot_holder_name(s, h));

		while (a->slots[i] != NOBODY)
			i = (i + 1) & a->mask;
		a->slots[i] = h;
	}
	return true;
}

/* Once, though the firewall may hand it over twice: it reads anew when rules change meanwhile. */
static void adopt_opening(struct adoption *a, const struct opening *o)
{
	struct grant_table *grants = a->state->grants;
	struct grant *g = grant_table_find(grants, o->holder, &o->address, &o->ports);

	if (g != NULL)
		return;
	g = grant_table_add(grants, o);
	if (g == NULL)
		return;
	g->opened_real_ns = clock_real_ns();
	g->audit.told_ns = clock_boot_ns(); /* by the predecessor */
	a->adopted++;
}

/* Enters what a predecessor left open, if a holder of that name may still have it. */
static void found(void *context, const struct opening *left, const char *owner)
{
	struct adoption *a = context;
	const struct keeper_state *k = a->state;
	struct opening o = *left;

	if (keeper_live_by_program(k, left))
		return;
	for (uint32_t i = first_slot(a, owner); a->slots[i] != NOBODY; i = (i + 1) & a->mask) {
		o.holder = a->slots[i];
		if (strcmp(snapshot_holder_name(&k->config, o.holder), owner) == 0 &&
		    keeper_state_policy(k, o.holder) == o.policy &&
		    keeper_state_may_hold(k, &o, clock_real_ns())) {
			adopt_opening(a, &o);
			return;
		}
	}
}

void keeper_adopt(struct fw *fw, struct keeper_state *state)
{
	struct adoption a = {.state = state};

	if (fw->ops->adopt != NULL && index_names(&a))
		fw->ops->adopt(fw, &state->config, found, &a);
	free(a.slots);
	if (a.adopted > 0)
		log_line(LOG_LEVEL_INFO, "took over %u grants that a predecessor left", a.adopted);
}
