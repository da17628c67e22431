/* The shield in the kernel: the same checks at the network device (XDP) and, for what that does not
 * see, at the socket. Whatever is not a datagram for the knock port of this host passes untouched,
 * and so does what would have to be put together first: fragments are judged by the socket filter
 * and by the doorman when they are whole.
 *
 * With settings.rings a knock goes to a doorman by its ring, past the stack. What has not the size
 * and version of one is the stack's then, which has nobody there; so are extension headers. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/hand_over.h"
#include "bpf/kernel_shield.h"

#define VLAN_TAGS_MOST     2
#define VLAN_NUMBER        0x0fff
#define EXTENSIONS_MOST    6
#define FRAGMENT_BITS      0x3fff /* more fragments, and the offset */
#define ADDRESS_WORDS_FOUR 0xffff /* ::ffff:0:0/96, with the address behind it */

const volatile struct kernel_shield_settings settings = {0};

struct kernel_shield_control control SEC(".data.control");
struct kernel_shield_addresses addresses SEC(".data.address");
struct kernel_shield_counts counts SEC(".data.counts");

/* When the next one of a sender, or of all, is due. Processors may write over each other's: then a
 * few more are let through. */
uint64_t lane_of_all;
uint64_t lanes[KERNEL_SHIELD_SENDERS];

struct datagram {
	struct shield_words words;
	uint64_t tag;
	uint64_t sender; /* the part of its source address that counts */
};

/* --- What is decided about a datagram of the right size and form */

static __always_inline bool is_due(uint64_t *next, uint64_t now, uint64_t rate, uint64_t burst)
{
	const uint64_t each = 1000000000 / rate;
	uint64_t at = *next;

	if (at < now)
		at = now;
	if (at - now > burst * each)
		return false;
	*next = at + each;
	return true;
}

/* Nobody is told what came of a packet, so that a keyed hash of two steps is enough: who does not
 * know the key cannot aim at another sender's place. */
static __always_inline uint32_t place_of(uint64_t sender)
{
	uint64_t mixed = (sender ^ settings.sender_key[0]) * (settings.sender_key[1] | 1);

	mixed ^= mixed >> 32;
	mixed *= settings.sender_key[0] | 1;
	return (uint32_t)(mixed >> 50) % KERNEL_SHIELD_SENDERS;
}

static __always_inline enum kernel_shield_count take_lane(uint64_t sender, uint64_t now)
{
	if (!is_due(&lanes[place_of(sender)], now, KERNEL_SHIELD_SENDER_RATE,
	        KERNEL_SHIELD_SENDER_BURST))
		return KERNEL_SHIELD_SENDER_LANE;
	if (!is_due(&lane_of_all, now, KERNEL_SHIELD_TOTAL_RATE, KERNEL_SHIELD_TOTAL_BURST))
		return KERNEL_SHIELD_FULL_LANE;
	return KERNEL_SHIELD_UNTAGGED;
}

static __always_inline bool is_tagged(
    const struct kernel_shield_keys *keys, const struct datagram *d)
{
	for (uint32_t i = 0; i < KERNEL_SHIELD_KEYS && i < keys->count; i++)
		if (shield_tag_of_words(&keys->key[i], &d->words) == d->tag)
			return true;
	return false;
}

static __always_inline enum kernel_shield_count judge(const struct datagram *d)
{
	const struct kernel_shield_keys *keys = &control.set[control.current & 1];
	enum kernel_shield_count lane_says;
	uint64_t now;

	if (keys->mode == KERNEL_SHIELD_OFF)
		return KERNEL_SHIELD_UNTAGGED;
	now = bpf_ktime_get_coarse_ns();
	if (now > keys->until_ns) {
		lane_says = take_lane(d->sender, now);
		return lane_says == KERNEL_SHIELD_UNTAGGED ? KERNEL_SHIELD_STALE : lane_says;
	}
	if (is_tagged(keys, d))
		return KERNEL_SHIELD_TAGGED;
	if (keys->mode == KERNEL_SHIELD_REQUIRE)
		return KERNEL_SHIELD_NO_TAG;
	return take_lane(d->sender, now);
}

/* True when it is let through. */
static __always_inline bool count(enum kernel_shield_place place, enum kernel_shield_count what)
{
	uint32_t row = bpf_get_smp_processor_id() % KERNEL_SHIELD_ROWS;

	counts.row[place][row].count[what]++;
	return what < KERNEL_SHIELD_WRONG_SIZE;
}

/* --- XDP */

/* A frame, and where we are in it. */
struct cursor {
	const uint8_t *at, *end;
};

