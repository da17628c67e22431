/* Extensions of iptables, as they stand in rules of iptables-nft and of iptables itself. */
#ifndef EXPLAIN_XT_H
#define EXPLAIN_XT_H

#include "explain/rule.h"

/* One extension: its data is what the kernel has for it. */
struct xt {
	const char *name;
	uint32_t revision;
	const void *data;
	size_t size;
};

void xt_match(struct evaluation *e, const struct xt *x);
void xt_target(struct evaluation *e, const struct xt *x);

#endif
