#include "explain/rule.h"

#include "explain/expression.h"
#include "explain/legacy.h"

static int each_expression(const struct nlattr *attribute, void *data)
{
	struct evaluation *e = data;
	const struct nft_attributes outer = nft_attributes_in(attribute);
	const struct nft_attributes inner = nft_attributes_in(outer.at[NFTA_EXPR_DATA]);
	const char *name = nft_attribute_text(outer.at[NFTA_EXPR_NAME]);

	if (!expression_load(e, name, &inner) && !expression_match(e, name, &inner) &&
	    !expression_act(e, name, &inner)) {
		/* It may match, or put something in a register, or else. */
		e->registers = (struct registers){{0}, {0}};
		e->loaded = name;
		evaluation_match(e, ANSWER_MAY, name);
	}
	return e->result.matches == ANSWER_NO || e->result.decides ? MNL_CB_STOP : MNL_CB_OK;
}

struct rule_result rule_evaluate(const struct rules *rules, const struct rules_chain *chain,
    const struct rules_rule *rule, struct packet *packet, bool reached)
{
	struct evaluation e = {.rules = rules,
	    .chain = chain,
	    .packet = packet,
	    .reached = reached,
	    .loaded = "nothing",
	    .result = {.matches = ANSWER_YES}};

	if (rule->entry != NULL)
		legacy_evaluate(&e, rule);
	else if (rule->expressions != NULL)
		(void)mnl_attr_parse_nested(rule->expressions, each_expression, &e);
	return e.result;
}
