#include <net/if.h>
#include <netinet/in.h> /* before the kernel's twin of it */
#include <string.h>

#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "explain/legacy.h"
#include "explain/xt.h"

/* What a rule looks at by itself, of either family. */
struct head {
	const uint8_t *source, *source_mask, *target, *target_mask;
	const char *in, *out;
	const uint8_t *in_mask, *out_mask;
	size_t address_bytes;
	uint16_t protocol; /* 0: any */
	uint8_t inverted;  /* IPT_INV_*, which are the same for IPv6 */
	bool fragments;    /* only what is not the beginning */
	bool service;      /* looks at the traffic class */
	bool is_goto;
};

static void read_v4(struct head *h, const struct ipt_ip *ip)
{
	*h = (struct head){(const uint8_t *)&ip->src, (const uint8_t *)&ip->smsk,
	    (const uint8_t *)&ip->dst, (const uint8_t *)&ip->dmsk, ip->iniface, ip->outiface,
	    ip->iniface_mask, ip->outiface_mask, sizeof ip->src, ip->proto, ip->invflags,
	    (ip->flags & IPT_F_FRAG) != 0, false, (ip->flags & IPT_F_GOTO) != 0};
}

static void read_v6(struct head *h, const struct ip6t_ip6 *ip)
{
	*h = (struct head){(const uint8_t *)&ip->src, (const uint8_t *)&ip->smsk,
	    (const uint8_t *)&ip->dst, (const uint8_t *)&ip->dmsk, ip->iniface, ip->outiface,
	    ip->iniface_mask, ip->outiface_mask, sizeof ip->src,
	    (ip->flags & IP6T_F_PROTO) != 0 ? ip->proto : 0, ip->invflags, false,
	    (ip->flags & IP6T_F_TOS) != 0, (ip->flags & IP6T_F_GOTO) != 0};
}

static enum answer answer_of(bool yes, bool invert)
{
	return yes != invert ? ANSWER_YES : ANSWER_NO;
}

static enum answer address_is(
    const struct addr *a, const uint8_t *wanted, const uint8_t *mask, size_t size, bool invert)
{
	const uint8_t *bytes = a->bytes + ADDR_BYTES - size;
	bool same = true;

	for (size_t i = 0; i < size; i++)
		same = same && ((bytes[i] & mask[i]) == wanted[i]);
	return answer_of(same, invert);
}

static enum answer device_is(
    const struct packet_device *d, const char *wanted, const uint8_t *mask, bool invert)
{
	bool same = true;

	for (size_t i = 0; i < IFNAMSIZ; i++)
		same = same && (((uint8_t)d->name[i] ^ (uint8_t)wanted[i]) & mask[i]) == 0;
	return answer_of(same, invert);
}

static void look_at_head(struct evaluation *e, const struct head *h)
{
	const struct packet *p = e->packet;
	enum answer to = address_is(&p->target, h->target, h->target_mask, h->address_bytes,
	    (h->inverted & IPT_INV_DSTIP) != 0);

	evaluation_match(e,
	    address_is(&p->source, h->source, h->source_mask, h->address_bytes,
	        (h->inverted & IPT_INV_SRCIP) != 0),
	    "source");
	evaluation_match(e, p->lost ? ANSWER_MAY : to, "destination");
	evaluation_match(
	    e, device_is(&p->in, h->in, h->in_mask, (h->inverted & IPT_INV_VIA_IN) != 0), "in");
	evaluation_match(e,
	    device_is(&p->out, h->out, h->out_mask, (h->inverted & IPT_INV_VIA_OUT) != 0), "out");
	if (h->protocol != 0)
		evaluation_match(e,
		    answer_of(h->protocol == p->protocol, (h->inverted & IPT_INV_PROTO) != 0),
		    "protocol");
	if (h->fragments)
		evaluation_match(
		    e, answer_of(false, (h->inverted & IPT_INV_FRAG) != 0), "fragment");
	if (h->service)
		evaluation_match(e, ANSWER_MAY, "tos");
}

static void look_at_matches(struct evaluation *e, const struct legacy_entry *entry)
{
	size_t at = 0;

	while (at < entry->matches_size && e->result.matches != ANSWER_NO) {
		const uint8_t *here = entry->matches + at;
		size_t left = entry->matches_size - at;
		struct xt_entry_match m;
		struct xt x;

		if (left >= sizeof m)
			memcpy(&m, here, sizeof m);
		if (left < sizeof m || m.u.match_size < sizeof m || m.u.match_size > left ||
		    memchr(m.u.user.name, '\0', sizeof m.u.user.name) == NULL) {
			evaluation_match(e, ANSWER_MAY, "match");
			return;
		}
		x = (struct xt){(const char *)here + offsetof(struct xt_entry_match, u.user.name),
		    m.u.user.revision, here + sizeof m, m.u.match_size - sizeof m};
		xt_match(e, &x);
		at += m.u.match_size;
	}
}

static void decide(struct evaluation *e, const struct legacy_entry *entry, bool is_goto)
{
	const struct xt x = {entry->target, entry->revision, entry->data, entry->data_size};

	if (entry->target[0] != '\0')
		xt_target(e, &x);
	else if (entry->goes_on)
		return;
	else if (entry->verdict == XT_RETURN)
		evaluation_verdict(e, (uint32_t)NFT_RETURN, NULL);
	else if (entry->verdict < 0)
		evaluation_verdict(e, (uint32_t)(-entry->verdict - 1) & NF_VERDICT_MASK, NULL);
	else
		evaluation_verdict(e, (uint32_t)(is_goto ? NFT_GOTO : NFT_JUMP),
		    entry->jump != NULL ? entry->jump->name : "");
}

void legacy_evaluate(struct evaluation *e, const struct rules_rule *rule)
{
	const struct legacy_entry *entry = rule->entry;
	struct head h;

	if (e->chain->family == NFPROTO_IPV4)
		read_v4(&h, &((const struct ipt_entry *)(const void *)entry->head)->ip);
	else
		read_v6(&h, &((const struct ip6t_entry *)(const void *)entry->head)->ipv6);
	look_at_head(e, &h);
	if (e->result.matches != ANSWER_NO)
		look_at_matches(e, entry);
	if (e->result.matches != ANSWER_NO)
		decide(e, entry, h.is_goto);
}
