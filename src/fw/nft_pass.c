/* The rule that lets granted packets by in a chain of the host: building it and telling it, and
 * what its neighbours do, from a dump. Names here may hold any byte and never become text, and
 * expressions that we do not know mean little. */
#include <string.h>

#include <linux/netfilter/nf_tables_compat.h>

#include "fw/nft_rule.h"

_Static_assert((int)NFTA_TARGET_NAME == (int)NFTA_MATCH_NAME, "one number for both kinds");

/* What the expressions of a rule come to, one after the other. */
struct rule_reading {
	struct nft_rule_verdict *out;
	uint32_t mark;
	int step;     /* how many are as in our own rule */
	bool differs; /* one is not */
	bool decided; /* what others want is known */
};

struct expression {
	const char *name;
	struct nft_attributes data;
};

static bool is_named(const struct expression *e, const char *name)
{
	return strcmp(e->name, name) == 0;
}

static bool is_number(const struct nlattr *a, uint32_t expected)
{
	uint32_t number;

	return nft_attribute_u32(a, &number) && number == expected;
}

/* Of four bytes, in the host's order. */
static bool holds(const struct nlattr *nest, uint32_t expected)
{
	const struct nlattr *value = nft_attributes_in(nest).at[NFTA_DATA_VALUE];

	return value != NULL && mnl_attr_get_payload_len(value) == sizeof expected &&
	       memcmp(mnl_attr_get_payload(value), &expected, sizeof expected) == 0;
}

static struct nft_attributes verdict_of(const struct expression *e)
{
	return nft_attributes_in(
	    nft_attributes_in(e->data.at[NFTA_IMMEDIATE_DATA]).at[NFTA_DATA_VERDICT]);
}

/* meta mark & BIT == BIT accept */
static bool is_step(const struct expression *e, int step, uint32_t mark)
{
	switch (step) {
	case 0:
		return is_named(e, "meta") && is_number(e->data.at[NFTA_META_KEY], NFT_META_MARK);
	case 1:
		return is_named(e, "bitwise") && holds(e->data.at[NFTA_BITWISE_MASK], mark) &&
		       holds(e->data.at[NFTA_BITWISE_XOR], 0);
	case 2:
		return is_named(e, "cmp") && is_number(e->data.at[NFTA_CMP_OP], NFT_CMP_EQ) &&
		       holds(e->data.at[NFTA_CMP_DATA], mark);
	case 3:
		return is_named(e, "immediate") &&
		       is_number(verdict_of(e).at[NFTA_VERDICT_CODE], NF_ACCEPT);
	default:
		return false;
	}
}

static enum nft_rule_verdict_kind verdict_meaning(
    struct nft_rule_verdict *out, const struct expression *e)
{
	const struct nft_attributes verdict = verdict_of(e);
	const char *chain = nft_attribute_text(verdict.at[NFTA_VERDICT_CHAIN]);
	uint32_t code;

	if (!nft_attribute_u32(verdict.at[NFTA_VERDICT_CODE], &code))
		return NFT_RULE_LITTLE;
	if (code == NF_DROP)
		return NFT_RULE_DROP;
	if (chain[0] == '\0' || strlen(chain) >= sizeof out->chain ||
	    (code != (uint32_t)NFT_JUMP && code != (uint32_t)NFT_GOTO))
		return NFT_RULE_LITTLE;
	memcpy(out->chain, chain, strlen(chain) + 1);
	return NFT_RULE_JUMP;
}

/* iptables has extensions of its own for some of this. */
static bool is_extension(const struct expression *e, const char *kind, const char *name)
{
	return is_named(e, kind) &&
	       strcmp(nft_attribute_text(e->data.at[NFTA_MATCH_NAME]), name) == 0;
}

static bool is_remark(const struct expression *e)
{
	return is_named(e, "counter") || is_named(e, "log") || is_extension(e, "match", "comment");
}

static int each_expression(const struct nlattr *a, void *data)
{
	const struct nft_attributes outer = nft_attributes_in(a);
	const struct expression e = {nft_attribute_text(outer.at[NFTA_EXPR_NAME]),
	    nft_attributes_in(outer.at[NFTA_EXPR_DATA])};
	struct rule_reading *r = data;

	if (!is_named(&e, "counter")) /* among ours it does no harm */
		r->differs = !is_step(&e, r->step++, r->mark) || r->differs;
	if (r->decided || is_remark(&e))
		return MNL_CB_OK;
	/* What the first expression that decides anything does. */
	r->decided = true;
	if (is_named(&e, "reject") || is_extension(&e, "target", "REJECT"))
		r->out->meaning = NFT_RULE_DROP;
	else if (is_named(&e, "immediate"))
		r->out->meaning = verdict_meaning(r->out, &e);
	return MNL_CB_OK;
}

struct nft_rule_verdict nft_pass_read(const struct nlmsghdr *rule, uint32_t mark)
{
	const struct nft_attributes a = nft_attributes_of(rule);
	struct nft_rule_verdict out = {.handle = nft_attribute_u64(a.at[NFTA_RULE_HANDLE])};
	struct rule_reading r = {.out = &out, .mark = mark};

	if (a.at[NFTA_RULE_EXPRESSIONS] != NULL)
		(void)mnl_attr_parse_nested(a.at[NFTA_RULE_EXPRESSIONS], each_expression, &r);
	if (nft_has_comment(a.at[NFTA_RULE_USERDATA], NFT_PASS_COMMENT))
		out.meaning = r.step == 4 && !r.differs ? NFT_RULE_PASS : NFT_RULE_PASS_STALE;
	return out;
}

void nft_pass_insert(
    struct nft_link *l, uint8_t family, const char *table, const char *chain, uint32_t mark)
{
	/* Neither appended nor at a position: the head. */
	struct nft_building b = nft_rule_start(l, family, table, chain, 0);
	uint32_t zero = 0;

	nft_load(&b, NFT_META, NFT_META_MARK, sizeof mark, NFT_REG_1);
	nft_mask(&b, &mark, &zero, sizeof mark);
	nft_compare(&b, NFT_CMP_EQ, &mark, sizeof mark);
	nft_verdict(&b, NF_ACCEPT, NULL);
	nft_rule_end(&b, NFT_PASS_COMMENT);
}
