/* What the keeper's ledger means for the firewall: of all who hold the same thing open for the same
 * address, one element, until the last of them has ended. */
#ifndef KEEPER_LIVE_H
#define KEEPER_LIVE_H

#include "fw/fw.h"
#include "keeper/state.h"

/* What the firewall is to hold open, each element once. */
struct keeper_live {
	struct fw_grant *grants;
	size_t grant_count;
	struct fw_opening *openings;
	size_t opening_count;
};

/* Until when the element of that holder is open (CLOCK_BOOTTIME): the latest of all who share it.
 */
int64_t keeper_live_until(const struct keeper_state *k, uint32_t holder, const struct addr *address,
    const struct ledger_what *what);
/* False when memory is short. */
bool keeper_live_collect(
    struct keeper_live *out, const struct keeper_state *k, int64_t now_boot_ns);
void keeper_live_free(struct keeper_live *live);

#endif