/* Has `head` point to what stands there, and the cursor behind it. False when that is not in the
 * frame. Without a NULL: comparing with that would need a right more (CAP_PERFMON). */
#define TAKE(c, head)                           \
	({                                      \
		(head) = (const void *)(c)->at; \
		(c)->at += sizeof *(head);      \
		(c)->at <= (c)->end;            \
	})

struct vlan_tag {
	uint16_t number;
	uint16_t protocol;
};

struct extension {
	uint8_t next;
	uint8_t units; /* of 8 bytes, without the first */
	uint8_t rest[6];
};

struct addresses_of {
	uint64_t sender;
	struct kernel_shield_address from, to;
};

/* The protocol above Ethernet, or 0. */
static __always_inline uint16_t parse_ethernet(struct cursor *c)
{
	const struct ethhdr *head;
	uint16_t protocol;

	if (!TAKE(c, head))
		return 0;
	protocol = head->h_proto;
#pragma unroll
	for (int i = 0; i < VLAN_TAGS_MOST; i++) {
		const struct vlan_tag *tag;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if (!TAKE(c, tag) ||
		    (settings.one_interface != 0 && (tag->number & bpf_htons(VLAN_NUMBER)) != 0))
			return 0;
		protocol = tag->protocol;
	}
	return protocol;
}

/* What the stack would have looked at: the header's checksum, and its length. */
static __always_inline bool is_intact_four(const struct iphdr *head, const uint8_t *end)
{
	const uint16_t *words = (const uint16_t *)(const void *)head;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < 2 * 15U && i < head->ihl * 2U; i++) {
		if ((const uint8_t *)(words + i + 1) > end)
			return false;
		sum += words[i];
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16) == 0xffff &&
	       bpf_ntohs(head->tot_len) >= head->ihl * 4U + UDP_KNOCK_BYTES;
}

static __always_inline struct kernel_shield_address mapped(uint32_t four)
{
	return (struct kernel_shield_address){
	    0, bpf_cpu_to_be64((uint64_t)ADDRESS_WORDS_FOUR << 32 | bpf_ntohl(four))};
}

static __always_inline bool parse_four(struct cursor *c, struct addresses_of *a)
{
	const struct iphdr *head;

	if (!TAKE(c, head) || head->ihl < sizeof *head / 4 || head->protocol != IPPROTO_UDP ||
	    (head->frag_off & bpf_htons(FRAGMENT_BITS)) != 0 ||
	    (settings.rings != 0 && !is_intact_four(head, c->end)))
		return false;
	c->at += head->ihl * 4 - sizeof *head;
	a->sender = head->saddr;
	a->from = mapped(head->saddr);
	a->to = mapped(head->daddr);
	return true;
}

/* Past the headers that may stand before UDP's; a fragment's is none of them. */
static __always_inline bool skip_extensions(struct cursor *c, uint8_t next)
{
#pragma unroll
	for (int i = 0; i < EXTENSIONS_MOST; i++) {
		const struct extension *x;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			break;
		if (!TAKE(c, x))
			return false;
		next = x->next;
		c->at += x->units * 8;
	}
	return next == IPPROTO_UDP;
}

static __always_inline bool parse_six(struct cursor *c, struct addresses_of *a)
{
	const struct ipv6hdr *head;

	if (!TAKE(c, head))
		return false;
	a->sender = word_of(&head->saddr);
	a->from.high = a->sender;
	a->from.low = word_of(head->saddr.in6_u.u6_addr8 + 8);
	a->to.high = word_of(&head->daddr);
	a->to.low = word_of(head->daddr.in6_u.u6_addr8 + 8);
	if (settings.rings != 0) /* and no mapped address, which would be one of IPv4 here */
		return head->nexthdr == IPPROTO_UDP && a->from.high != 0 && a->to.high != 0 &&
		       bpf_ntohs(head->payload_len) >= UDP_KNOCK_BYTES;
	return head->nexthdr == IPPROTO_UDP || skip_extensions(c, head->nexthdr);
}

static __always_inline bool is_ours(const struct kernel_shield_address *to)
{
	uint32_t place = kernel_shield_address_place(to->high, to->low);
	const struct kernel_shield_address *table = addresses.table[addresses.current & 1];

	for (uint32_t i = 0; i < KERNEL_SHIELD_PROBES; i++) {
		const struct kernel_shield_address *a =
		    &table[(place + i) % KERNEL_SHIELD_ADDRESSES];

		if (a->high == to->high && a->low == to->low)
			return true;
		if ((a->high | a->low) == 0)
			break;
	}
	return false;
}

static __always_inline uint64_t le64_at(const uint8_t *at)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word_of(at));
#else
	return word_of(at);
