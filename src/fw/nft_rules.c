/* The chains of our table. Of every packet that comes in, in this order: is it none of our
 * business, an answer to this host, always allowed, granted, a knock; and if nothing of that, does
 * the guard take it? */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>

#include "fw/nft_text.h"

/* Numbers for 1 (ICMP) and 58 (ICMPv6): nft looks names up in /etc/protocols. */
#define ICMP_OF_BOTH_KINDS "meta l4proto { 1, 58 }"
#define ICMP_ERRORS        "destination-unreachable, time-exceeded, parameter-problem"
/* What a granted packet gets; the mark is for the host's own chains (nft_host.c). */
#define PASS        "meta mark set meta mark | 0x%08" PRIx32 " accept"
#define LINK_LOCAL  "fe80::/10"
#define COMMENT(is) " comment \"" is "\"\n"

/* Starts a rule, which whoever calls ends with COMMENT. */
__attribute__((format(printf, 2, 3))) static void rule(struct nft_text *t, const char *format, ...)
{
	va_list args;

	t->rules++;
	va_start(args, format);
	fputs("\t\t", t->out);
	vfprintf(t->out, format, args);
	va_end(args);
}

static void put_ports(struct nft_text *t, struct span span, uint8_t protocol)
{
	const struct ports *ports = snapshot_ports(t->s, span);
	const char *before = "";

	for (uint32_t i = 0; i < span.count; i++) {
		if (ports[i].protocol != protocol)
			continue;
		nft_put(t, "%s%u", before, ports[i].first);
		if (ports[i].last != ports[i].first)
			nft_put(t, "-%u", ports[i].last);
		before = ", ";
	}
}

static bool any_port(const struct nft_text *t, struct span span, uint8_t protocol)
{
	const struct ports *ports = snapshot_ports(t->s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if (ports[i].protocol == protocol)
			return true;
	}
	return false;
}

/* Starts "tcp dport { … } "; false when there is no port of that protocol. */
static bool port_rule(struct nft_text *t, struct span span, uint8_t protocol)
{
	if (!any_port(t, span, protocol))
		return false;
	rule(t, "%s dport { ", protocol == IPPROTO_TCP ? "tcp" : "udp");
	put_ports(t, span, protocol);
	nft_put(t, " } ");
	return true;
}

static void put_networks(struct nft_text *t, bool v4)
{
	struct span span = t->s->settings->guard_allow_networks;
	const struct cidr *networks = snapshot_cidrs(t->s, span);
	char address[ADDR_TEXT_BYTES];
	const char *before = "";

	for (uint32_t i = 0; i < span.count; i++) {
		if (addr_is_v4(&networks[i].address) != v4)
			continue;
		nft_put(t, "%s%s/%d", before, addr_text(&networks[i].address, address),
		    networks[i].bits - (v4 ? 96 : 0));
		before = ", ";
	}
}

static void network_rule(struct nft_text *t, bool v4)
{
	struct span span = t->s->settings->guard_allow_networks;
	const struct cidr *networks = snapshot_cidrs(t->s, span);
	uint32_t i = 0;

	while (i < span.count && addr_is_v4(&networks[i].address) != v4)
		i++;
	if (i == span.count)
		return;
	rule(t, "%s saddr { ", v4 ? "ip" : "ip6");
	put_networks(t, v4);
	nft_put(t, " } " PASS COMMENT("networks always let through"), t->s->settings->mark);
}

static void policy_chains(struct nft_text *t)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (uint32_t i = 0; i < t->s->policy_count; i++) {
		struct span ports = t->s->policies[i].ports;

		if (ports.count == 0 || t->policies->sets[i].twin)
			continue;
		nft_put(t, "\tchain ports_%s {\n", t->policies->sets[i].id);
		for (size_t k = 0; k < sizeof protocols; k++) {
			if (port_rule(t, ports, protocols[k]))
				nft_put(t, PASS "\n", t->s->settings->mark);
		}
		nft_put(t, "\t}\n");
	}
}

