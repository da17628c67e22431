/* Ranges of ports. Interval sets are slow to change, so each distinct range that somebody holds has
 * a hash set of addresses and one rule that knows the range. Both come with the first who asks and
 * go when room is needed and nobody is left. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "fw/nft_rule.h"

_Static_assert(sizeof "opened_tcp_65535_65535_4" <= 32, "set name");

bool nft_is_range(const struct opening *o)
{
	return ports_numbered(&o->ports) && o->ports.first != o->ports.last;
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
	char protocol[4] = "", family = '\0', again[32];
	unsigned int first = 0, last = 0;

	/* five digits do not overflow: NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(name, "opened_%3[a-z]_%5u_%5u_%c", protocol, &first, &last, &family) != 4 ||
	    first >= last)
		return false;
	*out = (struct nft_range){
	    .ports = {.protocol = strcmp(protocol, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP,
	        .first = (uint16_t)first,
	        .last = (uint16_t)last},
	    .v4 = family == '4'};
	nft_range_name(again, out);
	return strcmp(name, again) == 0;
}

uint32_t nft_ranges_find(const struct nft_ranges *ranges, const struct opening *o)
{
	uint32_t i = nft_is_range(o) ? 0 : ranges->count;
	bool v4 = addr_is_v4(&o->address);

	while (i < ranges->count &&
	       (!ports_equal(&ranges->list[i].ports, &o->ports) || ranges->list[i].v4 != v4))
		i++;
	return i;
}

uint32_t nft_ranges_append(struct nft_ranges *ranges, const struct nft_range *r)
{
	uint32_t at = ranges->count++;

	ranges->list[at] = *r;
	ranges->rules[at] = 0;
	ranges->use[at] = (struct nft_range_use){0};
	return at;
}

void nft_range_hold(struct nft_range_use *use, int64_t until_boot_ns)
{
	if (use->until_boot_ns < until_boot_ns)
		use->until_boot_ns = until_boot_ns;
}

/* The rule is that of the first which has none yet. */
static int learn(const struct nlmsghdr *answer, void *data)
{
	struct nft_ranges *ranges = data;
	uint32_t i = 0;

	if (answer->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
		return 0;
	while (i < ranges->count && ranges->rules[i] != 0)
		i++;
	if (i < ranges->count)
		ranges->rules[i] =
		    nft_attribute_u64(nft_attributes_of(answer).at[NFTA_RULE_HANDLE]);
	return 0;
}

int nft_ranges_commit(struct nft_link *l, struct nft_ranges *ranges)
{
	int err;

	l->echo = learn;
	l->echo_data = ranges;
	err = nft_batch_commit(l);
	l->echo = NULL;
	return err;
}

/* PROTOCOL dport FIRST-LAST ip saddr @SET */
void nft_put_range_rule(struct nft_writer *w, const struct nft_range *r)
{
	uint16_t first = htobe16(r->ports.first), last = htobe16(r->ports.last);
	char set[32];
	const struct nft_match matches[] = {
	    {.field = r->ports.protocol == IPPROTO_TCP ? NFT_TCP_DPORT : NFT_UDP_DPORT,
	        .listed = true},
	    {.field = r->v4 ? NFT_IP_SADDR : NFT_IP6_SADDR, .set = set}, {.field = NFT_NO_FIELD}};

	nft_range_name(set, r);
	nft_value_add(w, &first, &last, sizeof first);
	w->chain = NFT_RANGES_CHAIN;
	w->rule_flags = NLM_F_ECHO; /* for nft_ranges_commit */
	nft_put_rule(w, matches, NF_ACCEPT, NULL, NULL);
	w->rule_flags = 0;
}

int nft_ranges_put(struct nft_link *l, struct nft_ranges *ranges, const struct nft_range *r)
{
	struct nft_value ports;
	struct nft_writer w = {.link = l, .sets = ranges->count, .values = &ports};
	char set[32];

	if (ranges->count == FW_RANGES)
		return -ENOSPC;
	nft_range_name(set, r);
	nft_put_set(&w, set, r->v4, 0);
	nft_put_range_rule(&w, r);
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

	if (ranges->rules[i] == 0)
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
	struct nlmsghdr *m;
	char set[32];

	nft_rule_delete(l, NFPROTO_INET, NFT_TABLE, NFT_RANGES_CHAIN, handle);
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
			put_removal(l, &ranges->list[i], ranges->rules[i]);
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

static int each_set(const struct nlmsghdr *answer, void *data)
{
	struct names_read *r = data;
	const char *name = nft_attribute_text(nft_attributes_of(answer).at[NFTA_SET_NAME]);

	if (r->count < r->most && range_parse(&r->out[r->count], name))
		r->count++;
	return 0;
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
