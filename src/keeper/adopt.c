#include "keeper/adopt.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define ADOPT_MOST 65536

/* Enters what a predecessor left open, if a holder of that name may still have it. */
static bool adopt_one(struct keeper_state *state, const char *owner, const struct addr *address,
    const struct ledger_what *what, uint32_t policy, uint64_t timeout_ms)
{
	int64_t now_real = clock_real_ns();

	for (uint32_t h = 0; h < snapshot_holders(&state->config); h++) {
		struct ledger_entry *e;

		if (strcmp(snapshot_holder_name(&state->config, h), owner) != 0 ||
		    !keeper_state_may_hold(state, h, address, what, now_real) ||
		    (what->protocol == 0 && state->config.clients[h].policy != policy))
			continue;
		e = ledger_add(state->ledger, h, address, what);
		if (e == NULL)
			return false;
		e->opened_real_ns = now_real;
		e->expires_boot_ns = clock_boot_ns() + (int64_t)timeout_ms * NS_PER_MS;
		return true;
	}
	return false;
}

static uint32_t adopt_grants(struct fw *fw, struct keeper_state *state)
{
	static const struct ledger_what by_policy;
	struct fw_grant *left = calloc(ADOPT_MOST, sizeof *left);
	int count = left == NULL ? 0 : fw->ops->adopt(fw, &state->config, left, ADOPT_MOST);
	uint32_t adopted = 0;

	for (int i = 0; i < count; i++)
		adopted += adopt_one(state, left[i].owner, &left[i].address, &by_policy,
		    left[i].policy, left[i].timeout_ms);
	free(left);
	return adopted;
}

static uint32_t adopt_openings(struct fw *fw, struct keeper_state *state)
{
	struct fw_opening *left = calloc(ADOPT_MOST, sizeof *left);
	int count = left == NULL ? 0 : fw->ops->adopt_ports(fw, left, ADOPT_MOST);
	uint32_t adopted = 0;

	for (int i = 0; i < count; i++) {
		const struct ledger_what what = {left[i].protocol, left[i].first, left[i].last};

		adopted +=
		    adopt_one(state, left[i].owner, &left[i].address, &what, 0, left[i].timeout_ms);
	}
	free(left);
	return adopted;
}

void keeper_adopt(struct fw *fw, struct keeper_state *state)
{
	bool ours = state->config.settings->openspa.firewall == CONF_ASKED_NATIVE;
	uint32_t adopted = adopt_grants(fw, state) + (ours ? adopt_openings(fw, state) : 0);

	if (adopted > 0)
		log_line(LOG_LEVEL_INFO, "took over %u grants that a predecessor left", adopted);
}
