/* Where the kernel would send a packet, by its own word (rtnetlink). */
#ifndef EXPLAIN_ROUTE_H
#define EXPLAIN_ROUTE_H

#include "base/addr.h"
#include "explain/walk.h"

struct route {
	uint32_t type;   /* RTN_* */
	uint32_t device; /* index */
	bool has_source; /* the address of ours that would be its sender's */
	struct addr source;
};

/* Of a packet of ours to `to`; or, with `p`, of one to there that comes in as `p` does. 0 or a
 * negative errno: the kernel's refusal, too. */
int route_ask(struct route *out, const struct addr *to, const struct packet *p);
/* For struct walk, without a context. */
enum walk_end route_packet(void *context, struct packet *p);
/* Tells of the packet's two ends what is known without its way. */
void route_look(struct packet *p);

#endif
