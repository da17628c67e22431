/* The tables of iptables and ip6tables that are not nf_tables': the kernel keeps them apart, and
 * asks both. */
#ifndef EXPLAIN_LEGACY_H
#define EXPLAIN_LEGACY_H

#include "explain/rule.h"

/* Adds their chains to the rules. 0 or a negative errno. */
int legacy_read(struct rules *r);

/* One table, as the kernel has answered it. */
struct legacy_table {
	const char *name;
	uint8_t family; /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	uint32_t valid_hooks;
	const uint32_t *hook_entry, *underflow; /* NF_INET_NUMHOOKS of each */
	const uint8_t *entries;                 /* lives as long as the rules */
	size_t size;
};
/* Adds it. 0, -ENOMEM, or -EBADMSG when it is not sound. */
int legacy_take(struct rules *r, const struct legacy_table *t);

/* A rule's parts, within the table's memory. */
struct legacy_entry {
	const uint8_t *head; /* struct ipt_entry or struct ip6t_entry */
	const uint8_t *matches;
	size_t matches_size;
	const char *target; /* an extension's name; "": the next three count */
	uint8_t revision;
	const uint8_t *data;
	size_t data_size;
	int32_t verdict;                /* below 0: -(NF_* or so) - 1 */
	const struct rules_chain *jump; /* with `verdict` from 0 on; NULL: nowhere */
	bool goes_on;                   /* it has no verdict at all */
};

/* For a rule with an entry. */
void legacy_evaluate(struct evaluation *e, const struct rules_rule *rule);

#endif
