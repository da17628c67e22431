#include "explain/xt.h"

#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>

/* Its data as a struct; what is too short for that is not known. */
#define XT_DATA(x, out) \
	((x)->size >= sizeof *(out) && (memcpy(out, (x)->data, sizeof *(out)), true))

static enum answer answer_of(bool yes)
{
	return yes ? ANSWER_YES : ANSWER_NO;
}

static enum answer inverted(enum answer answer, bool invert)
{
	return invert ? answer_not(answer) : answer;
}

/* A port, or one that is not known (0). */
static enum answer port_in(uint16_t port, uint16_t first, uint16_t last)
{
	if (first == 0 && last == UINT16_MAX)
		return ANSWER_YES;
	return port == 0 ? ANSWER_MAY : answer_of(port >= first && port <= last);
}

static enum answer target_port_in(const struct packet *p, uint16_t first, uint16_t last)
{
	return port_in(p->lost ? 0 : p->port, first, last);
}

static enum answer match_tcp(const struct packet *p, const struct xt *x)
{
	struct xt_tcp tcp;
	enum answer answer;

	if (!XT_DATA(x, &tcp))
		return ANSWER_MAY;
	answer = inverted(port_in(p->from_port, tcp.spts[0], tcp.spts[1]),
	    (tcp.invflags & XT_TCP_INV_SRCPT) != 0);
	answer = answer_both(answer, inverted(target_port_in(p, tcp.dpts[0], tcp.dpts[1]),
	                                 (tcp.invflags & XT_TCP_INV_DSTPT) != 0));
	/* Two of its flags are for ECN, which is asked for by some. */
	if ((tcp.flg_mask & 0xc0) != 0)
		answer = answer_both(answer, ANSWER_MAY);
	else if (tcp.flg_mask != 0)
		answer =
		    answer_both(answer, inverted(answer_of((tcp.flg_mask & 0x02) == tcp.flg_cmp),
		                            (tcp.invflags & XT_TCP_INV_FLAGS) != 0));
	return tcp.option != 0 ? answer_both(answer, ANSWER_MAY) : answer;
}

static enum answer match_udp(const struct packet *p, const struct xt *x)
{
	struct xt_udp udp;

	if (!XT_DATA(x, &udp))
		return ANSWER_MAY;
	return answer_both(inverted(port_in(p->from_port, udp.spts[0], udp.spts[1]),
	                       (udp.invflags & XT_UDP_INV_SRCPT) != 0),
	    inverted(target_port_in(p, udp.dpts[0], udp.dpts[1]),
	        (udp.invflags & XT_UDP_INV_DSTPT) != 0));
}

static enum answer either(enum answer a, enum answer b)
{
	return answer_not(answer_both(answer_not(a), answer_not(b)));
}

static enum answer match_multiport(const struct packet *p, const struct xt *x)
{
	struct xt_multiport_v1 m;
	enum answer answer = ANSWER_NO;

	if (x->revision != 1 || !XT_DATA(x, &m) || m.count > XT_MULTI_PORTS)
		return ANSWER_MAY;
	for (uint8_t i = 0; i < m.count; i++) {
		uint16_t first = m.ports[i], last = first;

		if (m.pflags[i] != 0 && i + 1 < m.count)
			last = m.ports[++i];
		if (m.flags != XT_MULTIPORT_SOURCE)
			answer = either(answer, target_port_in(p, first, last));
		if (m.flags != XT_MULTIPORT_DESTINATION)
			answer = either(answer, port_in(p->from_port, first, last));
	}
	return inverted(answer, m.invert != 0);
}

/* The one bit of its state; several where it is not known. */
static uint32_t state_bits(const struct packet *p)
{
	switch (p->tracking) {
	case PACKET_NEW:
		return XT_CONNTRACK_STATE_BIT(IP_CT_NEW);
	case PACKET_UNTRACKED:
		return XT_CONNTRACK_STATE_UNTRACKED;
	case PACKET_PERHAPS_UNTRACKED:
		return XT_CONNTRACK_STATE_BIT(IP_CT_NEW) | XT_CONNTRACK_STATE_UNTRACKED;
	case PACKET_NOT_YET:
		break;
	}
	return XT_CONNTRACK_STATE_INVALID;
}

static enum answer state_in(const struct packet *p, uint32_t mask)
{
	uint32_t bits = state_bits(p);

	if (p->tracking == PACKET_NEW && p->translated)
		bits |= mask & XT_CONNTRACK_STATE_DNAT;
	if ((mask & XT_CONNTRACK_STATE_SNAT) != 0 ||
	    (p->lost && (mask & XT_CONNTRACK_STATE_DNAT) != 0))
		return (mask & bits) != 0 ? ANSWER_YES : ANSWER_MAY;
	if (p->tracking == PACKET_PERHAPS_UNTRACKED && (mask & bits) != 0 && (mask & bits) != bits)
		return ANSWER_MAY;
	return answer_of((mask & bits) != 0);
}

static enum answer match_conntrack(const struct packet *p, const struct xt *x)
{
	struct xt_conntrack_mtinfo3 c;
	struct xt_conntrack_mtinfo1 old;
	bool invert;

