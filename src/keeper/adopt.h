/* Grants that outlived the daemon that made them. */
#ifndef KEEPER_ADOPT_H
#define KEEPER_ADOPT_H

#include "fw/fw.h"
#include "keeper/state.h"

/* Enters what a predecessor that died, or left it for us, has open in the firewall, as far as a
 * holder of that name may still have it. Before the first install, which sweeps away the rest. */
void keeper_adopt(struct fw *fw, struct keeper_state *state);

#endif
