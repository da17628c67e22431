/* Ranges of ports. Interval sets are slow to change, so each distinct range that somebody holds has
 * a hash set of addresses and one rule that knows the range. Both come with the first who asks and
 * go when room is needed and nobody is left. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "base/clock.h"
#include "fw/nft.h"

/* How nft calls the types of keys; only its listings care. */
#define TYPE_IPV4_ADDR 7
#define TYPE_IPV6_ADDR 8

_Static_assert(sizeof "opened_tcp_65535_65535_4" <= 32, "set name");

bool nft_is_range(const struct opening *o)
{
	return o->ports.first != o->ports.last;
}

struct nft_range nft_range_of(const struct opening *o)
{
	return (struct nft_range){o->ports, addr_is_v4(&o->address)};
}

void nft_range_name(char set[static 32], const struct nft_range *r)
{
	snprintf(set, 32, "opened_%s_%u_%u_%s", r->ports.protocol == IPPROTO_TCP ? "tcp" : "udp",
	    r->ports.first, r->ports.last, r->v4 ? "4" : "6");
}

/* Only what nft_range_name would write. */
static bool range_parse(struct nft_range *out, const char *name)
{
	char protocol[4], family, again[32];
	unsigned int first, last;

	if (strlen(name) >= sizeof again ||
	    /* five digits do not overflow: NOLINTNEXTLINE(cert-err34-c) */
	    sscanf(name, "opened_%3[a-z]_%5u_%5u_%c", protocol, &first, &last, &family) != 4 ||
	    first < 1 || first >= last || last > UINT16_MAX)
		return false;
	*out =
	    (struct nft_range){.ports = {strcmp(protocol, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP,
	                           0, (uint16_t)first, (uint16_t)last},
	        .v4 = family == '4'};
	nft_range_name(again, out);
	return strcmp(name, again) == 0;
}

uint32_t nft_ranges_find(const struct nft_ranges *ranges, const struct nft_range *r)
{
	uint32_t i;

	for (i = 0; i < ranges->count; i++) {
		const struct nft_range *is = &ranges->list[i];

		if (ports_equal(&is->ports, &r->ports) && is->v4 == r->v4)
			break;
	}
	return i;
}

uint32_t nft_ranges_append(struct nft_ranges *ranges, const struct nft_range *r)
{
	uint32_t at = ranges->count++;

	ranges->list[at] = *r;
	ranges->rules[at] = (struct nft_rule_fingerprint){0};
	ranges->use[at] = (struct nft_range_use){0};
	return at;
}

void nft_range_hold(struct nft_range_use *use, int64_t until_boot_ns)
{
	if (use->until_boot_ns < until_boot_ns)
		use->until_boot_ns = until_boot_ns;
}

void nft_ranges_learn(const struct nlmsghdr *answer, void *data)
{
	struct nft_ranges *ranges = data;
	uint32_t i = 0;

	if (answer->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
		return;
	while (i < ranges->count && ranges->rules[i].handle != 0)
		i++;
	if (i < ranges->count)
		nft_rule_fingerprint_take(&ranges->rules[i], answer);
}

static void put_set(struct nft_link *l, const char *name, bool v4, uint32_t id)
{
	struct nlmsghdr *m = nft_batch_add(l, NFT_MSG_NEWSET, NFPROTO_INET, NLM_F_CREATE);
	struct nlattr *nest;

	mnl_attr_put_strz(m, NFTA_SET_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, name);
	mnl_attr_put_u32(m, NFTA_SET_FLAGS, htobe32(NFT_SET_TIMEOUT));
	mnl_attr_put_u32(m, NFTA_SET_KEY_TYPE, htobe32(v4 ? TYPE_IPV4_ADDR : TYPE_IPV6_ADDR));
	mnl_attr_put_u32(m, NFTA_SET_KEY_LEN, htobe32((uint32_t)nft_address_bytes(v4)));
	mnl_attr_put_u32(m, NFTA_SET_ID, htobe32(id)); /* among the new ones of a transaction */
	nest = mnl_attr_nest_start(m, NFTA_SET_DESC);
	mnl_attr_put_u32(m, NFTA_SET_DESC_SIZE, htobe32(NFT_SET_SIZE));
	mnl_attr_nest_end(m, nest);
}

static bool add_meta(struct nftnl_rule *rule, uint32_t key)
{
	struct nftnl_expr *e = nft_rule_add(rule, "meta");

	if (e == NULL)
		return false;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	return true;
}

static bool add_compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t size)
{
	struct nftnl_expr *e = nft_rule_add(rule, "cmp");

	if (e == NULL)
		return false;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	return nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, size) == 0;
}

