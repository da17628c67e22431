/* What a base chain does with a packet, with all chains that it jumps to. */
#ifndef EXPLAIN_CHAIN_H
#define EXPLAIN_CHAIN_H

#include "explain/walk.h"

/* What may come of it; only one of the three where it is certain. */
struct chain_outcome {
	bool accepts, drops, goes_on;
	struct cause accepted, dropped;
};

/* The policy is in it. Adds to the doubts of `w`, and changes its packet. */
struct chain_outcome chain_ask(struct walk *w, const struct rules_chain *chain);

#endif
