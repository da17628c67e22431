/* What can be told of an openme datagram without a secret of ours or with the key of an epoch, as
 * one piece of C for user space and BPF: no library, no loop, no memory but the packet, which the
 * caller has seen to be SHIELD_PACKET_BYTES long. The format is in doc/protocol.md. */
#ifndef PROTO_SHIELD_TAG_H
#define PROTO_SHIELD_TAG_H

#include <stdbool.h>
#include <stdint.h>

#define SHIELD_PACKET_BYTES 165
#define SHIELD_VERSION      0x01
/* Version, ephemeral key and the random part of the nonce: what the tag is made over. It follows
 * them, as the rest of the nonce. */
#define SHIELD_RANDOM_AT    33
#define SHIELD_RANDOM_BYTES 4
#define SHIELD_TAG_AT       (SHIELD_RANDOM_AT + SHIELD_RANDOM_BYTES)
#define SHIELD_S_AT         133 /* second half of the signature, little-endian */

/* The key of one epoch, as SipHash takes it: two little-endian halves. */
struct shield_key {
	uint64_t k0, k1;
};

#define SHIELD_INLINE static inline __attribute__((always_inline))

SHIELD_INLINE uint64_t shield_le64(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

SHIELD_INLINE bool shield_right_version(const uint8_t *packet)
{
	return packet[0] == SHIELD_VERSION;
}

/* S < L, the order of Ed25519's group (RFC 8032 5.1.7). All but one in 2^124 are decided by the
 * highest byte. */
SHIELD_INLINE bool shield_s_below_order(const uint8_t *s)
{
	uint64_t word;

	if (s[31] != 0x10)
		return s[31] < 0x10;
	word = shield_le64(s + 24);
	if (word != 0x1000000000000000)
		return false; /* above, for its highest byte is 0x10 */
	if (shield_le64(s + 16) != 0)
		return false;
	word = shield_le64(s + 8);
	if (word != 0x14def9dea2f79cd6)
		return word < 0x14def9dea2f79cd6;
	return shield_le64(s) < 0x5812631a5cf5d3ed;
}

/* The top bit of the ephemeral key is clear (RFC 7748 5) and S < L: no honest client fails this. */
SHIELD_INLINE bool shield_well_formed(const uint8_t *packet)
{
	return packet[SHIELD_RANDOM_AT - 1] < 0x80 && shield_s_below_order(packet + SHIELD_S_AT);
}

SHIELD_INLINE uint64_t shield_rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

struct shield_sip {
	uint64_t v0, v1, v2, v3;
};

SHIELD_INLINE void shield_sip_round(struct shield_sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = shield_rotate(s->v1, 13) ^ s->v0;
	s->v3 = shield_rotate(s->v3, 16) ^ s->v2;
	s->v0 = shield_rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = shield_rotate(s->v1, 17) ^ s->v2;
	s->v3 = shield_rotate(s->v3, 21) ^ s->v0;
	s->v2 = shield_rotate(s->v2, 32);
}

SHIELD_INLINE void shield_sip_word(struct shield_sip *s, uint64_t word)
{
	s->v3 ^= word;
	shield_sip_round(s);
	shield_sip_round(s);
	s->v0 ^= word;
}

/* SipHash-2-4 (Aumasson and Bernstein) over the first SHIELD_TAG_AT bytes of `packet`. */
SHIELD_INLINE uint64_t shield_tag(const struct shield_key *key, const uint8_t *packet)
{
	struct shield_sip s = {0x736f6d6570736575 ^ key->k0, 0x646f72616e646f6d ^ key->k1,
	    0x6c7967656e657261 ^ key->k0, 0x7465646279746573 ^ key->k1};
	uint64_t rest = (uint64_t)packet[32] | (uint64_t)packet[33] << 8 |
	                (uint64_t)packet[34] << 16 | (uint64_t)packet[35] << 24 |
	                (uint64_t)packet[36] << 32;

	shield_sip_word(&s, shield_le64(packet));
	shield_sip_word(&s, shield_le64(packet + 8));
	shield_sip_word(&s, shield_le64(packet + 16));
	shield_sip_word(&s, shield_le64(packet + 24));
	shield_sip_word(&s, rest | (uint64_t)SHIELD_TAG_AT << 56);
	s.v2 ^= 0xff;
	shield_sip_round(&s);
	shield_sip_round(&s);
	shield_sip_round(&s);
	shield_sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* The packet carries the tag of that epoch. */
SHIELD_INLINE bool shield_tag_fits(const struct shield_key *key, const uint8_t *packet)
{
	return shield_tag(key, packet) == shield_le64(packet + SHIELD_TAG_AT);
}

#endif