static bool add_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t size)
{
	struct nftnl_expr *e = nft_rule_add(rule, "payload");

	if (e == NULL)
		return false;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
	return true;
}

/* PROTOCOL dport FIRST-LAST */
static bool add_ports(struct nftnl_rule *rule, const struct nft_range *r)
{
	uint16_t first = htobe16(r->ports.first), last = htobe16(r->ports.last);

	return add_meta(rule, NFT_META_L4PROTO) &&
	       add_compare(rule, NFT_CMP_EQ, &r->ports.protocol, sizeof r->ports.protocol) &&
	       add_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof first) &&
	       add_compare(rule, NFT_CMP_GTE, &first, sizeof first) &&
	       add_compare(rule, NFT_CMP_LTE, &last, sizeof last);
}

/* ip saddr @SET */
static bool add_source(struct nftnl_rule *rule, const char *set, bool v4)
{
	uint8_t family = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	struct nftnl_expr *lookup;

	if (!add_meta(rule, NFT_META_NFPROTO) ||
	    !add_compare(rule, NFT_CMP_EQ, &family, sizeof family) ||
	    !add_payload(
	        rule, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 12 : 8, (uint32_t)nft_address_bytes(v4)))
		return false;
	lookup = nft_rule_add(rule, "lookup");
	if (lookup == NULL)
		return false;
	nftnl_expr_set_u32(lookup, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	return nftnl_expr_set_str(lookup, NFTNL_EXPR_LOOKUP_SET, set) == 0;
}

/* meta mark set meta mark | MARK accept */
static bool add_pass(struct nftnl_rule *rule, uint32_t mark)
{
	uint32_t others = ~mark;
	struct nftnl_expr *bitwise, *set;

	if (!add_meta(rule, NFT_META_MARK))
		return false;
	bitwise = nft_rule_add(rule, "bitwise");
	set = nft_rule_add(rule, "meta");
	if (bitwise == NULL || set == NULL)
		return false;
	nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, sizeof mark);
	nftnl_expr_set_u32(set, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(set, NFTNL_EXPR_META_SREG, NFT_REG_1);
	return nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_MASK, &others, sizeof others) == 0 &&
	       nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_XOR, &mark, sizeof mark) == 0 &&
	       nft_rule_add_accept(rule);
}

static int put_rule(struct nft_link *l, const struct nft_range *r, const char *set, uint32_t mark)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	bool whole = rule != NULL && nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, NFT_TABLE) == 0 &&
	             nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, NFT_RANGES_CHAIN) == 0 &&
	             add_ports(rule, r) && add_source(rule, set, r->v4) && add_pass(rule, mark);

	if (whole)
		nftnl_rule_nlmsg_build_payload(nft_batch_add(l, NFT_MSG_NEWRULE, NFPROTO_INET,
		                                   NLM_F_CREATE | NLM_F_APPEND | NLM_F_ECHO),
		    rule);
	if (rule != NULL)
		nftnl_rule_free(rule);
	return whole ? 0 : -ENOMEM;
}

int nft_ranges_put(
    struct nft_link *l, struct nft_ranges *ranges, const struct nft_range *r, uint32_t mark)
{
	char set[32];
	int err;

