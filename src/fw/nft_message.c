/* Chains, sets and rules as the kernel takes them: messages with attributes, all numbers
 * big-endian. */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "fw/nft_rule.h"

#define COMMENT_MOST 127
#define TYPE_BITS    6 /* of each part, where a key has several */

/* The last of a key's types is that of its lowest bits. */
void nft_new_set(struct nft_writer *w, const char *name, uint32_t flags, uint32_t type,
    size_t bytes, size_t size)
{
	struct nlmsghdr *m = nft_batch_add(w->link, NFT_MSG_NEWSET, NFPROTO_INET, NLM_F_CREATE);
	struct nlattr *nest;

	mnl_attr_put_strz(m, NFTA_SET_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, name);
	mnl_attr_put_u32(m, NFTA_SET_FLAGS, htobe32(flags));
	mnl_attr_put_u32(m, NFTA_SET_KEY_TYPE, htobe32(type));
	mnl_attr_put_u32(m, NFTA_SET_KEY_LEN, htobe32((uint32_t)bytes));
	mnl_attr_put_u32(m, NFTA_SET_ID, htobe32(++w->sets));
	nest = mnl_attr_nest_start(m, NFTA_SET_DESC);
	mnl_attr_put_u32(m, NFTA_SET_DESC_SIZE, htobe32((uint32_t)size));
	mnl_attr_nest_end(m, nest);
}

void nft_put_set(struct nft_writer *w, const char *name, bool v4, int more)
{
	static const char *const names[] = {"", " . inet_proto", " . inet_proto . inet_service"};
	uint32_t type = v4 ? NFT_IPV4_ADDR : NFT_IPV6_ADDR;

	if (w->text != NULL)
		fprintf(w->text, "\tset %s {\n\t\ttype %s%s\n\t\tflags timeout\n\t\tsize %d\n\t}\n",
		    name, v4 ? "ipv4_addr" : "ipv6_addr", names[more], NFT_SET_SIZE);
	for (int i = 0; i < more; i++)
		type = type << TYPE_BITS | (i == 0 ? NFT_INET_PROTO : NFT_INET_SERVICE);
	if (w->link != NULL)
		nft_new_set(w, name, NFT_SET_TIMEOUT, type,
		    (v4 ? 4 : ADDR_BYTES) + 4 * (size_t)more, NFT_SET_SIZE);
}