static void grant_rules(struct nft_text *t)
{
	for (uint32_t i = 0; i < t->s->policy_count; i++) {
		const struct nft_sets *p = &t->policies->sets[i];

		if (t->s->policies[i].ports.count == 0 || p->twin)
			continue;
		rule(t, "ip saddr @%s jump ports_%s\n", p->v4, p->id);
		rule(t, "ip6 saddr @%s jump ports_%s\n", p->v6, p->id);
	}
}

/* nft_range.c writes such rules too, later and without text. */
static void range_rules(struct nft_text *t)
{
	for (uint32_t i = 0; i < t->ranges->count; i++) {
		const struct nft_range *r = &t->ranges->list[i];
		char set[32];

		nft_range_name(set, r);
		nft_put(t, "\t\t%s dport %u-%u %s saddr @%s " PASS "\n",
		    r->ports.protocol == IPPROTO_TCP ? "tcp" : "udp", r->ports.first, r->ports.last,
		    r->v4 ? "ip" : "ip6", set, t->s->settings->mark);
	}
}

/* Openings by port. Each portless protocol is named, so that its set cannot open another; of ICMP
 * there is enough for an echo and for errors, which leaves redirects and the like out. */
static void opened_chains(struct nft_text *t)
{
	uint32_t mark = t->s->settings->mark;

	nft_put(t, "\tchain " NFT_RANGES_CHAIN " {\n");
	range_rules(t);
	nft_put(t, "\t}\n\tchain opened {\n");
	rule(t, "ip saddr . meta l4proto . th dport @" NFT_PORTS_4 " " PASS "\n", mark);
	rule(t, "ip6 saddr . meta l4proto . th dport @" NFT_PORTS_6 " " PASS "\n", mark);
	rule(t,
	    "icmp type { echo-request, echo-reply, " ICMP_ERRORS " } "
	    "ip saddr . meta l4proto @" NFT_PROTOCOLS_4 " " PASS "\n",
	    mark);
	rule(t,
	    "icmpv6 type { echo-request, echo-reply, packet-too-big, " ICMP_ERRORS " } "
	    "ip6 saddr . meta l4proto @" NFT_PROTOCOLS_6 " " PASS "\n",
	    mark);
	rule(t, "meta l4proto 4 ip saddr . meta l4proto @" NFT_PROTOCOLS_4 " " PASS "\n", mark);
	rule(t, "meta l4proto 4 ip6 saddr . meta l4proto @" NFT_PROTOCOLS_6 " " PASS "\n", mark);
	rule(t, "meta l4proto { 6, 17 } jump " NFT_RANGES_CHAIN "\n");
	nft_put(t, "\t}\n");
}

/* Of what conntrack calls related only ICMP errors pass: with a helper (FTP and the like) a remote
 * peer has a say in which ports are expected, and no packet but a knock shall open one. */
static void connection_rules(struct nft_text *t)
{
	if (t->s->settings->established == CONF_ESTABLISHED_CUT)
		rule(t, "ct state established ct direction reply accept" COMMENT(
		            "answers to connections of this host; others end with their grant"));
	else
		rule(t, "ct state established accept" COMMENT("connections live on"));
	rule(t, "ct state related " ICMP_OF_BOTH_KINDS
	        " accept" COMMENT("errors about them, path MTU"));
}

/* Only what IPv6 cannot do without; none of it crosses a router. */
static void neighbour_rules(struct nft_text *t)
{
	rule(t, "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } "
	        "ip6 hoplimit 255 accept" COMMENT("neighbours and routers on the link"));
	rule(t, "icmpv6 type mld-listener-query ip6 saddr " LINK_LOCAL " ip6 hoplimit 1 "
	        "accept" COMMENT("so that switches keep sending us our multicast"));
	rule(t, "ip6 saddr " LINK_LOCAL " ip6 daddr " LINK_LOCAL " udp sport 547 udp dport 546 "
	        "accept" COMMENT("DHCPv6 answers to a multicast question"));
}

