/* The expressions of a rule of nf_tables, one after the other. */
#include "explain/rule.h"

#include <endian.h>
#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "explain/legacy.h"
#include "explain/lookup.h"
#include "explain/xt.h"

#define LIMIT            "limit"
#define OBJECT_QUOTA     2
#define OBJECT_LIMIT     4
#define OBJECT_CONNLIMIT 5
#define OBJECT_SYNPROXY  10

typedef const struct nft_attributes attributes;

static uint32_t number(attributes *a, int type)
{
	uint32_t out = 0;

	(void)nft_attribute_u32(a->at[type], &out);
	return out;
}

/* A value that stands in a rule; of size 0 when there is none. */
static struct value constant(const struct nlattr *nest)
{
	const struct nlattr *v = nft_attributes_in(nest).at[NFTA_DATA_VALUE];

	return v != NULL ? value_of(mnl_attr_get_payload(v), mnl_attr_get_payload_len(v))
	                 : value_unknown(0);
}

static void load(struct evaluation *e, uint32_t reg, const struct value *v, const char *what)
{
	e->loaded = what;
	if (!registers_put(&e->registers, reg, v))
		evaluation_match(e, ANSWER_MAY, what);
}

static void take_verdict(struct evaluation *e, const struct nlattr *data, const char *what)
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

static void do_immediate(struct evaluation *e, attributes *a)
{
	struct value v = constant(a->at[NFTA_IMMEDIATE_DATA]);

	if (number(a, NFTA_IMMEDIATE_DREG) == NFT_REG_VERDICT)
		take_verdict(e, a->at[NFTA_IMMEDIATE_DATA], "immediate");
	else
		load(e, number(a, NFTA_IMMEDIATE_DREG), &v, "immediate");
}

static void do_payload(struct evaluation *e, attributes *a)
{
	struct value v = value_unknown(number(a, NFTA_PAYLOAD_LEN));

	if (a->at[NFTA_PAYLOAD_SREG] != NULL) {
		e->packet->changed = true;
		e->packet->lost = e->packet->lost || number(a, NFTA_PAYLOAD_BASE) != 0;
		return;
	}
	packet_payload(e->packet, number(a, NFTA_PAYLOAD_BASE), number(a, NFTA_PAYLOAD_OFFSET), &v);
	load(e, number(a, NFTA_PAYLOAD_DREG), &v, "payload");
}

static void set_mark(struct evaluation *e, uint32_t reg, uint32_t *mark, uint32_t *known)
{
	struct value v;

	(void)registers_get(&e->registers, reg, sizeof *mark, &v);
	packet_set_mark(mark, known, &v, evaluation_sure(e));
}

static void do_meta(struct evaluation *e, attributes *a)
{
	uint32_t key = number(a, NFTA_META_KEY);
	struct value v;

	if (a->at[NFTA_META_SREG] != NULL) {
		if (key == NFT_META_MARK)
			set_mark(
			    e, number(a, NFTA_META_SREG), &e->packet->mark, &e->packet->mark_known);
		return;
	}
	if (!packet_meta(e->packet, key, &v))
		evaluation_match(e, ANSWER_NO, "meta");
	else
		load(e, number(a, NFTA_META_DREG), &v, "meta");
}