	if (x->revision == 1 && XT_DATA(x, &old)) {
		c.match_flags = old.match_flags;
		c.invert_flags = old.invert_flags;
		c.state_mask = old.state_mask;
	} else if (x->revision == 2 && x->size >= sizeof(struct xt_conntrack_mtinfo2)) {
		struct xt_conntrack_mtinfo2 second;

		memcpy(&second, x->data, sizeof second);
		c.match_flags = second.match_flags;
		c.invert_flags = second.invert_flags;
		c.state_mask = second.state_mask;
	} else if (x->revision != 3 || !XT_DATA(x, &c)) {
		return ANSWER_MAY;
	}
	if ((c.match_flags & ~(XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS)) != 0)
		return ANSWER_MAY;
	invert = (c.invert_flags & XT_CONNTRACK_STATE) != 0;
	return (c.match_flags & XT_CONNTRACK_STATE) == 0
	           ? ANSWER_YES
	           : inverted(state_in(p, c.state_mask), invert);
}

static enum answer match_mark(const struct packet *p, const struct xt *x)
{
	struct xt_mark_mtinfo1 m;
	uint32_t known = p->mark_known;
	enum answer answer;

	if (x->revision != 1 || !XT_DATA(x, &m))
		return ANSWER_MAY;
	if (((p->mark ^ m.mark) & m.mask & known) != 0 || (m.mark & ~m.mask) != 0)
		answer = ANSWER_NO;
	else
		answer = (m.mask & ~known) != 0 ? ANSWER_MAY : ANSWER_YES;
	return inverted(answer, m.invert != 0);
}

static enum answer type_in(uint32_t type, uint16_t mask, bool invert)
{
	if (mask == 0)
		return ANSWER_YES;
	return type == 0 || type > 15 ? ANSWER_MAY
	                              : inverted(answer_of((mask >> type & 1) != 0), invert);
}

static enum answer match_addrtype(const struct packet *p, const struct xt *x)
{
	struct xt_addrtype_info_v1 a;
	struct xt_addrtype_info old;

	if (x->revision == 0 && XT_DATA(x, &old)) {
		a.source = old.source;
		a.dest = old.dest;
		a.flags = (old.invert_source != 0 ? XT_ADDRTYPE_INVERT_SOURCE : 0) |
		          (old.invert_dest != 0 ? XT_ADDRTYPE_INVERT_DEST : 0);
	} else if (x->revision != 1 || !XT_DATA(x, &a)) {
		return ANSWER_MAY;
	}
	if ((a.flags & (XT_ADDRTYPE_LIMIT_IFACE_IN | XT_ADDRTYPE_LIMIT_IFACE_OUT)) != 0)
		return ANSWER_MAY;
	return answer_both(
	    type_in(p->source_type, a.source, (a.flags & XT_ADDRTYPE_INVERT_SOURCE) != 0),
	    type_in(
	        p->lost ? 0 : p->target_type, a.dest, (a.flags & XT_ADDRTYPE_INVERT_DEST) != 0));
}

static enum answer address_in(const struct packet *p, const struct addr *address,
    const union nf_inet_addr *first, const union nf_inet_addr *last)
{
	size_t size = packet_is_v4(p) ? 4 : ADDR_BYTES;
	const uint8_t *bytes = address->bytes + ADDR_BYTES - size;

	return answer_of(memcmp(bytes, first, size) >= 0 && memcmp(bytes, last, size) <= 0);
}

static enum answer match_iprange(const struct packet *p, const struct xt *x)
{
	struct xt_iprange_mtinfo r;
	enum answer answer = ANSWER_YES;

	if (x->revision != 1 || !XT_DATA(x, &r))
		return ANSWER_MAY;
	if ((r.flags & IPRANGE_SRC) != 0)
		answer = inverted(address_in(p, &p->source, &r.src_min, &r.src_max),
		    (r.flags & IPRANGE_SRC_INV) != 0);
	if ((r.flags & IPRANGE_DST) != 0)
		answer = answer_both(
		    answer, p->lost ? ANSWER_MAY
		                    : inverted(address_in(p, &p->target, &r.dst_min, &r.dst_max),
		                          (r.flags & IPRANGE_DST_INV) != 0));
	return answer;
}

static enum answer match_comment(const struct packet *p, const struct xt *x)
{
	(void)p;
	(void)x;
	return ANSWER_YES;
}

void xt_match(struct evaluation *e, const struct xt *x)
{
	static const struct {
		const char *name;
		enum answer (*match)(const struct packet *p, const struct xt *x);
	} known[] = {{"tcp", match_tcp}, {"udp", match_udp}, {"multiport", match_multiport},
	    {"conntrack", match_conntrack}, {"mark", match_mark}, {"addrtype", match_addrtype},
	    {"iprange", match_iprange}, {"comment", match_comment}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(known[i].name, x->name) == 0) {
			evaluation_match(e, known[i].match(e->packet, x), x->name);
			return;
		}
	}
	evaluation_match(e, ANSWER_MAY, x->name);
}
