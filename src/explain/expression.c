#include "explain/expression.h"

#include <string.h>

uint32_t expression_number(attributes *a, int type)
{
	uint32_t out = 0;

	(void)nft_attribute_u32(a->at[type], &out);
	return out;
}

struct value expression_constant(const struct nlattr *nest)
{
	const struct nlattr *v = nft_attributes_in(nest).at[NFTA_DATA_VALUE];

	return v != NULL ? value_of(mnl_attr_get_payload(v), mnl_attr_get_payload_len(v))
	                 : value_unknown(0);
}

void expression_put(struct evaluation *e, uint32_t reg, const struct value *v, const char *what)
{
	e->loaded = what;
	if (!registers_put(&e->registers, reg, v))
		evaluation_match(e, ANSWER_MAY, what);
}

void expression_verdict(struct evaluation *e, const struct nlattr *data, const char *what)
{
	const struct nft_attributes v =
	    nft_attributes_in(nft_attributes_in(data).at[NFTA_DATA_VERDICT]);
	uint32_t code;

	if (!nft_attribute_u32(v.at[NFTA_VERDICT_CODE], &code)) {
		evaluation_match(e, ANSWER_MAY, what);
		e->result.decides = e->result.unknown = true;
	} else if (code == (uint32_t)NFT_BREAK) {
		evaluation_match(e, ANSWER_NO, what);
	} else if (code != (uint32_t)NFT_CONTINUE) {
		evaluation_verdict(e, (int32_t)code < 0 ? code : code & NF_VERDICT_MASK,
		    nft_attribute_text(v.at[NFTA_VERDICT_CHAIN]));
	}
}

bool expression_do(const struct expression *table, size_t count, struct evaluation *e,
    const char *name, attributes *a)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) == 0) {
			table[i].act(e, a);
			return true;
		}
	}
	return false;
}
