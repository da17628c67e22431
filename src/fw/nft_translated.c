/* Which ports rules of others lead elsewhere before they arrive. A rule is read as far as it names
 * a protocol and a port of destination, in nft's own expressions or in those of iptables; whatever
 * else it looks at makes it take fewer packets than is told. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "fw/look.h"
#include "fw/nft.h"

#define LOCAL_CHAINS 16U /* for what this host itself sends */
#define PORT_MOST    0xffff

_Static_assert(
    (int)NFTA_TARGET_NAME == (int)NFTA_MATCH_NAME && (int)NFTA_TARGET_INFO == (int)NFTA_MATCH_INFO,
    "one number for both kinds");

struct translations {
	void (*each)(void *context, const struct fw_translated *rule);
	void *context;
	struct {
		uint8_t family;
		char table[NFT_NAME_BYTES], chain[NFT_NAME_BYTES];
	} local[LOCAL_CHAINS];
	uint32_t local_count;
};

/* What the register was last loaded with. */
enum loaded { LOADED_OTHER, LOADED_PROTOCOL, LOADED_PORT };

struct rule_look {
	struct fw_translated out;
	enum loaded loaded;
	bool translates;
};

/* --- Expressions */

static enum loaded load_of(const char *name, const struct nft_attributes *e)
{
	uint32_t base = 0, offset = 0, size = 0, key = 0;

	if (strcmp(name, "meta") == 0 && nft_attribute_u32(e->at[NFTA_META_KEY], &key))
		return key == NFT_META_L4PROTO ? LOADED_PROTOCOL : LOADED_OTHER;
	if (strcmp(name, "payload") != 0 || !nft_attribute_u32(e->at[NFTA_PAYLOAD_BASE], &base) ||
	    !nft_attribute_u32(e->at[NFTA_PAYLOAD_OFFSET], &offset) ||
	    !nft_attribute_u32(e->at[NFTA_PAYLOAD_LEN], &size))
		return LOADED_OTHER;
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 2 && size == 2)
		return LOADED_PORT;
	if (base == NFT_PAYLOAD_NETWORK_HEADER && size == 1 && (offset == 9 || offset == 6))
		return LOADED_PROTOCOL;
	return LOADED_OTHER;
}

/* -1: it is not of that size. */
static int value_of(const struct nlattr *nest, size_t size)
{
	const struct nlattr *value = nft_attributes_in(nest).at[NFTA_DATA_VALUE];
	const uint8_t *bytes = value == NULL ? NULL : mnl_attr_get_payload(value);

	if (bytes == NULL || mnl_attr_get_payload_len(value) != size)
		return -1;
	return size == 1 ? bytes[0] : bytes[0] << 8 | bytes[1];
}

static void take_compare(struct rule_look *r, const struct nft_attributes *e)
{
	int value = value_of(e->at[NFTA_CMP_DATA], r->loaded == LOADED_PORT ? 2 : 1);
	struct ports *p = &r->out.ports;
	uint32_t op = NFT_CMP_NEQ;

	(void)nft_attribute_u32(e->at[NFTA_CMP_OP], &op);
	if (value < 0)
		return;
	if (r->loaded == LOADED_PROTOCOL && op == NFT_CMP_EQ)
		p->protocol = (uint8_t)value;
	if (r->loaded == LOADED_PORT && (op == NFT_CMP_EQ || op == NFT_CMP_GTE))
		p->first = (uint16_t)value;
	if (r->loaded == LOADED_PORT && (op == NFT_CMP_EQ || op == NFT_CMP_LTE))
		p->last = (uint16_t)value;
}

static void take_range(struct rule_look *r, const struct nft_attributes *e)
{
	int first = value_of(e->at[NFTA_RANGE_FROM_DATA], 2);
	int last = value_of(e->at[NFTA_RANGE_TO_DATA], 2);
	uint32_t op = NFT_RANGE_NEQ;

	if (r->loaded != LOADED_PORT || first < 0 || last < 0 ||
	    !nft_attribute_u32(e->at[NFTA_RANGE_OP], &op) || op != NFT_RANGE_EQ)
		return;
	r->out.ports.first = (uint16_t)first;
	r->out.ports.last = (uint16_t)last;
}

/* iptables' own: -m tcp --dport, and targets that translate. */
static void take_extension(struct rule_look *r, const struct nft_attributes *e)
{
	const char *name = nft_attribute_text(e->at[NFTA_MATCH_NAME]);
	const struct nlattr *info = e->at[NFTA_MATCH_INFO];
	bool tcp = strcmp(name, "tcp") == 0;
	struct xt_tcp ports; /* xt_udp begins alike */

	_Static_assert(offsetof(struct xt_tcp, dpts) == offsetof(struct xt_udp, dpts), "alike");
	if (strcmp(name, "DNAT") == 0 || strcmp(name, "REDIRECT") == 0)
		r->translates = true;
	if (strcmp(name, "multiport") == 0)
		r->out.unclear = true;
	if ((!tcp && strcmp(name, "udp") != 0) || info == NULL ||
	    mnl_attr_get_payload_len(info) < offsetof(struct xt_tcp, dpts) + sizeof ports.dpts)
		return;
	memcpy(
	    &ports, mnl_attr_get_payload(info), offsetof(struct xt_tcp, dpts) + sizeof ports.dpts);
	r->out.ports = (struct ports){.protocol = tcp ? IPPROTO_TCP : IPPROTO_UDP,
	    .first = ports.dpts[0],
	    .last = ports.dpts[1]};
}