#endif
}

static __always_inline int refuse(enum kernel_shield_count what)
{
	bool is_the_stacks = settings.rings != 0 && what != KERNEL_SHIELD_MALFORMED;

	return is_the_stacks || count(KERNEL_SHIELD_XDP, what) ? XDP_PASS : XDP_DROP;
}

/* The doorman keeps its keys fresh, also when there are none. When it is gone, so is its claim. */
static __always_inline int take(
    const struct addresses_of *a, const uint8_t *udp, const struct datagram *d)
{
	enum kernel_shield_count what = judge(d);

	if (bpf_ktime_get_coarse_ns() > control.set[control.current & 1].until_ns)
		return XDP_PASS;
	if (what < KERNEL_SHIELD_WRONG_SIZE &&
	    !hand_over(steer_choice(settings.steer_mask, settings.steer_factor, settings.rings,
	                   steering_word_of(udp)),
	        &a->from, &a->to, udp))
		what = KERNEL_SHIELD_RING_FULL;
	return count(KERNEL_SHIELD_XDP, what), XDP_DROP;
}

static __always_inline int judge_frame(struct cursor *c, const struct addresses_of *a)
{
	const struct udphdr *udp;
	const uint8_t *p;
	struct datagram d;

	if (!TAKE(c, udp) || udp->dest != settings.port || !is_ours(&a->to))
		return XDP_PASS;
	if (udp->len != bpf_htons(UDP_KNOCK_BYTES))
		return refuse(KERNEL_SHIELD_WRONG_SIZE);
	p = c->at;
	if (p + SHIELD_PACKET_BYTES > c->end)
		return XDP_PASS; /* in several pieces, or cut: the stack knows */
	if (!shield_right_version(p))
		return refuse(KERNEL_SHIELD_WRONG_VERSION);
	if (!shield_well_formed(p))
		return refuse(KERNEL_SHIELD_MALFORMED);
	d.words = (struct shield_words){
	    {le64_at(p), le64_at(p + 8), le64_at(p + 16), le64_at(p + 24)}, le64_at(p + 29) >> 24};
	d.tag = le64_at(p + SHIELD_TAG_AT);
	d.sender = a->sender;
	if (settings.rings != 0)
		return take(a, p - sizeof(struct udphdr), &d);
	return count(KERNEL_SHIELD_XDP, judge(&d)) ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int postern_shield(struct xdp_md *frame)
{
	struct cursor c = {
	    (const uint8_t *)(long)frame->data, (const uint8_t *)(long)frame->data_end};
	uint16_t protocol = parse_ethernet(&c);
	struct addresses_of a;

	if (protocol == bpf_htons(ETH_P_IP)
	        ? parse_four(&c, &a)
	        : protocol == bpf_htons(ETH_P_IPV6) && parse_six(&c, &a))
		return judge_frame(&c, &a);
	return XDP_PASS;
}

/* --- The socket filter */

#define DROP 0

static __always_inline uint64_t sender_of(struct __sk_buff *skb)
{
	uint64_t sender = 0;

	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		bpf_skb_load_bytes_relative(
		    skb, offsetof(struct ipv6hdr, saddr), &sender, 8, BPF_HDR_START_NET);
	else
		bpf_skb_load_bytes_relative(
		    skb, offsetof(struct iphdr, saddr), &sender, 4, BPF_HDR_START_NET);
	return sender;
}

/* Gets a datagram with its UDP header, whole. */
SEC("socket")
int postern_socket(struct __sk_buff *skb)
{
	_Alignas(8) uint8_t p[SHIELD_PACKET_BYTES + 3];
	struct datagram d;

	if (skb->len != UDP_KNOCK_BYTES ||
	    bpf_skb_load_bytes(skb, sizeof(struct udphdr), p, SHIELD_PACKET_BYTES) != 0)
		return count(KERNEL_SHIELD_SOCKET, KERNEL_SHIELD_WRONG_SIZE), DROP;
	if (!shield_right_version(p))
		return count(KERNEL_SHIELD_SOCKET, KERNEL_SHIELD_WRONG_VERSION), DROP;
	if (!shield_well_formed(p))
		return count(KERNEL_SHIELD_SOCKET, KERNEL_SHIELD_MALFORMED), DROP;
	d.words = shield_words_of(p);
	d.tag = shield_le64(p + SHIELD_TAG_AT);
	d.sender = sender_of(skb);
	return count(KERNEL_SHIELD_SOCKET, judge(&d)) ? (int)skb->len : DROP;
}

const char shield_license[] SEC("license") = "MIT";