static void do_ct(struct evaluation *e, attributes *a)
{
	const struct nlattr *direction = a->at[NFTA_CT_DIRECTION];
	uint32_t key = number(a, NFTA_CT_KEY);
	struct value v;

	if (a->at[NFTA_CT_SREG] != NULL) {
		if (key == NFT_CT_MARK)
			set_mark(e, number(a, NFTA_CT_SREG), &e->packet->ct_mark,
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
		load(e, number(a, NFTA_CT_DREG), &v, "ct");
}

static void do_fib(struct evaluation *e, attributes *a)
{
	struct value v;

	packet_fib(e->packet, number(a, NFTA_FIB_RESULT), number(a, NFTA_FIB_FLAGS), &v);
	load(e, number(a, NFTA_FIB_DREG), &v, "fib");
}

static void do_exthdr(struct evaluation *e, attributes *a)
{
	bool present = (number(a, NFTA_EXTHDR_FLAGS) & NFT_EXTHDR_F_PRESENT) != 0;
	struct value v = value_unknown(number(a, NFTA_EXTHDR_LEN));

	if (a->at[NFTA_EXTHDR_DREG] == NULL)
		return;
	if (!packet_extension(e->packet, number(a, NFTA_EXTHDR_OP), present, &v))
		evaluation_match(e, ANSWER_NO, "exthdr");
	else
		load(e, number(a, NFTA_EXTHDR_DREG), &v, "exthdr");
}

static void do_cmp(struct evaluation *e, attributes *a)
{
	struct value other = constant(a->at[NFTA_CMP_DATA]), v;
	uint32_t op = number(a, NFTA_CMP_OP);
	uint8_t least[VALUE_BYTES] = {0}, most[VALUE_BYTES];
	enum answer answer = ANSWER_MAY;

	memset(most, 0xff, sizeof most);
	if (other.size == 0 ||
	    !registers_get(&e->registers, number(a, NFTA_CMP_SREG), other.size, &v))
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
	struct value first = constant(a->at[NFTA_RANGE_FROM_DATA]),
	             last = constant(a->at[NFTA_RANGE_TO_DATA]), v;
	enum answer answer = ANSWER_MAY;

	if (first.size > 0 && first.size == last.size &&
	    registers_get(&e->registers, number(a, NFTA_RANGE_SREG), first.size, &v))
		answer = value_between(&v, 0, first.bytes, last.bytes, first.size);
	evaluation_match(
	    e, number(a, NFTA_RANGE_OP) == NFT_RANGE_NEQ ? answer_not(answer) : answer, e->loaded);
}

static void do_bitwise(struct evaluation *e, attributes *a)
{
	struct value mask = constant(a->at[NFTA_BITWISE_MASK]),
	             bits = constant(a->at[NFTA_BITWISE_XOR]), v;
	size_t size = number(a, NFTA_BITWISE_LEN);

	if (number(a, NFTA_BITWISE_OP) != NFT_BITWISE_MASK_XOR || mask.size != size ||
	    bits.size != size ||
	    !registers_get(&e->registers, number(a, NFTA_BITWISE_SREG), size, &v)) {
		v = value_unknown(size);
	} else {
		for (size_t i = 0; i < size; i++) {
			v.known[i] |= (uint8_t)~mask.bytes[i];
			v.bytes[i] = ((v.bytes[i] & mask.bytes[i]) ^ bits.bytes[i]) & v.known[i];
		}
	}
	load(e, number(a, NFTA_BITWISE_DREG), &v, e->loaded);
}

static void do_byteorder(struct evaluation *e, attributes *a)
{
	size_t size = number(a, NFTA_BYTEORDER_LEN), word = number(a, NFTA_BYTEORDER_SIZE);
	struct value v, turned;

	if (!registers_get(&e->registers, number(a, NFTA_BYTEORDER_SREG), size, &v) ||
	    (word != 2 && word != 4 && word != 8) || size % word != 0)
		v = value_unknown(size);
	turned = v;
	for (size_t i = 0; htobe16(1) != 1 && i < v.size && v.size % word == 0; i++) {
		size_t from = i / word * word + word - 1 - i % word;

		turned.bytes[i] = v.bytes[from];
		turned.known[i] = v.known[from];
	}
	load(e, number(a, NFTA_BYTEORDER_DREG), &turned, e->loaded);
}

static void use_element(struct evaluation *e, attributes *a, const struct lookup *found)
{
	const struct nft_attributes element = nft_attributes_in(found->element);
	const struct nlattr *data = element.at[NFTA_SET_ELEM_DATA];
	uint32_t reg = number(a, NFTA_LOOKUP_DREG);
	struct value v = constant(data);

	if (reg == NFT_REG_VERDICT)
		take_verdict(e, data, e->loaded);
	else
		load(e, reg, &v, e->loaded);
}

static void do_lookup(struct evaluation *e, attributes *a)
{
	const struct rules_set *set = rules_set_named(e->rules, e->chain->family, e->chain->table,
	    nft_attribute_text(a->at[NFTA_LOOKUP_SET]));
	bool inverted = (number(a, NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0;
	struct lookup found = {.found = ANSWER_MAY};
	struct value v;

	if (set != NULL &&
	    registers_get(&e->registers, number(a, NFTA_LOOKUP_SREG), set->key_bytes, &v))
		found = lookup_in(set, &v);
	evaluation_match(e, inverted ? answer_not(found.found) : found.found, e->loaded);
	if (found.counts)
		evaluation_match(e, ANSWER_MAY, LIMIT);
	if (e->result.matches != ANSWER_NO && a->at[NFTA_LOOKUP_DREG] != NULL)
		use_element(e, a, &found);
}

static void do_reject(struct evaluation *e, attributes *a)
{
	(void)a;
	evaluation_verdict(e, NF_DROP, NULL);
	e->result.rejects = true;
}

static void do_queue(struct evaluation *e, attributes *a)
{
	(void)a;
	evaluation_verdict(e, NF_QUEUE, NULL);
}

/* A register with one known value, and the upper end of its range with the same. */
static bool single(
    const struct evaluation *e, attributes *a, int least, int most, size_t size, struct value *out)
{
	struct value last;

	if (!registers_get(&e->registers, number(a, least), size, out) || !value_is_known(out))
		return false;
	return a->at[most] == NULL || number(a, most) == number(a, least) ||
	       (registers_get(&e->registers, number(a, most), size, &last) &&
	           value_equals(&last, out->bytes, size) == ANSWER_YES);
}

static bool port_of(const struct evaluation *e, attributes *a, int least, int most, uint16_t *port)
{
	struct value v;

	*port = 0;
	if (a->at[least] == NULL)
		return true;
	if (!single(e, a, least, most, 2, &v))
		return false;
	*port = (uint16_t)(v.bytes[0] << 8 | v.bytes[1]);
	return true;
}

static void do_nat(struct evaluation *e, attributes *a)
{
	size_t size = packet_is_v4(e->packet) ? 4 : ADDR_BYTES;
	struct addr to = e->packet->target;
	struct value v;
	uint16_t port;
	bool known = port_of(e, a, NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX, &port);

	if (number(a, NFTA_NAT_TYPE) != NFT_NAT_DNAT) {
		evaluation_verdict(e, NF_ACCEPT, NULL);
		return;
	}
	if (a->at[NFTA_NAT_REG_ADDR_MIN] != NULL) {
		known = known && (number(a, NFTA_NAT_FLAGS) & NF_NAT_RANGE_NETMAP) == 0 &&
		        single(e, a, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX, size, &v);
		if (known)
			to = addr_from_bytes(v.bytes, size);
	}
	evaluation_translate(e, known ? &to : NULL, port);
}

static void do_redirect(struct evaluation *e, attributes *a)
{
	uint16_t port;
	bool known = port_of(e, a, NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX, &port);

	evaluation_translate(e, known ? &e->packet->target : NULL, port);
}

static void do_masquerade(struct evaluation *e, attributes *a)
{
	(void)a;
	evaluation_verdict(e, NF_ACCEPT, NULL);
}

static void do_notrack(struct evaluation *e, attributes *a)
{
	(void)a;
	if (e->packet->tracking == PACKET_NOT_YET)
		e->packet->tracking =
		    evaluation_sure(e) ? PACKET_UNTRACKED : PACKET_PERHAPS_UNTRACKED;
}

static void do_object(struct evaluation *e, attributes *a)
{
	uint32_t type = number(a, NFTA_OBJREF_IMM_TYPE);

	if (a->at[NFTA_OBJREF_IMM_TYPE] == NULL || type == OBJECT_LIMIT || type == OBJECT_QUOTA ||
	    type == OBJECT_CONNLIMIT || type == OBJECT_SYNPROXY)
		evaluation_match(e, ANSWER_MAY, "object");
}

static void do_dynset(struct evaluation *e, attributes *a)
{
	if (a->at[NFTA_DYNSET_EXPR] != NULL || a->at[NFTA_DYNSET_EXPRESSIONS] != NULL ||
	    number(a, NFTA_DYNSET_OP) == NFT_DYNSET_OP_DELETE)
		evaluation_match(e, ANSWER_MAY, LIMIT);
}

/* Wherever it goes, it does not come in here. */
static void do_forward(struct evaluation *e, attributes *a)
{
	(void)a;
	evaluation_verdict(e, NF_STOLEN, NULL);
}

static void do_nothing(struct evaluation *e, attributes *a)
{
	(void)e;
	(void)a;
}

static struct xt extension(attributes *a)
{
	const struct nlattr *data = a->at[NFTA_MATCH_INFO];

	return (struct xt){nft_attribute_text(a->at[NFTA_MATCH_NAME]), number(a, NFTA_MATCH_REV),
	    data != NULL ? mnl_attr_get_payload(data) : NULL,
	    data != NULL ? mnl_attr_get_payload_len(data) : 0};
}

static void do_match(struct evaluation *e, attributes *a)
{
	const struct xt x = extension(a);

	xt_match(e, &x);
}

static void do_target(struct evaluation *e, attributes *a)
{
	const struct xt x = extension(a);

	xt_target(e, &x);
}

static int each_expression(const struct nlattr *attribute, void *data)
{
	static const struct {
		const char *name;
		void (*act)(struct evaluation *e, attributes *a);
	} known[] = {{"immediate", do_immediate}, {"payload", do_payload}, {"meta", do_meta},
	    {"ct", do_ct}, {"fib", do_fib}, {"exthdr", do_exthdr}, {"cmp", do_cmp},
	    {"range", do_range}, {"bitwise", do_bitwise}, {"byteorder", do_byteorder},
	    {"lookup", do_lookup}, {"reject", do_reject}, {"queue", do_queue}, {"nat", do_nat},
	    {"redir", do_redirect}, {"masq", do_masquerade}, {"notrack", do_notrack},
	    {"objref", do_object}, {"dynset", do_dynset}, {"fwd", do_forward}, {"match", do_match},
	    {"target", do_target}, {"counter", do_nothing}, {"log", do_nothing},
	    {"last", do_nothing}, {"dup", do_nothing}};
	struct evaluation *e = data;
	const struct nft_attributes outer = nft_attributes_in(attribute);
	const struct nft_attributes inner = nft_attributes_in(outer.at[NFTA_EXPR_DATA]);
	const char *name = nft_attribute_text(outer.at[NFTA_EXPR_NAME]);

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(known[i].name, name) == 0) {
			known[i].act(e, &inner);
			return e->result.matches == ANSWER_NO || e->result.decides ? MNL_CB_STOP
			                                                           : MNL_CB_OK;
		}
	}
	/* It may match, or put something in a register, or else. */
	e->registers = (struct registers){{0}, {0}};
	e->loaded = name;
	evaluation_match(e, ANSWER_MAY, name);
	return MNL_CB_OK;
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
