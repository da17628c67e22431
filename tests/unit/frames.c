#include "frames.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stddef.h>
#include <string.h>

#include "base/secret.h"

struct writer_to {
	uint8_t *at;
};

static void put(struct writer_to *w, const void *data, size_t size)
{
	memcpy(w->at, data, size);
	w->at += size;
}

static void put_16(struct writer_to *w, uint16_t value)
{
	value = htons(value);
	put(w, &value, sizeof value);
}

/* RFC 1071, begun with `sum`; of an even number of bytes, but for the last. */
static uint16_t checksum_of(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put_ethernet(struct writer_to *w, const struct frame_kind *k)
{
	static const uint8_t addresses[2 * ETH_ALEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	put(w, addresses, sizeof addresses);
	for (int i = 0; i < k->vlan_tags; i++) {
		put_16(w, i == 0 && k->outer != 0 ? k->outer : ETH_P_8021Q);
		put_16(w, (uint16_t)(3 << 13 | (k->priority_tag ? 0 : k->vlan != 0 ? k->vlan : 5)));
	}
	put_16(w, k->six ? ETH_P_IPV6 : ETH_P_IP);
}

static void put_four(struct writer_to *w, const struct frame_kind *k, size_t above)
{
	uint8_t *const begin = w->at, options[40];
	uint16_t sum;
	struct iphdr head = {.version = 4,
	    .ihl = (unsigned int)(5 + k->option_words) & 0xf,
	    .tot_len = htons((uint16_t)(sizeof head + (size_t)k->option_words * 4 + above)),
	    .frag_off = htons(k->fragment),
	    .ttl = 64,
	    .protocol = k->protocol != 0 ? k->protocol : IPPROTO_UDP};

	memset(options, 1, sizeof options);
	inet_pton(AF_INET, k->from != NULL ? k->from : "198.51.100.7", &head.saddr);
	inet_pton(AF_INET, k->to != NULL ? k->to : FRAME_OURS_FOUR, &head.daddr);
	put(w, &head, sizeof head);
	put(w, options, (size_t)k->option_words * 4);
	sum = htons((uint16_t)~checksum_of(0, begin, (size_t)(w->at - begin)) ^ k->wrong_sum);
	memcpy(begin + offsetof(struct iphdr, check), &sum, sizeof sum);
}

static void put_six(struct writer_to *w, const struct frame_kind *k, size_t above)
{
	const uint8_t last = k->protocol != 0 ? k->protocol : IPPROTO_UDP;
	const uint8_t *x = k->extensions;
	size_t each = ((size_t)k->extension_units + 1) * 8, count = 0;
	struct ipv6hdr head = {.version = 6, .hop_limit = 64};
	uint8_t body[2048] = {0};

	while (x != NULL && x[count] != 0xff)
		count++;
	head.payload_len = htons((uint16_t)(count * each + above));
	head.nexthdr = count > 0 ? x[0] : last;
	inet_pton(AF_INET6, k->from != NULL ? k->from : "2001:db8:7::7", &head.saddr);
	inet_pton(AF_INET6, k->to != NULL ? k->to : FRAME_OURS_SIX, &head.daddr);
	put(w, &head, sizeof head);
	for (size_t i = 0; i < count; i++) {
		body[0] = i + 1 < count ? x[i + 1] : last;
		body[1] = k->extension_units;
		put(w, body, each);
	}
}

/* Over the datagram at `udp`, in a packet that begins at `ip`. */
static void put_udp_sum(const uint8_t *ip, uint8_t *udp, size_t size, bool six)
{
	uint16_t sum = (uint16_t)size + IPPROTO_UDP;

	sum = six ? checksum_of(sum, ip + offsetof(struct ipv6hdr, saddr), 32)
	          : checksum_of(sum, ip + offsetof(struct iphdr, saddr), 8);
	sum = htons((uint16_t)~checksum_of(sum, udp, size));
	memcpy(udp + offsetof(struct udphdr, check), &sum, sizeof sum);
}

size_t frame_build(uint8_t frame[static FRAME_BYTES], const struct frame_kind *k)
{
	struct writer_to w = {frame};
	size_t above = 8 + k->payload_bytes;
	uint8_t *ip, *udp;

	put_ethernet(&w, k);
	ip = w.at;
	if (k->six)
		put_six(&w, k, above);
	else
		put_four(&w, k, above);
	udp = w.at;
	put_16(&w, 40000);
	put_16(&w, k->port != 0 ? k->port : FRAME_PORT);
	put_16(&w, (uint16_t)(k->udp_bytes != 0 ? k->udp_bytes : above));
	put_16(&w, 0);
	put(&w, k->payload, k->payload_bytes);
	if (k->udp_sum)
		put_udp_sum(ip, udp, above, k->six);
	memset(w.at, 0, k->padding);
	return (size_t)(w.at - frame) + k->padding;
}

void frame_knock(uint8_t packet[static SHIELD_PACKET_BYTES], const uint8_t *secret, int64_t real_ns)
{
	uint8_t random[SHIELD_RANDOM_BYTES];

	secret_random(packet, SHIELD_PACKET_BYTES);
	secret_random(random, sizeof random);
	packet[0] = SHIELD_VERSION;
	packet[SHIELD_RANDOM_AT - 1] &= 0x7f;
	packet[SHIELD_PACKET_BYTES - 1] &= 0x0f;
	if (secret != NULL)
		shield_nonce(packet + SHIELD_RANDOM_AT, secret, random, real_ns, packet + 1);
}
