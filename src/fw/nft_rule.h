/* Rules, chains and sets being written: as messages of a transaction, as text for nft, or both. */
#ifndef FW_NFT_RULE_H
#define FW_NFT_RULE_H

#include <stdio.h>

#include "fw/nft.h"

/* nft_message.c: a rule, expression by expression, as the kernel takes it. */
struct nft_building {
	struct nlmsghdr *message;
	struct nlattr *expressions, *expression, *data;
};
struct nft_building nft_rule_start(
    struct nft_link *l, uint8_t family, const char *table, const char *chain, uint16_t flags);
void nft_rule_end(struct nft_building *b, const char *comment); /* NULL: none */
void nft_rule_delete(
    struct nft_link *l, uint8_t family, const char *table, const char *chain, uint64_t handle);
enum nft_source {
	NFT_NETWORK = NFT_PAYLOAD_NETWORK_HEADER,
	NFT_TRANSPORT = NFT_PAYLOAD_TRANSPORT_HEADER,
	NFT_META,
	NFT_CT,
	NFT_FIB
};
/* `what`: a key, or in a header an offset. */
void nft_load(
    struct nft_building *b, enum nft_source from, uint32_t what, uint32_t size, uint32_t reg);
/* All on register 1. */
void nft_compare(struct nft_building *b, uint32_t op, const void *data, size_t size);
void nft_mask(struct nft_building *b, const void *mask, const void *bits, size_t size);
void nft_look_up(struct nft_building *b, const char *set, uint32_t id);
void nft_set_mark(struct nft_building *b);
void nft_untrack(struct nft_building *b);
void nft_verdict(struct nft_building *b, int verdict, const char *chain);

/* In the user data of a table, a rule or an element; of at most 127 bytes. */
void nft_put_comment(struct nlmsghdr *m, uint16_t attribute, const char *comment);
bool nft_has_comment(const struct nlattr *data, const char *comment); /* NULL: no data */

/* A nest that holds a value. */
void nft_put_data(struct nlmsghdr *m, uint16_t type, const void *data, size_t size);

/* nft_match.c: a rule by what it looks at. */
enum nft_field {
	NFT_NO_FIELD, /* ends a list of matches */
	NFT_IIFNAME,
	NFT_OIFNAME,
	NFT_NOT_LOCAL,
	NFT_L4PROTO,
	NFT_ESTABLISHED,
	NFT_RELATED,
	NFT_REPLY,
	NFT_IP_SADDR,
	NFT_IP6_SADDR,
	NFT_IP6_DADDR,
	NFT_IP6_HOPLIMIT,
	NFT_ICMP_TYPE,
	NFT_ICMP_CODE,
	NFT_ICMPV6_TYPE,
	NFT_TCP_DPORT,
	NFT_UDP_SPORT,
	NFT_UDP_DPORT,
	NFT_TH_DPORT
};
struct nft_match {
	enum nft_field field;
	uint32_t is;      /* this number, unless one of the following says otherwise */
	const char *name; /* this name */
	bool except;      /* another name */
	const char *set;  /* is in this set, with as many of protocol and port after it */
	int more;
	bool listed; /* is one of the writer's values */
};
/* First and last of a range, big-endian and filled up with zeros. */
struct nft_value {
	uint8_t first[ADDR_BYTES], last[ADDR_BYTES];
};
struct nft_writer {
	struct nft_link *link; /* NULL: no messages */
	FILE *text;            /* NULL: no text */
	const char *chain;
	uint32_t mark;
	uint32_t sets; /* so far in the transaction; in it a number is a set's name */
	uint16_t rule_flags;
	struct nft_value *values; /* for the next rule, with room for all that there can be */
	size_t count;
	bool in_set; /* of this rule: in a set without a name, the latest */
};
/* Verdicts that change the mark, and go on. */
#define NFT_MARK   256
#define NFT_UNMARK 257
/* One that takes a packet out of connection tracking, and goes on. */
#define NFT_NOTRACK 258
void nft_value_add(struct nft_writer *w, const void *first, const void *last, size_t size);
/* NULL as `matches`: every packet. `to` is for NFT_JUMP and NFT_GOTO. Uses the values up. */
void nft_put_rule(struct nft_writer *w, const struct nft_match *matches, int verdict,
    const char *to, const char *comment);

/* nft_message.c: a chain, for the rules that follow. `hook` is one of NF_INET_*, -1: none. */
void nft_put_chain(struct nft_writer *w, const char *name, int hook, int32_t priority);
void nft_end_chain(struct nft_writer *w);
/* How nft calls types of keys; only its listings care. */
enum nft_type {
	NFT_NO_TYPE,
	NFT_IPV4_ADDR = 7,
	NFT_IPV6_ADDR,
	NFT_INET_PROTO = 12,
	NFT_INET_SERVICE,
	NFT_ICMP = 14,
	NFT_ICMPV6 = 29
};
void nft_new_set(struct nft_writer *w, const char *name, uint32_t flags, uint32_t type,
    size_t bytes, size_t size);
/* A hash set of addresses, with as many of protocol and port after them, that end by themselves. */
void nft_put_set(struct nft_writer *w, const char *name, bool v4, int more);

/* nft_range.c */
void nft_put_range_rule(struct nft_writer *w, const struct nft_range *r);

/* All that stands in the table; `ranges` becomes those that are open in it. */
struct nft_content {
	const struct snapshot *s;
	const struct nft_policies *policies; /* of `s` */
	struct nft_ranges *ranges;
	const struct fw_change *open;
	size_t count;
};
/* nft_rules.c: every chain; the sets come before. */
void nft_put_chains(struct nft_writer *w, const struct nft_content *c);
/* nft_sets.c */
int nft_put_content(struct nft_writer *w, const struct nft_content *c);

#endif
