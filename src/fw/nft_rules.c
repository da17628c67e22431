/* The chains of our table. Of every packet that comes in, in this order: is it none of our
 * business, an answer to this host, always allowed, granted, a knock; and if nothing of that, does
 * the guard take it? This is asked where packets have arrived, and before that where they have not
 * yet got another destination, as container engines give them: there the packet is forwarded then,
 * or has another port. */
#include <endian.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <linux/netfilter_ipv4.h>

#include "fw/nft_rule.h"

/* MLD's word for it is not in all headers. */
#define MULTICAST_QUERY 130

/* Right after connection tracking; a chain that translates cannot come earlier. */
#define BEFORE_NAT (NF_IP_PRI_CONNTRACK + 1)

#define GRANTED "granted"
#define GUARDED "guarded"

#define ICMP_ERRORS   ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB
#define ICMPV6_ERRORS ICMP6_DST_UNREACH, ICMP6_TIME_EXCEEDED, ICMP6_PARAM_PROB

/* A rule that looks at these. */
#define RULE(w, verdict, comment, ...) \
	nft_put_rule(                  \
	    w, (const struct nft_match[]){__VA_ARGS__, HAS(NFT_NO_FIELD)}, verdict, NULL, comment)
#define JUMP(w, to, comment, ...) \
	nft_put_rule(             \
	    w, (const struct nft_match[]){__VA_ARGS__, HAS(NFT_NO_FIELD)}, NFT_JUMP, to, comment)
#define IS(name, number)     ((struct nft_match){.field = (name), .is = (number)})
#define HAS(name)            ((struct nft_match){.field = (name)})
#define LISTED(name)         ((struct nft_match){.field = (name), .listed = true})
#define IN_SET(name, key, n) ((struct nft_match){.field = (name), .set = (key), .more = (n)})
/* The values for LISTED. */
#define LIST(w, ...) list(w, (const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__})

static void list(struct nft_writer *w, const uint8_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		nft_value_add(w, &numbers[i], &numbers[i], 1);
}

static bool list_ports(
    struct nft_writer *w, const struct snapshot *s, struct span span, uint8_t protocol)
{
	const struct ports *ports = snapshot_ports(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		uint16_t first = htobe16(ports[i].first), last = htobe16(ports[i].last);

		if (ports[i].protocol == protocol)
			nft_value_add(w, &first, &last, sizeof first);
	}
	return w->count > 0;
}

