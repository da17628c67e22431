/* What the desk may know of the keeper's grants. */
#ifndef KEEPER_SESSIONS_H
#define KEEPER_SESSIONS_H

#include "keeper/keeper.h"

/* Fills a zeroed message from the cursor on: first the grants, then the rules that should be shut
 * and are not, then the holders last seen; m->next is the cursor for more. Cursor 0 starts anew. A
 * grant that is in force from then on until all is told is told once, whatever comes and goes
 * meanwhile; the walk belongs to the grant table, so a new configuration ends it. */
void keeper_sessions(const struct keeper *k, uint32_t cursor, struct message_sessions *m);

#endif