	if (ranges->count == FW_RANGES)
		return -ENOSPC;
	nft_range_name(set, r);
	put_set(l, set, r->v4, ranges->count + 1);
	err = put_rule(l, r, set, mark);
	if (err != 0)
		return err;
	nft_ranges_append(ranges, r);
	return 0;
}

static bool is_empty(struct nft_link *l, const struct nft_range *r)
{
	struct nft_reading reading = {.key_bytes = nft_address_bytes(r->v4)};
	char set[32];

	nft_range_name(set, r);
	return nft_element_read(l, set, &reading) == 0 && reading.count == 0;
}

/* The kernel is asked only when there is news: a full list must not make every request dear. */
static bool is_unused(struct nft_link *l, struct nft_ranges *ranges, uint32_t i)
{
	struct nft_range_use *use = &ranges->use[i];

	if (ranges->rules[i].handle == 0)
		return false; /* so that its rule could not be named */
	if (use->until_boot_ns < clock_boot_ns())
		return true;
	if (!use->closed)
		return false;
	use->closed = false;
	if (!is_empty(l, &ranges->list[i]))
		return false;
	use->until_boot_ns = 0;
	return true;
}

static void put_removal(struct nft_link *l, const struct nft_range *r, uint64_t handle)
{
	struct nlmsghdr *m = nft_batch_add(l, NFT_MSG_DELRULE, NFPROTO_INET, 0);
	char set[32];

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, NFT_RANGES_CHAIN);
	mnl_attr_put_u64(m, NFTA_RULE_HANDLE, htobe64(handle));
	nft_range_name(set, r);
	m = nft_batch_add(l, NFT_MSG_DELSET, NFPROTO_INET, 0);
	mnl_attr_put_strz(m, NFTA_SET_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, set);
}

int nft_ranges_sweep(struct nft_link *l, struct nft_ranges *ranges)
{
	bool unused[FW_RANGES];
	uint32_t kept = 0;
	int err;

	for (uint32_t i = 0; i < ranges->count; i++)
		unused[i] = is_unused(l, ranges, i);
	nft_batch_begin(l);
	for (uint32_t i = 0; i < ranges->count; i++) {
		if (unused[i])
			put_removal(l, &ranges->list[i], ranges->rules[i].handle);
	}
	err = nft_batch_commit(l);
	if (err != 0)
		return err;
	for (uint32_t i = 0; i < ranges->count; i++) {
		if (unused[i])
			continue;
		ranges->list[kept] = ranges->list[i];
		ranges->use[kept] = ranges->use[i];
		ranges->rules[kept++] = ranges->rules[i];
	}
	ranges->count = kept;
	return 0;
}

struct names_read {
	struct nft_range *out;
	size_t most;
	size_t count;
};

static int each_attribute(const struct nlattr *a, void *data)
{
	struct names_read *r = data;

	if (mnl_attr_get_type(a) == NFTA_SET_NAME && r->count < r->most &&
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 &&
	    range_parse(&r->out[r->count], mnl_attr_get_str(a)))
		r->count++;
	return MNL_CB_OK;
}

static int each_set(const struct nlmsghdr *answer, void *data)
{
	int parsed = mnl_attr_parse(answer, sizeof(struct nfgenmsg), each_attribute, data);

	return parsed < 0 ? -EBADMSG : 0;
}

int nft_ranges_read(struct nft_link *l, struct nft_range *out, size_t most)
{
	struct names_read r = {.out = out, .most = most};
	int err = -EINTR;

	for (int tries = 0; err == -EINTR && tries < 8; tries++) {
		struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETSET, NFPROTO_INET, NLM_F_DUMP);

		r.count = 0;
		mnl_attr_put_strz(m, NFTA_SET_TABLE, NFT_TABLE);
		err = nft_ask(l, each_set, &r);
	}
	if (err == -ENOENT)
		return 0;
	return err != 0 ? err : (int)r.count;
}