static void guard_all_rules(struct nft_text *t)
{
	const struct settings *set = t->s->settings;

	if (port_rule(t, set->guard_allow_ports, IPPROTO_TCP))
		nft_put(t, PASS COMMENT("ports open to everyone"), set->mark);
	if (port_rule(t, set->guard_allow_ports, IPPROTO_UDP))
		nft_put(t, PASS COMMENT("ports open to everyone"), set->mark);
	neighbour_rules(t);
	rule(t, "drop" COMMENT("guard: all; the rest meets silence"));
}

static void guard_ports_rules(struct nft_text *t)
{
	const struct settings *set = t->s->settings;

	if (set->drop_ports && port_rule(t, set->managed_ports, IPPROTO_TCP))
		nft_put(t, "drop" COMMENT("managed ports, no grant"));
	if (set->drop_ports && port_rule(t, set->managed_ports, IPPROTO_UDP))
		nft_put(t, "drop" COMMENT("managed ports, no grant"));
	if (set->health_port != 0)
		rule(t, "tcp dport %u drop" COMMENT("health port, no grant"), set->health_port);
}

static void input_chain(struct nft_text *t)
{
	const struct settings *set = t->s->settings;

	nft_put(t,
	    "\tchain input {\n\t\ttype filter hook input priority %" PRId32 "; policy accept;\n",
	    set->priority);
	if (set->interface[0] != '\0')
		rule(t, "iifname != \"%s\" return" COMMENT("only this interface is guarded"),
		    set->interface);
	rule(t, "iifname \"lo\" accept" COMMENT("the host itself"));
	connection_rules(t);
	network_rule(t, true);
	network_rule(t, false);
	grant_rules(t);
	if (nft_ports_wanted(t->s))
		rule(t, "jump opened" COMMENT("what OpenSPA requests have opened"));
	if (set->open_knock_port && set->openme)
		rule(t, "udp dport %u " PASS COMMENT("knocks"), set->udp_port, set->mark);
	if (set->open_knock_port && set->openspa.enabled)
		rule(t, "udp dport %u " PASS COMMENT("OpenSPA requests"), set->openspa.port,
		    set->mark);
	if (set->guard == CONF_GUARD_ALL)
		guard_all_rules(t);
	else
		guard_ports_rules(t);
	nft_put(t, "\t}\n");
}

/* The kernel answers some packets before, or without, asking the input hook: bad IP options,
 * unknown IPv6 extension headers, a hop limit that runs out, fragments that never become whole; and
 * the knock port would, while nobody listens there. A dark host keeps all errors to itself but
 * those of path MTU. Connection tracking is no help: it takes some of them for related. */
static void output_chain(struct nft_text *t)
{
	const struct settings *set = t->s->settings;

	nft_put(t,
	    "\tchain output {\n\t\ttype filter hook output priority %" PRId32 "; policy accept;\n",
	    set->priority);
	if (set->interface[0] != '\0')
		rule(t, "oifname != \"%s\" return" COMMENT("only this interface is guarded"),
		    set->interface);
	rule(t, "oifname \"lo\" accept" COMMENT("the host itself"));
	rule(t,
	    "icmp type destination-unreachable icmp code frag-needed accept" COMMENT("path MTU"));
	rule(t, "icmp type { " ICMP_ERRORS " } "
	        "drop" COMMENT("no errors, to anybody"));
	rule(t, "icmpv6 type { " ICMP_ERRORS " } "
	        "drop" COMMENT("no errors, to anybody"));
	nft_put(t, "\t}\n");
}

void nft_put_chains(struct nft_text *t)
{
	policy_chains(t);
	if (nft_ports_wanted(t->s))
		opened_chains(t);
	input_chain(t);
	if (t->s->settings->guard == CONF_GUARD_ALL)
		output_chain(t);
}
