/* What the keeper's grants mean for the firewall: of all who hold the same thing open for the same
 * address, one element, until the last of them has ended. */
#ifndef KEEPER_LIVE_H
#define KEEPER_LIVE_H

#include "fw/fw.h"
#include "keeper/state.h"

/* Until when it is to be open (CLOCK_BOOTTIME): the latest that anyone who shares it has asked for.
 */
int64_t keeper_live_until(const struct keeper_state *k, const struct opening *o);
/* True when some of it is in force, or was until just now. */
bool keeper_live_is_open(const struct keeper_state *k, const struct opening *o);
/* True when a program opens and shuts it: it is not in our rules. */
bool keeper_live_by_program(const struct keeper_state *k, const struct opening *o);
/* What the firewall is to hold open by itself, each element once; the caller frees it. NULL when
 * memory is short. */
struct fw_change *keeper_live_collect(
    size_t *count, const struct keeper_state *k, int64_t now_boot_ns);

#endif