static bool is_dnat(const struct nft_attributes *e)
{
	uint32_t type;

	return nft_attribute_u32(e->at[NFTA_NAT_TYPE], &type) && type == NFT_NAT_DNAT;
}

static int each_expression(const struct nlattr *a, void *data)
{
	const struct nft_attributes outer = nft_attributes_in(a);
	const struct nft_attributes e = nft_attributes_in(outer.at[NFTA_EXPR_DATA]);
	const char *name = nft_attribute_text(outer.at[NFTA_EXPR_NAME]);
	struct rule_look *r = data;

	if (strcmp(name, "cmp") == 0)
		take_compare(r, &e);
	else if (strcmp(name, "range") == 0)
		take_range(r, &e);
	else if (strcmp(name, "lookup") == 0)
		r->out.unclear = r->out.unclear || r->loaded == LOADED_PORT;
	else if (strcmp(name, "match") == 0 || strcmp(name, "target") == 0)
		take_extension(r, &e);
	else if (strcmp(name, "redir") == 0 || (strcmp(name, "nat") == 0 && is_dnat(&e)))
		r->translates = true;
	else
		r->loaded = load_of(name, &e);
	return MNL_CB_OK;
}

/* --- Rules and chains */

static bool is_local(
    const struct translations *t, uint8_t family, const char *table, const char *chain)
{
	for (uint32_t i = 0; i < t->local_count; i++)
		if (t->local[i].family == family && strcmp(t->local[i].table, table) == 0 &&
		    strcmp(t->local[i].chain, chain) == 0)
			return true;
	return false;
}

static int each_chain(const struct nlmsghdr *answer, void *data)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(answer);
	const struct nft_attributes a = nft_attributes_of(answer);
	const struct nft_attributes hook = nft_attributes_in(a.at[NFTA_CHAIN_HOOK]);
	const char *table = nft_attribute_text(a.at[NFTA_CHAIN_TABLE]);
	const char *chain = nft_attribute_text(a.at[NFTA_CHAIN_NAME]);
	struct translations *t = data;
	uint32_t number;

	if (!nft_attribute_u32(hook.at[NFTA_HOOK_HOOKNUM], &number) ||
	    number != NF_INET_LOCAL_OUT ||
	    strcmp(nft_attribute_text(a.at[NFTA_CHAIN_TYPE]), "nat") != 0 ||
	    t->local_count == LOCAL_CHAINS || strlen(table) >= NFT_NAME_BYTES ||
	    strlen(chain) >= NFT_NAME_BYTES)
		return 0;
	t->local[t->local_count].family = head->nfgen_family;
	memcpy(t->local[t->local_count].table, table, strlen(table) + 1);
	memcpy(t->local[t->local_count++].chain, chain, strlen(chain) + 1);
	return 0;
}

static int each_rule(const struct nlmsghdr *answer, void *data)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(answer);
	const struct nft_attributes a = nft_attributes_of(answer);
	struct translations *t = data;
	struct rule_look r = {.out = {.family = nft_family_name(head->nfgen_family),
	                          .table = nft_attribute_text(a.at[NFTA_RULE_TABLE]),
	                          .chain = nft_attribute_text(a.at[NFTA_RULE_CHAIN]),
	                          .ports = {.last = PORT_MOST}}};

	if (a.at[NFTA_RULE_EXPRESSIONS] != NULL)
		(void)mnl_attr_parse_nested(a.at[NFTA_RULE_EXPRESSIONS], each_expression, &r);
	if (r.translates && !is_local(t, head->nfgen_family, r.out.table, r.out.chain))
		t->each(t->context, &r.out);
	return 0;
}

/* Rules are told as they come: of a rule set that changes meanwhile some twice, or not at all. */
static int look(struct nft_link *l, struct translations *t)
{
	int err;

	t->local_count = 0;
	nft_ask_start(l, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP);
	err = nft_ask(l, each_chain, t);
	if (err != 0)
		return err;
	nft_ask_start(l, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP);
	return nft_ask(l, each_rule, t);
}

int fw_look_translated(void (*each)(void *context, const struct fw_translated *rule), void *context)
{
	struct translations t = {.each = each, .context = context};
	struct nft_link l;
	int err = nft_link_open(&l, -1);

	if (err == 0)
		err = look(&l, &t);
	nft_link_close(&l);
	return err;
}