void nft_put_chain(struct nft_writer *w, const char *name, int hook, int32_t priority)
{
	static const char *const hook_names[] = {[NF_INET_PRE_ROUTING] = "prerouting",
	    [NF_INET_LOCAL_IN] = "input",
	    [NF_INET_LOCAL_OUT] = "output"};
	struct nlmsghdr *m;
	struct nlattr *nest;

	w->chain = name;
	if (w->text != NULL)
		fprintf(w->text, "\tchain %s {\n", name);
	if (w->text != NULL && hook >= 0)
		fprintf(w->text, "\t\ttype filter hook %s priority %" PRId32 "; policy accept;\n",
		    hook_names[hook], priority);
	if (w->link == NULL)
		return;
	m = nft_batch_add(w->link, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE);
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, name);
	if (hook < 0)
		return;
	mnl_attr_put_strz(m, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(m, NFTA_CHAIN_POLICY, htobe32(NF_ACCEPT));
	nest = mnl_attr_nest_start(m, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(m, NFTA_HOOK_HOOKNUM, htobe32((uint32_t)hook));
	mnl_attr_put_u32(m, NFTA_HOOK_PRIORITY, htobe32((uint32_t)priority));
	mnl_attr_nest_end(m, nest);
}

void nft_end_chain(struct nft_writer *w)
{
	if (w->text != NULL)
		fputs("\t}\n", w->text);
}

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

/* User data is a row of type, length, value; a comment's value ends with a zero. */
void nft_put_comment(struct nlmsghdr *m, uint16_t attribute, const char *comment)
{
	uint8_t data[2 + COMMENT_MOST + 1];
	struct writer w = writer_of(data, sizeof data);

	writer_u8(&w, NFT_COMMENT);
	writer_u8(&w, (uint8_t)(strlen(comment) + 1));
	writer_put(&w, comment, strlen(comment) + 1);
	mnl_attr_put(m, attribute, 2 + strlen(comment) + 1, data);
}

bool nft_has_comment(const struct nlattr *data, const char *comment)
{
	struct reader r = reader_of(data == NULL ? NULL : mnl_attr_get_payload(data),
	    data == NULL ? 0 : mnl_attr_get_payload_len(data));
	size_t size = strlen(comment) + 1;

	while (r.left > 0 && !r.failed) {
		uint8_t type = reader_u8(&r), length = reader_u8(&r);
		char text[COMMENT_MOST + 1];

		if (type != NFT_COMMENT || length != size) {
			reader_skip(&r, length);
			continue;
		}
		reader_take(&r, text, size);
		if (!r.failed && memcmp(text, comment, size) == 0)
			return true;
	}
	return false;
}

void nft_rule_end(struct nft_building *b, const char *comment)
{
	mnl_attr_nest_end(b->message, b->expressions);
	if (comment != NULL)
		nft_put_comment(b->message, NFTA_RULE_USERDATA, comment);
}

void nft_rule_delete(
    struct nft_link *l, uint8_t family, const char *table, const char *chain, uint64_t handle)
{
	struct nlmsghdr *m = nft_batch_add(l, NFT_MSG_DELRULE, family, 0);

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
	mnl_attr_put_u64(m, NFTA_RULE_HANDLE, htobe64(handle));
}

/* Pairs of an attribute and its value. */
#define NUMBERS(...) ((const uint32_t[]){__VA_ARGS__, 0})

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

void nft_put_data(struct nlmsghdr *m, uint16_t type, const void *data, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(m, type);

	mnl_attr_put(m, NFTA_DATA_VALUE, size, data);
	mnl_attr_nest_end(m, nest);
}

void nft_load(
    struct nft_building *b, enum nft_source from, uint32_t what, uint32_t size, uint32_t reg)
{
	if (from == NFT_META)
		start(b, "meta", NUMBERS(NFTA_META_DREG, reg, NFTA_META_KEY, what));
	else if (from == NFT_CT)
		start(b, "ct", NUMBERS(NFTA_CT_DREG, reg, NFTA_CT_KEY, what));
	else if (from == NFT_FIB)
		start(b, "fib",
		    NUMBERS(NFTA_FIB_DREG, reg, NFTA_FIB_RESULT, what, NFTA_FIB_FLAGS,
		        NFTA_FIB_F_DADDR));
	else
		start(b, "payload",
		    NUMBERS(NFTA_PAYLOAD_DREG, reg, NFTA_PAYLOAD_BASE, (uint32_t)from,
		        NFTA_PAYLOAD_OFFSET, what, NFTA_PAYLOAD_LEN, size));
	end(b);
}

void nft_compare(struct nft_building *b, uint32_t op, const void *data, size_t size)
{
	start(b, "cmp", NUMBERS(NFTA_CMP_SREG, NFT_REG_1, NFTA_CMP_OP, op));
	nft_put_data(b->message, NFTA_CMP_DATA, data, size);
	end(b);
}

void nft_mask(struct nft_building *b, const void *mask, const void *bits, size_t size)
{
	start(b, "bitwise",
	    NUMBERS(NFTA_BITWISE_SREG, NFT_REG_1, NFTA_BITWISE_DREG, NFT_REG_1, NFTA_BITWISE_LEN,
	        (uint32_t)size));
	nft_put_data(b->message, NFTA_BITWISE_MASK, mask, size);
	nft_put_data(b->message, NFTA_BITWISE_XOR, bits, size);
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

void nft_untrack(struct nft_building *b)
{
	start(b, "notrack", NUMBERS(0));
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
