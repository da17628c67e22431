#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "explain/expression.h"
#include "explain/xt.h"

/* Types of objects that may stop a packet; not in all headers. */
#define OBJECT_QUOTA     2
#define OBJECT_LIMIT     4
#define OBJECT_CONNLIMIT 5
#define OBJECT_SYNPROXY  10

static void do_immediate(struct evaluation *e, attributes *a)
{
	struct value v = expression_constant(a->at[NFTA_IMMEDIATE_DATA]);

	if (expression_number(a, NFTA_IMMEDIATE_DREG) == NFT_REG_VERDICT)
		expression_verdict(e, a->at[NFTA_IMMEDIATE_DATA], "immediate");
	else
		expression_put(e, expression_number(a, NFTA_IMMEDIATE_DREG), &v, "immediate");
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

	if (!registers_get(&e->registers, expression_number(a, least), size, out) ||
	    !value_is_known(out))
		return false;
	return a->at[most] == NULL || expression_number(a, most) == expression_number(a, least) ||
	       (registers_get(&e->registers, expression_number(a, most), size, &last) &&
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

	if (expression_number(a, NFTA_NAT_TYPE) != NFT_NAT_DNAT) {
		evaluation_verdict(e, NF_ACCEPT, NULL);
		return;
	}
	if (a->at[NFTA_NAT_REG_ADDR_MIN] != NULL) {
		known = known &&
		        (expression_number(a, NFTA_NAT_FLAGS) & NF_NAT_RANGE_NETMAP) == 0 &&
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
	uint32_t type = expression_number(a, NFTA_OBJREF_IMM_TYPE);

	if (a->at[NFTA_OBJREF_IMM_TYPE] == NULL || type == OBJECT_LIMIT || type == OBJECT_QUOTA ||
	    type == OBJECT_CONNLIMIT || type == OBJECT_SYNPROXY)
		evaluation_match(e, ANSWER_MAY, "object");
}

static void do_dynset(struct evaluation *e, attributes *a)
{
	if (a->at[NFTA_DYNSET_EXPR] != NULL || a->at[NFTA_DYNSET_EXPRESSIONS] != NULL ||
	    expression_number(a, NFTA_DYNSET_OP) == NFT_DYNSET_OP_DELETE)
		evaluation_match(e, ANSWER_MAY, "limit");
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

	return (struct xt){nft_attribute_text(a->at[NFTA_MATCH_NAME]),
	    expression_number(a, NFTA_MATCH_REV), data != NULL ? mnl_attr_get_payload(data) : NULL,
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

bool expression_act(struct evaluation *e, const char *name, attributes *a)
{
	static const struct expression table[] = {{"immediate", do_immediate},
	    {"reject", do_reject}, {"queue", do_queue}, {"nat", do_nat}, {"redir", do_redirect},
	    {"masq", do_masquerade}, {"notrack", do_notrack}, {"objref", do_object},
	    {"dynset", do_dynset}, {"fwd", do_forward}, {"match", do_match}, {"target", do_target},
	    {"counter", do_nothing}, {"log", do_nothing}, {"last", do_nothing},
	    {"dup", do_nothing}};

	return expression_do(table, sizeof table / sizeof *table, e, name, a);
}
