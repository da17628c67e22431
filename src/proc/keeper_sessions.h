/* What the desk may know of the keeper's ledger. */
#ifndef PROC_KEEPER_SESSIONS_H
#define PROC_KEEPER_SESSIONS_H

#include "proc/keeper.h"

/* Fills a zeroed message from the cursor on: first the ledger's parts, then the rules that should
 * be shut and are not, then the holders last seen; m->next is the cursor for more. */
void keeper_sessions(const struct keeper *k, uint32_t cursor, struct message_sessions *m);

#endif
