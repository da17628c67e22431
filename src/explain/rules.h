/* All rules of nf_tables in this network namespace, as the kernel tells them. Names and comments
 * are chosen by whoever may write rules and may hold any byte: escape them before anybody sees
 * them. */
#ifndef EXPLAIN_RULES_H
#define EXPLAIN_RULES_H

#include "fw/nft_link.h"

struct rules_message;
struct legacy_entry;

#define RULES_LEGACY "legacy/" /* no table of nf_tables begins with it */

struct rules_table {
	struct rules_table *next;
	const char *name;
	uint8_t family; /* NFPROTO_* */
	bool dormant;
};

struct rules_rule {
	struct rules_rule *next;
	uint64_t handle;
	const struct nlattr *expressions; /* NULL: none */
	const struct legacy_entry *entry; /* of a table of iptables; NULL: of nf_tables */
	uint32_t number;                  /* in its chain, from 1 on */
};

struct rules_chain {
	struct rules_chain *next;
	const char *table, *name;
	uint8_t family;
	bool legacy;     /* of iptables, with RULES_LEGACY in front of the table's name */
	bool base;       /* the next four are its own */
	bool translates; /* of type nat */
	uint32_t hook;   /* NF_INET_* or, with family NFPROTO_NETDEV, NF_NETDEV_* */
	int32_t priority;
	uint32_t policy; /* NF_ACCEPT or NF_DROP */
	const struct nlattr *hook_data;
	struct rules_rule *first, *last;
};

struct rules_set {
	struct rules_set *next;
	const char *table, *name;
	uint8_t family;
	uint32_t flags; /* NFT_SET_* */
	uint32_t key_bytes, data_type;
	const struct nlattr *fields; /* of a concatenation; NULL: it is not told */
	struct rules_part *parts, *last_part;
};

/* Some of a set's elements. */
struct rules_part {
	struct rules_part *next;
	const struct nlattr *list;
};

/* In the order in which the kernel told them. Zeroed: none. */
struct rules {
	struct rules_message *messages;
	struct rules_table *tables, *last_table;
	struct rules_chain *chains, *last_chain, *latest;
	struct rules_set *sets, *last_set;
};

/* Takes an answer of the kernel in, a copy of it: of tables and chains before rules, of sets before
 * elements. What belongs to nothing that is known is left out. 0 or -ENOMEM. */
int rules_take(struct rules *r, const struct nlmsghdr *answer);
/* Memory that is freed with the rest, zeroed; NULL when there is none. */
void *rules_alloc(struct rules *r, size_t size);
void rules_add_chain(struct rules *r, struct rules_chain *chain);
void rules_add_rule(struct rules_chain *chain, struct rules_rule *rule);
void rules_free(struct rules *r);

/* NULL: there is none. */
const struct rules_chain *rules_chain_named(
    const struct rules *r, uint8_t family, const char *table, const char *name);
const struct rules_set *rules_set_named(
    const struct rules *r, uint8_t family, const char *table, const char *name);
/* Whether a table's chains are out of force. */
bool rules_dormant(const struct rules *r, uint8_t family, const char *table);

/* Everything, as it was at one time. 0 or a negative errno, -EOPNOTSUPP: this
 * kernel has none, -EINTR: it changed again and again while it was read. */
int rules_read(struct rules *r, struct nft_link *l);

#endif
