/* The rule that lets granted packets by in a chain of the host: building it and telling it, and
 * what its neighbours do, from a dump. Names here may hold any byte and never become text. */
#include <errno.h>
#include <stdio.h> /* libnftnl leans on it */
#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>

#include "base/bytes.h"
#include "fw/nft.h"

#define PASS_COMMENT "postern: let granted packets by"

/* User data is a row of type, length, value; a comment's value ends with a zero. */
static bool has_our_comment(const struct nftnl_rule *rule)
{
	uint32_t size = 0;
	const void *data = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size);
	struct reader r = reader_of(data, data == NULL ? 0 : size);

	while (r.left > 0 && !r.failed) {
		uint8_t type = reader_u8(&r), length = reader_u8(&r);
		char text[sizeof PASS_COMMENT];

		if (type != NFTNL_UDATA_RULE_COMMENT || length != sizeof text) {
			reader_skip(&r, length);
			continue;
		}
		reader_take(&r, text, sizeof text);
		if (!r.failed && memcmp(text, PASS_COMMENT, sizeof text) == 0)
			return true;
	}
	return false;
}

static bool is_named(const struct nftnl_expr *e, const char *name)
{
	const char *is = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);

	return is != NULL && strcmp(is, name) == 0;
}

static bool holds_u32(const struct nftnl_expr *e, uint16_t attribute, uint32_t value)
{
	uint32_t size = 0;
	const void *data = nftnl_expr_get(e, attribute, &size);

	return data != NULL && size == sizeof value && memcmp(data, &value, sizeof value) == 0;
}

static bool is_accept(const struct nftnl_expr *e)
{
	return nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT) &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT) == NF_ACCEPT;
}

/* meta mark & BIT == BIT accept; a counter among it does no harm. */
static bool is_as_built(const struct nftnl_rule *rule, uint32_t mark)
{
	struct nftnl_expr_iter *i = nftnl_expr_iter_create(rule);
	struct nftnl_expr *e;
	bool right = i != NULL;
	int step = 0;

	while (right && (e = nftnl_expr_iter_next(i)) != NULL) {
		if (is_named(e, "counter"))
			continue;
		if (step == 0)
			right = is_named(e, "meta") &&
			        nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY) == NFT_META_MARK;
		else if (step == 1)
			right = is_named(e, "bitwise") &&
			        holds_u32(e, NFTNL_EXPR_BITWISE_MASK, mark) &&
			        holds_u32(e, NFTNL_EXPR_BITWISE_XOR, 0);
		else if (step == 2)
			right = is_named(e, "cmp") &&
			        nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP) == NFT_CMP_EQ &&
			        holds_u32(e, NFTNL_EXPR_CMP_DATA, mark);
		else
			right = step == 3 && is_named(e, "immediate") && is_accept(e);
		step++;
	}
	if (i != NULL)
		nftnl_expr_iter_destroy(i);
	return right && step == 4;
}

static enum nft_rule_verdict_kind verdict_meaning(
    struct nft_rule_verdict *out, const struct nftnl_expr *e)
{
	uint32_t verdict = nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT);
	const char *chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);

	if (!nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT))
		return NFT_RULE_LITTLE;
	if (verdict == NF_DROP)
		return NFT_RULE_DROP;
	if (chain == NULL || strlen(chain) >= sizeof out->chain ||
	    (verdict != (uint32_t)NFT_JUMP && verdict != (uint32_t)NFT_GOTO))
		return NFT_RULE_LITTLE;
	memcpy(out->chain, chain, strlen(chain) + 1);
	return NFT_RULE_JUMP;
}

/* iptables has extensions of its own for some of this. */
static bool is_remark(const struct nftnl_expr *e)
{
	const char *match = is_named(e, "match") ? nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME) : NULL;

	return is_named(e, "counter") || is_named(e, "log") ||
	       (match != NULL && strcmp(match, "comment") == 0);
}

