/* The way of a packet through all chains that are asked about it. */
#ifndef EXPLAIN_WALK_H
#define EXPLAIN_WALK_H

#include "explain/packet.h"
#include "explain/rules.h"

#define WALK_DOUBTS 8
#define WALK_STEPS  64

/* What has decided, or would. */
struct cause {
	const struct rules_chain *chain; /* NULL: no rule: see walk_end */
	const struct rules_rule *rule;   /* NULL: the chain's policy */
	bool rejects;                    /* the sender is told */
};

/* A rule of which it cannot be told whether it matches, or what it does. */
struct doubt {
	struct cause cause;
	const char *what; /* as in struct rule_result */
	uint32_t code;    /* what it would do: NF_*; NFT_CONTINUE: not known */
};

/* A base chain that was asked and has let the packet by. */
struct walk_step {
	struct cause cause; /* what has let it by */
	bool sure;
};

enum walk_result { WALK_PASSES, WALK_DROPPED, WALK_UNSURE };

/* Why no chain has decided. */
enum walk_end {
	WALK_ARRIVES,   /* at this host */
	WALK_FORWARDED, /* by the device packet.out */
	WALK_NO_WAY,    /* the kernel would not take it: no route, a forged source, no forwarding */
	WALK_WAY_UNKNOWN, /* its target is not known */
};

struct walk {
	const struct rules *rules;
	struct packet packet; /* as it is in the end */
	/* Where a packet goes, with its target's type and the device by which it leaves set. */
	enum walk_end (*route)(void *context, struct packet *p);
	void *context;

	enum walk_result result;
	enum walk_end end;
	struct cause cause; /* with WALK_DROPPED; without a chain: see `end` */
	struct doubt doubts[WALK_DOUBTS];
	size_t doubt_count;
	bool more_doubts;
	struct walk_step steps[WALK_STEPS];
	size_t step_count;
	uint32_t rules_asked;
};

/* Of `w` the members down to `context` are given. The packet is new and has its `in`. */
void walk_all(struct walk *w);

#endif
