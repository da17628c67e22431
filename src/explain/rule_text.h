/* A rule as its own tool writes it. */
#ifndef EXPLAIN_RULE_TEXT_H
#define EXPLAIN_RULE_TEXT_H

#include "explain/walk.h"

#define RULE_TEXT_BYTES 512

/* What to ask for it by: family, table, chain, and the rule's handle. */
struct rule_name {
	uint8_t family; /* NFPROTO_* */
	const char *table, *chain;
	uint64_t handle;
};

/* "inet", "ip", ...; "?" for what is none. */
const char *rule_family(uint8_t family);
/* Runs nft, or iptables-legacy, to list the chain; "" where that is not here, or tells nothing of
 * the rule, or where a name is one that these could misread. The text is others' and may hold any
 * byte. Returns `out`. */
const char *rule_text(char out[static RULE_TEXT_BYTES], const struct rule_name *name);
const char *rule_text_of(char out[static RULE_TEXT_BYTES], const struct cause *cause);

#endif
