/* The expressions of nf_tables that a rule is made of. */
#ifndef EXPLAIN_EXPRESSION_H
#define EXPLAIN_EXPRESSION_H

#include "explain/rule.h"

typedef const struct nft_attributes attributes;

struct expression {
	const char *name;
	void (*act)(struct evaluation *e, attributes *a);
};

/* Does what the one of that name does; false when there is none. */
bool expression_do(const struct expression *table, size_t count, struct evaluation *e,
    const char *name, attributes *a);
/* Those that look at the packet, compare, and act. False: it is none of them. */
bool expression_load(struct evaluation *e, const char *name, attributes *a);
bool expression_match(struct evaluation *e, const char *name, attributes *a);
bool expression_act(struct evaluation *e, const char *name, attributes *a);

/* What they share. An attribute that is not there is 0. */
uint32_t expression_number(attributes *a, int type);
/* A value that stands in a rule; of size 0 when there is none. */
struct value expression_constant(const struct nlattr *nest);
/* Into a register; `what` it is of is told when it has to be and cannot be known. */
void expression_put(struct evaluation *e, uint32_t reg, const struct value *v, const char *what);
void expression_verdict(struct evaluation *e, const struct nlattr *data, const char *what);

#endif
