/* What the desk may know of the keeper's ledger. */
#ifndef PROC_KEEPER_SESSIONS_H
#define PROC_KEEPER_SESSIONS_H

#include "proc/keeper_state.h"
#include "proc/message.h"

/* Fills a zeroed message from the cursor on: first the ledger's parts, then the holders last seen;
 * m->next is the cursor for more. */
void keeper_sessions(const struct keeper_state *k, uint32_t cursor, struct message_sessions *m);

#endif
