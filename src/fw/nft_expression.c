/* Expressions as the kernel takes them: a name and attributes, all numbers big-endian. */
#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "base/bytes.h"
#include "fw/nft_rule.h"

#define COMMENT_MOST 127

struct nft_building nft_rule_start(
    struct nft_link *l, uint8_t family, const char *table, const char *chain, uint16_t flags)
{
	struct nft_building b = {
	    .message = nft_batch_add(l, NFT_MSG_NEWRULE, family, NLM_F_CREATE | flags)};

	mnl_attr_put_strz(b.message, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(b.message, NFTA_RULE_CHAIN, chain);
	b.expressions = mnl_attr_nest_start(b.message, NFTA_RULE_EXPRESSIONS);
	return b;
}

void nft_rule_end(struct nft_building *b, const char *comment)
{
	uint8_t data[2 + COMMENT_MOST + 1];
	struct writer w = writer_of(data, sizeof data);

	mnl_attr_nest_end(b->message, b->expressions);
	if (comment == NULL)
		return;
	writer_u8(&w, NFT_COMMENT);
	writer_u8(&w, (uint8_t)(strlen(comment) + 1));
	writer_put(&w, comment, strlen(comment) + 1);
	mnl_attr_put(b->message, NFTA_RULE_USERDATA, 2 + strlen(comment) + 1, data);
}

/* Pairs of an attribute and its value. */
#define NUMBERS(...)           \
	(const uint32_t[])     \
	{                      \
		__VA_ARGS__, 0 \
	}

static void start(struct nft_building *b, const char *name, const uint32_t *numbers)
{
	b->expression = mnl_attr_nest_start(b->message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(b->message, NFTA_EXPR_NAME, name);
	b->data = mnl_attr_nest_start(b->message, NFTA_EXPR_DATA);
	for (; *numbers != 0; numbers += 2)
		mnl_attr_put_u32(b->message, (uint16_t)numbers[0], htobe32(numbers[1]));
}

static void end(struct nft_building *b)
{
	mnl_attr_nest_end(b->message, b->data);
	mnl_attr_nest_end(b->message, b->expression);
}

static void put_data(struct nft_building *b, uint16_t type, const void *data, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(b->message, type);

	mnl_attr_put(b->message, NFTA_DATA_VALUE, size, data);
	mnl_attr_nest_end(b->message, nest);
}

void nft_load_meta(struct nft_building *b, uint32_t key, uint32_t reg)
{
	start(b, "meta", NUMBERS(NFTA_META_DREG, reg, NFTA_META_KEY, key));
	end(b);
}

void nft_load_ct(struct nft_building *b, uint32_t key)
{
	start(b, "ct", NUMBERS(NFTA_CT_DREG, NFT_REG_1, NFTA_CT_KEY, key));
	end(b);
}

void nft_load_payload(
    struct nft_building *b, uint32_t base, uint32_t offset, uint32_t size, uint32_t reg)
{
	start(b, "payload",
	    NUMBERS(NFTA_PAYLOAD_DREG, reg, NFTA_PAYLOAD_BASE, base, NFTA_PAYLOAD_OFFSET, offset,
	        NFTA_PAYLOAD_LEN, size));
	end(b);
}

void nft_compare(struct nft_building *b, uint32_t op, const void *data, size_t size)
{
	start(b, "cmp", NUMBERS(NFTA_CMP_SREG, NFT_REG_1, NFTA_CMP_OP, op));
	put_data(b, NFTA_CMP_DATA, data, size);
	end(b);
}

void nft_mask(struct nft_building *b, const void *mask, const void * xor, size_t size)
{
	start(b, "bitwise",
	    NUMBERS(NFTA_BITWISE_SREG, NFT_REG_1, NFTA_BITWISE_DREG, NFT_REG_1, NFTA_BITWISE_LEN,
	        (uint32_t)size));
	put_data(b, NFTA_BITWISE_MASK, mask, size);
	put_data(b, NFTA_BITWISE_XOR, xor, size);
	end(b);
}

void nft_look_up(struct nft_building *b, const char *set, uint32_t id)
{
	start(b, "lookup", NUMBERS(NFTA_LOOKUP_SREG, NFT_REG_1, NFTA_LOOKUP_SET_ID, id));
	mnl_attr_put_strz(b->message, NFTA_LOOKUP_SET, set);
	end(b);
}

void nft_set_mark(struct nft_building *b)
{
	start(b, "meta", NUMBERS(NFTA_META_SREG, NFT_REG_1, NFTA_META_KEY, NFT_META_MARK));
	end(b);
}

void nft_verdict(struct nft_building *b, int verdict, const char *chain)
{
	struct nlattr *value, *nest;

	start(b, "immediate", NUMBERS(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT));
	value = mnl_attr_nest_start(b->message, NFTA_IMMEDIATE_DATA);
	nest = mnl_attr_nest_start(b->message, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(b->message, NFTA_VERDICT_CODE, htobe32((uint32_t)verdict));
	if (chain != NULL)
		mnl_attr_put_strz(b->message, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(b->message, nest);
	mnl_attr_nest_end(b->message, value);
	end(b);
}
