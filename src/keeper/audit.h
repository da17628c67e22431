/* How much of what the keeper does is told to main for the audit log. */
#ifndef KEEPER_AUDIT_H
#define KEEPER_AUDIT_H

#include <stdint.h>

#include "base/rate.h"
#include "proc/stranger.h"

#define AUDIT_CLIENTS 256

/* Of one client, so that none fills the log: grants and refusals by themselves. */
struct audit_client {
	struct rate grants, refusals;
};

struct keeper_audit {
	struct rate grants, refusals; /* of all clients together */
	uint64_t left_out;            /* since the last one that was told */
	uint64_t no_room;             /* of those: for want of room in the channel */
	struct audit_client clients[AUDIT_CLIENTS];
	struct strangers strangers;
};

/* `main` is the channel to it, and has to live as long. */
void keeper_audit_init(struct keeper_audit *a, const struct channel *main);

#endif