static bool is_reject(const struct nftnl_expr *e)
{
	const char *target =
	    is_named(e, "target") ? nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME) : NULL;

	return is_named(e, "reject") || (target != NULL && strcmp(target, "REJECT") == 0);
}

/* What the first expression that decides anything does. */
static enum nft_rule_verdict_kind foreign_meaning(
    struct nft_rule_verdict *out, const struct nftnl_rule *rule)
{
	struct nftnl_expr_iter *i = nftnl_expr_iter_create(rule);
	enum nft_rule_verdict_kind meaning = NFT_RULE_LITTLE;
	struct nftnl_expr *e = NULL;

	if (i == NULL)
		return meaning;
	do {
		e = nftnl_expr_iter_next(i);
	} while (e != NULL && is_remark(e));
	if (e != NULL && is_reject(e))
		meaning = NFT_RULE_DROP;
	else if (e != NULL && is_named(e, "immediate"))
		meaning = verdict_meaning(out, e);
	nftnl_expr_iter_destroy(i);
	return meaning;
}

int nft_pass_read(struct nft_rule_verdict *out, const struct nlmsghdr *rule, uint32_t mark)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (r == NULL)
		return -ENOMEM;
	out->meaning = NFT_RULE_LITTLE;
	/* A rule that libnftnl cannot read is a rule of somebody else that means little. */
	if (nftnl_rule_nlmsg_parse(rule, r) == 0) {
		out->handle = nftnl_rule_get_u64(r, NFTNL_RULE_HANDLE);
		if (!has_our_comment(r))
			out->meaning = foreign_meaning(out, r);
		else
			out->meaning = is_as_built(r, mark) ? NFT_RULE_PASS : NFT_RULE_PASS_STALE;
	}
	nftnl_rule_free(r);
	return 0;
}

struct nftnl_expr *nft_rule_add(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (e != NULL)
		nftnl_rule_add_expr(rule, e);
	return e;
}

static bool add_mark_match(struct nftnl_rule *rule, uint32_t mark)
{
	struct nftnl_expr *meta = nft_rule_add(rule, "meta");
	struct nftnl_expr *bitwise = nft_rule_add(rule, "bitwise");
	struct nftnl_expr *cmp = nft_rule_add(rule, "cmp");
	uint32_t zero = 0;

	if (meta == NULL || bitwise == NULL || cmp == NULL)
		return false;
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(meta, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(bitwise, NFTNL_EXPR_BITWISE_LEN, sizeof mark);
	nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	return nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_MASK, &mark, sizeof mark) == 0 &&
	       nftnl_expr_set(bitwise, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof zero) == 0 &&
	       nftnl_expr_set(cmp, NFTNL_EXPR_CMP_DATA, &mark, sizeof mark) == 0;
}

bool nft_rule_add_accept(struct nftnl_rule *rule)
{
	struct nftnl_expr *verdict = nft_rule_add(rule, "immediate");

	if (verdict == NULL)
		return false;
	nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
	return true;
}

static bool add_comment(struct nftnl_rule *rule)
{
	uint8_t data[2 + sizeof PASS_COMMENT];
	struct writer w = writer_of(data, sizeof data);

	writer_u8(&w, NFTNL_UDATA_RULE_COMMENT);
	writer_u8(&w, sizeof PASS_COMMENT);
	writer_put(&w, PASS_COMMENT, sizeof PASS_COMMENT);
	return nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, data, sizeof data) == 0;
}

int nft_pass_insert(
    struct nft_link *l, uint8_t family, const char *table, const char *chain, uint32_t mark)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	bool whole = rule != NULL && nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table) == 0 &&
	             nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain) == 0 &&
	             add_mark_match(rule, mark) && nft_rule_add_accept(rule) && add_comment(rule);

	if (whole) /* neither appended nor at a position: the head */
		nftnl_rule_nlmsg_build_payload(
		    nft_batch_add(l, NFT_MSG_NEWRULE, family, NLM_F_CREATE), rule);
	if (rule != NULL)
		nftnl_rule_free(rule);
	return whole ? 0 : -ENOMEM;
}
