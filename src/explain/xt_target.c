#include <endian.h>
#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_mark.h>

#include "explain/xt.h"

#define XT_DATA(x, out) \
	((x)->size >= sizeof *(out) && (memcpy(out, (x)->data, sizeof *(out)), true))

/* One target and port, or none that are known. */
struct goal {
	bool known;
	bool moves; /* to another address */
	struct addr to;
	uint16_t port; /* 0: as it is */
};

static struct goal goal_v4(const struct nf_nat_ipv4_range *r)
{
	bool ported = (r->flags & NF_NAT_RANGE_PROTO_SPECIFIED) != 0;
	struct goal g = {.moves = (r->flags & NF_NAT_RANGE_MAP_IPS) != 0,
	    .to = addr_from_bytes(&r->min_ip, sizeof r->min_ip),
	    .port = ported ? be16toh(r->min.all) : 0};

	g.known = (!g.moves || r->min_ip == r->max_ip) && (!ported || r->min.all == r->max.all);
	return g;
}

static struct goal goal_any(const struct nf_nat_range *r, bool v4)
{
	bool ported = (r->flags & NF_NAT_RANGE_PROTO_SPECIFIED) != 0;
	size_t size = v4 ? 4 : ADDR_BYTES;
	struct goal g = {.moves = (r->flags & NF_NAT_RANGE_MAP_IPS) != 0,
	    .to = addr_from_bytes(&r->min_addr, size),
	    .port = ported ? be16toh(r->min_proto.all) : 0};

	g.known = (!g.moves || memcmp(&r->min_addr, &r->max_addr, size) == 0) &&
	          (!ported || r->min_proto.all == r->max_proto.all) &&
	          (r->flags & NF_NAT_RANGE_NETMAP) == 0;
	return g;
}

static struct goal goal_of(const struct packet *p, const struct xt *x)
{
	struct nf_nat_ipv4_multi_range_compat old;
	struct nf_nat_range range;

	if (x->revision == 0 && packet_is_v4(p) && XT_DATA(x, &old))
		return goal_v4(&old.range[0]);
	/* Its first members are those of the later revisions, too. */
	if (XT_DATA(x, &range) && (x->revision > 0 || !packet_is_v4(p)))
		return goal_any(&range, packet_is_v4(p));
	return (struct goal){.known = false};
}

static void to_target(struct evaluation *e, const struct xt *x)
{
	struct goal g = goal_of(e->packet, x);

	evaluation_translate(e, g.known ? (g.moves ? &g.to : &e->packet->target) : NULL, g.port);
}

/* To the address of the device that it came by: one of ours stays one. */
static void to_redirect(struct evaluation *e, const struct xt *x)
{
	struct goal g = goal_of(e->packet, x);

	evaluation_translate(e, g.known ? &e->packet->target : NULL, g.port);
}

static void to_reject(struct evaluation *e, const struct xt *x)
{
	(void)x;
	evaluation_verdict(e, NF_DROP, NULL);
	e->result.rejects = true;
}

static void to_accept(struct evaluation *e, const struct xt *x)
{
	(void)x;
	evaluation_verdict(e, NF_ACCEPT, NULL);
}

static void to_queue(struct evaluation *e, const struct xt *x)
{
	(void)x;
	evaluation_verdict(e, NF_QUEUE, NULL);
}

static void to_mark(struct evaluation *e, const struct xt *x)
{
	struct packet *p = e->packet;
	struct xt_mark_tginfo2 m;
	struct value v = value_unknown(4);
	uint32_t bits, known;

	if (x->revision == 2 && XT_DATA(x, &m)) {
		bits = (p->mark & ~m.mask) ^ m.mark;
		known = p->mark_known | m.mask;
		memcpy(v.bytes, &bits, sizeof bits);
		memcpy(v.known, &known, sizeof known);
	}
	packet_set_mark(&p->mark, &p->mark_known, &v, evaluation_sure(e));
}

/* It may bring the connection's mark, which is new, to the packet, or the other way. */
static void to_connmark(struct evaluation *e, const struct xt *x)
{
	const struct value v = value_unknown(4);

	(void)x;
	packet_set_mark(&e->packet->mark, &e->packet->mark_known, &v, false);
	packet_set_mark(&e->packet->ct_mark, &e->packet->ct_mark_known, &v, false);
}

static void to_track(struct evaluation *e, const struct xt *x)
{
	struct xt_ct_target_info ct;
	bool off = strcmp(x->name, "NOTRACK") == 0;

	if (!off && XT_DATA(x, &ct))
		off = (ct.flags & XT_CT_NOTRACK) != 0;
	if (off && e->packet->tracking == PACKET_NOT_YET)
		e->packet->tracking =
		    evaluation_sure(e) ? PACKET_UNTRACKED : PACKET_PERHAPS_UNTRACKED;
}

static void to_nothing(struct evaluation *e, const struct xt *x)
{
	(void)e;
	(void)x;
}

void xt_target(struct evaluation *e, const struct xt *x)
{
	static const struct {
		const char *name;
		void (*act)(struct evaluation *e, const struct xt *x);
	} known[] = {{"REJECT", to_reject}, {"DNAT", to_target}, {"REDIRECT", to_redirect},
	    {"SNAT", to_accept}, {"MASQUERADE", to_accept}, {"NFQUEUE", to_queue},
	    {"MARK", to_mark}, {"CONNMARK", to_connmark}, {"CT", to_track}, {"NOTRACK", to_track},
	    {"LOG", to_nothing}, {"NFLOG", to_nothing}, {"TCPMSS", to_nothing},
	    {"CHECKSUM", to_nothing}, {"CLASSIFY", to_nothing}, {"TRACE", to_nothing},
	    {"AUDIT", to_nothing}, {"SET", to_nothing}, {"RATEEST", to_nothing},
	    {"LED", to_nothing}, {"SECMARK", to_nothing}, {"CONNSECMARK", to_nothing}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(known[i].name, x->name) == 0) {
			known[i].act(e, x);
			return;
		}
	}
	evaluation_match(e, ANSWER_MAY, x->name);
	e->result.decides = e->result.unknown = true;
}
