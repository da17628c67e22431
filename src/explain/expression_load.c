#include "explain/expression.h"

static void do_payload(struct evaluation *e, attributes *a)
{
	struct value v = value_unknown(expression_number(a, NFTA_PAYLOAD_LEN));

	if (a->at[NFTA_PAYLOAD_SREG] != NULL) {
		e->packet->changed = true;
		e->packet->lost = e->packet->lost || expression_number(a, NFTA_PAYLOAD_BASE) != 0;
		return;
	}
	packet_payload(e->packet, expression_number(a, NFTA_PAYLOAD_BASE),
	    expression_number(a, NFTA_PAYLOAD_OFFSET), &v);
	expression_put(e, expression_number(a, NFTA_PAYLOAD_DREG), &v, "payload");
}

static void set_mark(struct evaluation *e, uint32_t reg, uint32_t *mark, uint32_t *known)
{
	struct value v;

	(void)registers_get(&e->registers, reg, sizeof *mark, &v);
	packet_set_mark(mark, known, &v, evaluation_sure(e));
}

static void do_meta(struct evaluation *e, attributes *a)
{
	uint32_t key = expression_number(a, NFTA_META_KEY);
	struct value v;

	if (a->at[NFTA_META_SREG] != NULL) {
		if (key == NFT_META_MARK)
			set_mark(e, expression_number(a, NFTA_META_SREG), &e->packet->mark,
			    &e->packet->mark_known);
		return;
	}
	if (!packet_meta(e->packet, key, &v))
		evaluation_match(e, ANSWER_NO, "meta");
	else
		expression_put(e, expression_number(a, NFTA_META_DREG), &v, "meta");
}

static void do_ct(struct evaluation *e, attributes *a)
{
	const struct nlattr *direction = a->at[NFTA_CT_DIRECTION];
	uint32_t key = expression_number(a, NFTA_CT_KEY);
	struct value v;

	if (a->at[NFTA_CT_SREG] != NULL) {
		if (key == NFT_CT_MARK)
			set_mark(e, expression_number(a, NFTA_CT_SREG), &e->packet->ct_mark,
			    &e->packet->ct_mark_known);
		return;
	}
	if (!packet_ct(e->packet, key,
	        direction != NULL && mnl_attr_get_payload_len(direction) > 0
	            ? mnl_attr_get_u8(direction)
	            : 0,
	        &v))
		evaluation_match(e, ANSWER_NO, "ct");
	else
		expression_put(e, expression_number(a, NFTA_CT_DREG), &v, "ct");
}

static void do_fib(struct evaluation *e, attributes *a)
{
	struct value v;

	packet_fib(e->packet, expression_number(a, NFTA_FIB_RESULT),
	    expression_number(a, NFTA_FIB_FLAGS), &v);
	expression_put(e, expression_number(a, NFTA_FIB_DREG), &v, "fib");
}

static void do_exthdr(struct evaluation *e, attributes *a)
{
	bool present = (expression_number(a, NFTA_EXTHDR_FLAGS) & NFT_EXTHDR_F_PRESENT) != 0;
	struct value v = value_unknown(expression_number(a, NFTA_EXTHDR_LEN));

	if (a->at[NFTA_EXTHDR_DREG] == NULL)
		return;
	if (!packet_extension(e->packet, expression_number(a, NFTA_EXTHDR_OP), present, &v))
		evaluation_match(e, ANSWER_NO, "exthdr");
	else
		expression_put(e, expression_number(a, NFTA_EXTHDR_DREG), &v, "exthdr");
}

bool expression_load(struct evaluation *e, const char *name, attributes *a)
{
	static const struct expression table[] = {{"payload", do_payload}, {"meta", do_meta},
	    {"ct", do_ct}, {"fib", do_fib}, {"exthdr", do_exthdr}};

	return expression_do(table, sizeof table / sizeof *table, e, name, a);
}
