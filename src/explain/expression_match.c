#include <endian.h>
#include <string.h>

#include "explain/expression.h"
#include "explain/lookup.h"

static void do_cmp(struct evaluation *e, attributes *a)
{
	struct value other = expression_constant(a->at[NFTA_CMP_DATA]), v;
	uint32_t op = expression_number(a, NFTA_CMP_OP);
	uint8_t least[VALUE_BYTES] = {0}, most[VALUE_BYTES];
	enum answer answer = ANSWER_MAY;

	memset(most, 0xff, sizeof most);
	if (other.size == 0 ||
	    !registers_get(&e->registers, expression_number(a, NFTA_CMP_SREG), other.size, &v))
		answer = ANSWER_MAY;
	else if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ)
		answer = value_equals(&v, other.bytes, other.size);
	else if (op == NFT_CMP_LTE || op == NFT_CMP_GT)
		answer = value_between(&v, 0, least, other.bytes, other.size);
	else if (op == NFT_CMP_GTE || op == NFT_CMP_LT)
		answer = value_between(&v, 0, other.bytes, most, other.size);
	if (op == NFT_CMP_NEQ || op == NFT_CMP_GT || op == NFT_CMP_LT)
		answer = answer_not(answer);
	evaluation_match(e, answer, e->loaded);
}

static void do_range(struct evaluation *e, attributes *a)
{
	struct value first = expression_constant(a->at[NFTA_RANGE_FROM_DATA]),
	             last = expression_constant(a->at[NFTA_RANGE_TO_DATA]), v;
	enum answer answer = ANSWER_MAY;

	if (first.size > 0 && first.size == last.size &&
	    registers_get(&e->registers, expression_number(a, NFTA_RANGE_SREG), first.size, &v))
		answer = value_between(&v, 0, first.bytes, last.bytes, first.size);
	evaluation_match(e,
	    expression_number(a, NFTA_RANGE_OP) == NFT_RANGE_NEQ ? answer_not(answer) : answer,
	    e->loaded);
}

static void do_bitwise(struct evaluation *e, attributes *a)
{
	struct value mask = expression_constant(a->at[NFTA_BITWISE_MASK]),
	             bits = expression_constant(a->at[NFTA_BITWISE_XOR]), v;
	size_t size = expression_number(a, NFTA_BITWISE_LEN);

	if (expression_number(a, NFTA_BITWISE_OP) != NFT_BITWISE_BOOL || mask.size != size ||
	    bits.size != size ||
	    !registers_get(&e->registers, expression_number(a, NFTA_BITWISE_SREG), size, &v)) {
		v = value_unknown(size);
	} else {
		for (size_t i = 0; i < size; i++) {
			v.known[i] |= (uint8_t)~mask.bytes[i];
			v.bytes[i] = ((v.bytes[i] & mask.bytes[i]) ^ bits.bytes[i]) & v.known[i];
		}
	}
	expression_put(e, expression_number(a, NFTA_BITWISE_DREG), &v, e->loaded);
}

static void do_byteorder(struct evaluation *e, attributes *a)
{
	size_t size = expression_number(a, NFTA_BYTEORDER_LEN),
	       word = expression_number(a, NFTA_BYTEORDER_SIZE);
	struct value v, turned;

	if (!registers_get(&e->registers, expression_number(a, NFTA_BYTEORDER_SREG), size, &v) ||
	    (word != 2 && word != 4 && word != 8) || size % word != 0)
		v = value_unknown(size);
	turned = v;
	for (size_t i = 0; htobe16(1) != 1 && i < v.size && v.size % word == 0; i++) {
		size_t from = i / word * word + word - 1 - i % word;

		turned.bytes[i] = v.bytes[from];
		turned.known[i] = v.known[from];
	}
	expression_put(e, expression_number(a, NFTA_BYTEORDER_DREG), &turned, e->loaded);
}

static void use_element(struct evaluation *e, attributes *a, const struct lookup *found)
{
	const struct nft_attributes element = nft_attributes_in(found->element);
	const struct nlattr *data = element.at[NFTA_SET_ELEM_DATA];
	uint32_t reg = expression_number(a, NFTA_LOOKUP_DREG);
	struct value v = expression_constant(data);

	if (reg == NFT_REG_VERDICT)
		expression_verdict(e, data, e->loaded);
	else
		expression_put(e, reg, &v, e->loaded);
}

static void do_lookup(struct evaluation *e, attributes *a)
{
	const struct rules_set *set = rules_set_named(e->rules, e->chain->family, e->chain->table,
	    nft_attribute_text(a->at[NFTA_LOOKUP_SET]));
	bool inverted = (expression_number(a, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0;
	struct lookup found = {.found = ANSWER_MAY};
	struct value v;

	if (set != NULL && registers_get(&e->registers, expression_number(a, NFTA_LOOKUP_SREG),
	                       set->key_bytes, &v))
		found = lookup_in(set, &v);
	evaluation_match(e, inverted ? answer_not(found.found) : found.found, e->loaded);
	if (found.counts)
		evaluation_match(e, ANSWER_MAY, "limit");
	if (e->result.matches != ANSWER_NO && a->at[NFTA_LOOKUP_DREG] != NULL)
		use_element(e, a, &found);
}

bool expression_match(struct evaluation *e, const char *name, attributes *a)
{
	static const struct expression table[] = {{"cmp", do_cmp}, {"range", do_range},
	    {"bitwise", do_bitwise}, {"byteorder", do_byteorder}, {"lookup", do_lookup}};

	return expression_do(table, sizeof table / sizeof *table, e, name, a);
}
