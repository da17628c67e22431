/* What one rule does with a packet. */
#ifndef EXPLAIN_RULE_H
#define EXPLAIN_RULE_H

#include "explain/packet.h"
#include "explain/rules.h"

struct rule_result {
	enum answer matches;
	const char *unsure; /* with ANSWER_MAY: the expression that cannot be told, or an extension
	                     * of iptables (hostile: escape it); lives as long as the rules */
	bool decides;       /* it has a verdict other than to go on */
	bool unknown;       /* which is not known */
	uint32_t code;      /* NF_* or NFT_* */
	const char *target; /* chain of NFT_JUMP and NFT_GOTO */
	bool rejects;       /* with NF_DROP: the sender is told */
};

/* While a rule is looked at. */
struct evaluation {
	const struct rules *rules;
	const struct rules_chain *chain;
	struct packet *packet;
	bool reached; /* the rule is reached for certain */
	struct registers registers;
	const char *loaded; /* whose value was put in a register last */
	struct rule_result result;
};

/* Whether what the rule does from here on is done for certain. */
bool evaluation_sure(const struct evaluation *e);
/* The next expression matches, or not, or who knows. */
void evaluation_match(struct evaluation *e, enum answer answer, const char *what);
void evaluation_verdict(struct evaluation *e, uint32_t code, const char *target);
/* The packet is given another target, where `to` is known, and another port, where `port` is not 0;
 * and is accepted. NULL: it is not known where it goes. */
void evaluation_translate(struct evaluation *e, const struct addr *to, uint16_t port);

/* Changes the packet where the rule does. `reached`: that for certain. */
struct rule_result rule_evaluate(const struct rules *rules, const struct rules_chain *chain,
    const struct rules_rule *rule, struct packet *packet, bool reached);

#endif