static void list_network(struct nft_writer *w, const struct cidr *network)
{
	size_t size = nft_address_bytes(addr_is_v4(&network->address));
	struct addr first = network->address, last = network->address;

	for (uint32_t bit = network->bits; bit < 8 * ADDR_BYTES; bit++) {
		first.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	nft_value_add(w, first.bytes + ADDR_BYTES - size, last.bytes + ADDR_BYTES - size, size);
}

static void network_rule(struct nft_writer *w, const struct snapshot *s, bool v4)
{
	struct span span = s->settings->guard_allow_networks;
	const struct cidr *networks = snapshot_cidrs(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if (addr_is_v4(&networks[i].address) == v4)
			list_network(w, &networks[i]);
	}
	if (w->count > 0)
		RULE(w, NF_ACCEPT, "networks always let through",
		    LISTED(v4 ? NFT_IP_SADDR : NFT_IP6_SADDR));
}

static void port_rules(struct nft_writer *w, const struct snapshot *s, struct span span,
    int verdict, const char *to, const char *comment)
{
	const struct nft_match tcp[] = {LISTED(NFT_TCP_DPORT), HAS(NFT_NO_FIELD)};
	const struct nft_match udp[] = {LISTED(NFT_UDP_DPORT), HAS(NFT_NO_FIELD)};

	if (list_ports(w, s, span, IPPROTO_TCP))
		nft_put_rule(w, tcp, verdict, to, comment);
	if (list_ports(w, s, span, IPPROTO_UDP))
		nft_put_rule(w, udp, verdict, to, comment);
}

static bool has_chain(const struct nft_content *c, uint32_t policy)
{
	return c->s->policies[policy].ports.count > 0 && !c->policies->sets[policy].twin;
}

static void policy_chains(struct nft_writer *w, const struct nft_content *c)
{
	for (uint32_t i = 0; i < c->s->policy_count; i++) {
		if (!has_chain(c, i))
			continue;
		nft_put_chain(w, c->policies->sets[i].chain, -1, 0);
		port_rules(w, c->s, c->s->policies[i].ports, NF_ACCEPT, NULL, NULL);
		nft_end_chain(w);
	}
}

static void grant_rules(struct nft_writer *w, const struct nft_content *c)
{
	for (uint32_t i = 0; i < c->s->policy_count; i++) {
		const struct nft_sets *p = &c->policies->sets[i];

		if (!has_chain(c, i))
			continue;
		JUMP(w, p->chain, NULL, IN_SET(NFT_IP_SADDR, p->v4, 0));
		JUMP(w, p->chain, NULL, IN_SET(NFT_IP6_SADDR, p->v6, 0));
	}
}

/* Openings by port. Each portless protocol is named, so that its set cannot open another; of ICMP
 * there is enough for an echo and for errors, which leaves redirects and the like out. */
static void opened_chains(struct nft_writer *w, const struct nft_ranges *ranges)
{
	nft_put_chain(w, NFT_RANGES_CHAIN, -1, 0);
	for (uint32_t i = 0; i < ranges->count; i++)
		nft_put_range_rule(w, &ranges->list[i]);
	nft_end_chain(w);
	nft_put_chain(w, "opened", -1, 0);
	RULE(w, NF_ACCEPT, NULL, IN_SET(NFT_IP_SADDR, NFT_PORTS_4, 2));
	RULE(w, NF_ACCEPT, NULL, IN_SET(NFT_IP6_SADDR, NFT_PORTS_6, 2));
	LIST(w, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_ERRORS);
	RULE(w, NF_ACCEPT, NULL, LISTED(NFT_ICMP_TYPE), IN_SET(NFT_IP_SADDR, NFT_PROTOCOLS_4, 1));
	LIST(w, ICMP6_ECHO_REQUEST, ICMP6_ECHO_REPLY, ICMP6_PACKET_TOO_BIG, ICMPV6_ERRORS);
	RULE(
	    w, NF_ACCEPT, NULL, LISTED(NFT_ICMPV6_TYPE), IN_SET(NFT_IP6_SADDR, NFT_PROTOCOLS_6, 1));
	RULE(w, NF_ACCEPT, NULL, IS(NFT_L4PROTO, IPPROTO_IPIP),
	    IN_SET(NFT_IP_SADDR, NFT_PROTOCOLS_4, 1));
	RULE(w, NF_ACCEPT, NULL, IS(NFT_L4PROTO, IPPROTO_IPIP),
	    IN_SET(NFT_IP6_SADDR, NFT_PROTOCOLS_6, 1));
	LIST(w, IPPROTO_TCP, IPPROTO_UDP);
	JUMP(w, NFT_RANGES_CHAIN, NULL, LISTED(NFT_L4PROTO));
	nft_end_chain(w);
}

/* Of what conntrack calls related only ICMP errors pass: with a helper (FTP and the like) a remote
 * peer has a say in which ports are expected, and no packet but a knock shall open one. */
static void connection_rules(struct nft_writer *w, const struct settings *set)
{
	if (set->established == CONF_ESTABLISHED_CUT)
		RULE(w, NF_ACCEPT,
		    "answers to connections of this host; others end with their grant",
		    HAS(NFT_ESTABLISHED), HAS(NFT_REPLY));
	else
		RULE(w, NF_ACCEPT, "connections live on", HAS(NFT_ESTABLISHED));
	LIST(w, IPPROTO_ICMP, IPPROTO_ICMPV6);
	RULE(w, NF_ACCEPT, "errors about them, path MTU", HAS(NFT_RELATED), LISTED(NFT_L4PROTO));
}

/* Only what IPv6 cannot do without; none of it crosses a router. */
static void neighbour_rules(struct nft_writer *w)
{
	static const struct cidr link_local = {{{0xfe, 0x80}}, 10};

	LIST(w, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT, ND_ROUTER_ADVERT);
	RULE(w, NF_ACCEPT, "neighbours and routers on the link", LISTED(NFT_ICMPV6_TYPE),
	    IS(NFT_IP6_HOPLIMIT, 255));
	list_network(w, &link_local);
	RULE(w, NF_ACCEPT, "so that switches keep sending us our multicast",
	    IS(NFT_ICMPV6_TYPE, MULTICAST_QUERY), LISTED(NFT_IP6_SADDR), IS(NFT_IP6_HOPLIMIT, 1));
	list_network(w, &link_local);
	RULE(w, NF_ACCEPT, "DHCPv6 answers to a multicast question", LISTED(NFT_IP6_SADDR),
	    LISTED(NFT_IP6_DADDR), IS(NFT_UDP_SPORT, 547), IS(NFT_UDP_DPORT, 546));
}

/* What may pass is accepted; the others go on. */
static void granted_chain(struct nft_writer *w, const struct nft_content *c)
{
	const struct snapshot *s = c->s;
	const struct settings *set = s->settings;

	nft_put_chain(w, GRANTED, -1, 0);
	network_rule(w, s, true);
	network_rule(w, s, false);
	grant_rules(w, c);
	if (nft_ports_wanted(s))
		nft_put_rule(w, NULL, NFT_JUMP, "opened", "what OpenSPA requests have opened");
	/* What is captured has arrived before any chain. XDP's may have to come by a socket. */
	if (set->open_knock_port && set->openme && set->intake != CONF_INTAKE_CAPTURE)
		RULE(w, NF_ACCEPT, "knocks", IS(NFT_UDP_DPORT, set->udp_port));
	if (set->open_knock_port && set->openspa.enabled)
		RULE(w, NF_ACCEPT, "OpenSPA requests", IS(NFT_UDP_DPORT, set->openspa.port));
	if (set->guard == CONF_GUARD_ALL)
		port_rules(w, s, set->guard_allow_ports, NF_ACCEPT, NULL, "ports open to everyone");
	nft_end_chain(w);
}

static void guard_rules(struct nft_writer *w, const struct snapshot *s)
{
	const struct settings *set = s->settings;

	if (set->guard == CONF_GUARD_ALL) {
		neighbour_rules(w);
		nft_put_rule(w, NULL, NF_DROP, NULL, "guard: all; the rest meets silence");
		return;
	}
	if (set->drop_ports)
		port_rules(w, s, set->managed_ports, NF_DROP, NULL, "managed ports, no grant");
	if (set->health_port != 0)
		RULE(w, NF_DROP, "health port, no grant", IS(NFT_TCP_DPORT, set->health_port));
}

/* Packets of other interfaces, and the host's own, are none of our business. */
static void base_chain(struct nft_writer *w, const struct settings *set, const char *name, int hook)
{
	enum nft_field device = hook == NF_INET_LOCAL_OUT ? NFT_OIFNAME : NFT_IIFNAME;

	nft_put_chain(w, name, hook, hook == NF_INET_PRE_ROUTING ? BEFORE_NAT : set->priority);
	/* Nor does any bring the bit along by which the host's chains know what we let by. */
	if (hook == NF_INET_LOCAL_IN)
		nft_put_rule(w, NULL, NFT_UNMARK, NULL, "only a grant gives this bit");
	if (set->interface[0] != '\0')
		RULE(w, NFT_RETURN, "only this interface is guarded",
		    ((struct nft_match){.field = device, .name = set->interface, .except = true}));
	RULE(w, NF_ACCEPT, "the host itself", ((struct nft_match){.field = device, .name = "lo"}));
	if (hook != NF_INET_LOCAL_OUT)
		connection_rules(w, set);
}

/* The bit is there while a grant is looked for, so that what is accepted keeps it. */
static void input_chain(struct nft_writer *w, const struct snapshot *s)
{
	base_chain(w, s->settings, "input", NF_INET_LOCAL_IN);
	nft_put_rule(w, NULL, NFT_MARK, NULL, NULL);
	nft_put_rule(w, NULL, NFT_JUMP, GRANTED, NULL);
	nft_put_rule(w, NULL, NFT_UNMARK, NULL, NULL);
	guard_rules(w, s);
	nft_end_chain(w);
}

/* What is not for one of our addresses gets where it goes, unless all of it is to be guarded. */
static void guarded_chain(struct nft_writer *w, const struct snapshot *s)
{
	nft_put_chain(w, GUARDED, -1, 0);
	if (s->settings->hook != CONF_HOOK_FORWARD)
		RULE(w, NFT_RETURN, "for another host", HAS(NFT_NOT_LOCAL));
	nft_put_rule(w, NULL, NFT_JUMP, GRANTED, NULL);
	guard_rules(w, s);
	nft_end_chain(w);
}

static void prerouting_chain(struct nft_writer *w, const struct snapshot *s)
{
	const struct settings *set = s->settings;

	if (set->hook == CONF_HOOK_INPUT || (set->guard != CONF_GUARD_ALL && !set->drop_ports))
		return;
	guarded_chain(w, s);
	base_chain(w, set, "prerouting", NF_INET_PRE_ROUTING);
	if (set->guard == CONF_GUARD_ALL)
		nft_put_rule(w, NULL, NFT_GOTO, GUARDED, NULL);
	else
		port_rules(w, s, set->managed_ports, NFT_GOTO, GUARDED, NULL);
	nft_end_chain(w);
}

/* The kernel answers some packets before, or without, asking the input hook: bad IP options,
 * unknown IPv6 extension headers, a hop limit that runs out, fragments that never become whole; and
 * the knock port would, while nobody listens there. A dark host keeps all errors to itself but
 * those of path MTU. Connection tracking is no help: it takes some of them for related. */
static void output_chain(struct nft_writer *w, const struct settings *set)
{
	base_chain(w, set, "output", NF_INET_LOCAL_OUT);
	RULE(w, NF_ACCEPT, "path MTU", IS(NFT_ICMP_TYPE, ICMP_DEST_UNREACH),
	    IS(NFT_ICMP_CODE, ICMP_FRAG_NEEDED));
	LIST(w, ICMP_ERRORS);
	RULE(w, NF_DROP, "no errors, to anybody", LISTED(NFT_ICMP_TYPE));
	LIST(w, ICMPV6_ERRORS);
	RULE(w, NF_DROP, "no errors, to anybody", LISTED(NFT_ICMPV6_TYPE));
	nft_end_chain(w);
}

void nft_put_chains(struct nft_writer *w, const struct nft_content *c)
{
	policy_chains(w, c);
	if (nft_ports_wanted(c->s))
		opened_chains(w, c->ranges);
	granted_chain(w, c);
	input_chain(w, c->s);
	prerouting_chain(w, c->s);
	if (c->s->settings->guard == CONF_GUARD_ALL)
		output_chain(w, c->s->settings);
}
