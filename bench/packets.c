#include "packets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#define SEED          "Postern's key for tests "
#define NONCE_AT      33
#define SEALED_AT     45
#define SIGNATURE_AT  101
#define PLAIN_BYTES   40
#define PREFIX_BYTES  SEALED_AT
#define EPOCH_SECONDS 128
#define DAY_SECONDS   86400
#define TAG_BYTES     8

struct packets {
	struct packet_recipe recipe;
	size_t size;
	uint8_t *made; /* `recipe.count` of them */
	uint64_t dice;
};

/* A client, and what is the same in all its knocks. */
struct client {
	uint8_t secret[crypto_sign_SECRETKEYBYTES], public[crypto_sign_PUBLICKEYBYTES];
	uint8_t hint_key[32];
};

static uint64_t roll(struct packets *p)
{
	p->dice ^= p->dice << 13;
	p->dice ^= p->dice >> 7;
	p->dice ^= p->dice << 17;
	return p->dice;
}

static void fill(struct packets *p, uint8_t *to, size_t size)
{
	while (size > 0) {
		uint64_t value = roll(p);
		size_t some = size < sizeof value ? size : sizeof value;

		memcpy(to, &value, some);
		to += some;
		size -= some;
	}
}

static void put64(uint8_t to[static 8], uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		to[i] = (uint8_t)value;
}

/* RFC 5869 with one block of output and a salt of zeros. */
static void hkdf(
    uint8_t key[static 32], const uint8_t input[static 32], const void *info, size_t size)
{
	static const uint8_t salt[32], one = 1;
	uint8_t extracted[32];
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256(extracted, input, 32, salt);
	crypto_auth_hmacsha256_init(&state, extracted, sizeof extracted);
	crypto_auth_hmacsha256_update(&state, info, size);
	crypto_auth_hmacsha256_update(&state, &one, 1);
	crypto_auth_hmacsha256_final(&state, key);
}

static void client_make(
    struct client *c, unsigned long number, const uint8_t server_public[static 32])
{
	static const char label[] = "postern-hint-v1";
	uint8_t seed[crypto_hash_sha256_BYTES], scalar[32], shared[32];
	uint8_t info[sizeof label - 1 + 64];
	char text[sizeof SEED + 20];
	int size = snprintf(text, sizeof text, SEED "%lu", number);

	crypto_hash_sha256(seed, (const uint8_t *)text, (unsigned long long)size);
	crypto_sign_seed_keypair(c->public, c->secret, seed);
	crypto_sign_ed25519_sk_to_curve25519(scalar, c->secret);
	if (crypto_scalarmult(shared, scalar, server_public) != 0) {
		fprintf(stderr, "bench-load: unusable server key\n");
		exit(2);
	}
	memcpy(info, label, sizeof label - 1);
	memcpy(info + sizeof label - 1, server_public, 32);
	memcpy(info + sizeof label - 1 + 32, c->public, 32);
	hkdf(c->hint_key, shared, info, sizeof info);
}

/* The 16-byte nonce with a lookup hint; `plain` holds timestamp and target. */
static void make_hint(uint8_t plain[static PLAIN_BYTES], const struct client *c,
    const uint8_t ephemeral[static 32], int64_t seconds)
{
	uint8_t *nonce = plain + 8, *target = plain + 24;
	uint8_t day[1 + 4] = {0x01}, hash[32];
	uint8_t covered[1 + 8 + 6 + 4 + 16 + 32] = {0x02};
	uint32_t number = (uint32_t)(seconds / DAY_SECONDS);

	for (int i = 4; i > 0; i--, number >>= 8)
		day[i] = (uint8_t)number;
	randombytes_buf(nonce, 6);
	crypto_auth_hmacsha256(hash, day, sizeof day, c->hint_key);
	memcpy(nonce + 6, hash, 4);
	memcpy(covered + 1, plain, 8);
	memcpy(covered + 9, nonce, 10);
	memcpy(covered + 19, target, 16);
	memcpy(covered + 35, ephemeral, 32);
	crypto_auth_hmacsha256(hash, covered, sizeof covered, c->hint_key);
	memcpy(nonce + 10, hash, 6);
}

/* The 12-byte nonce with a shield tag. */
static void make_tag(uint8_t nonce[static 12], const uint8_t ephemeral[static 32],
    const uint8_t shield_key[static SHIELD_BYTES], int64_t seconds)
{
	static const char label[] = "postern-shield-v1";
	uint8_t epoch[sizeof label - 1 + 8], key[32], covered[1 + 32 + 4] = {0x01};

	memcpy(epoch, label, sizeof label - 1);
	put64(epoch + sizeof label - 1, (uint64_t)(seconds / EPOCH_SECONDS));
	crypto_auth_hmacsha256(key, epoch, sizeof epoch, shield_key);
	memcpy(covered + 1, ephemeral, 32);
	memcpy(covered + 33, nonce, 4);
	crypto_shorthash(nonce + 4, covered, sizeof covered, key);
}

/* `client` NULL: sealed, and signed by nobody. */
static void make_knock(
    uint8_t packet[static KNOCK_BYTES], const struct packet_recipe *r, const struct client *client)
{
	static const char label[] = "openme-v1-chacha20poly1305";
	uint8_t secret[32], shared[32], key[32], plain[PLAIN_BYTES] = {0};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	put64(plain, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	randombytes_buf(secret, sizeof secret);
	randombytes_buf(plain + 8, 16);
	packet[0] = 1;
	crypto_scalarmult_base(packet + 1, secret);
	if (client != NULL && r->hint)
		make_hint(plain, client, packet + 1, now.tv_sec);
	randombytes_buf(packet + NONCE_AT, 12);
	if (r->tag)
		make_tag(packet + NONCE_AT, packet + 1, r->shield_key, now.tv_sec);
	if (crypto_scalarmult(shared, secret, r->server_public) != 0)
		abort();
	hkdf(key, shared, label, sizeof label - 1);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    packet + SEALED_AT, NULL, plain, sizeof plain, NULL, 0, NULL, packet + NONCE_AT, key);
	if (client != NULL)
		crypto_sign_detached(
		    packet + SIGNATURE_AT, NULL, packet, SIGNATURE_AT, client->secret);
}

static void make_ahead(struct packets *p)
{
	const struct packet_recipe *r = &p->recipe;
	bool valid = r->kind == PACKET_VALID;
	struct client *clients = calloc(valid ? r->clients : 1, sizeof *clients);

	p->made = calloc(r->count, KNOCK_BYTES);
	if (p->made == NULL || clients == NULL) {
		perror("bench-load");
		exit(1);
	}
	for (unsigned long i = 0; valid && i < r->clients; i++)
		client_make(&clients[i], r->first + i, r->server_public);
	for (size_t i = 0; i < r->count; i++)
		make_knock(p->made + i * KNOCK_BYTES, r, valid ? &clients[i % r->clients] : NULL);
	free(clients);
}

struct packets *packets_new(const struct packet_recipe *recipe)
{
	struct packets *p = calloc(1, sizeof *p);

	if (p == NULL) {
		perror("bench-load");
		exit(1);
	}
	p->recipe = *recipe;
	p->size = recipe->kind == PACKET_OPENSPA ? REQUEST_BYTES : KNOCK_BYTES;
	do {
		randombytes_buf(&p->dice, sizeof p->dice);
	} while (p->dice == 0);
	if (recipe->kind == PACKET_VALID || recipe->kind == PACKET_UNSIGNED)
		make_ahead(p);
	return p;
}

void packets_free(struct packets *p)
{
	free(p->made);
	free(p);
}

size_t packets_size(const struct packets *p)
{
	return p->size;
}

/* A signature that is well-formed: S is far below L. */
static void fill_signature(struct packets *p, uint8_t *packet)
{
	fill(p, packet + SIGNATURE_AT, KNOCK_BYTES - SIGNATURE_AT);
	packet[KNOCK_BYTES - 1] &= 0x0f;
}

static void fill_junk(struct packets *p, uint8_t *packet, size_t kept)
{
	fill(p, packet + kept, SIGNATURE_AT - kept);
	packet[0] = 1;
	packet[32] &= 0x7f;
	fill_signature(p, packet);
}

void packets_make(struct packets *p, uint8_t *packet, uint64_t i)
{
	const struct packet_recipe *r = &p->recipe;

	switch (r->kind) {
	case PACKET_RANDOM:
		fill(p, packet, KNOCK_BYTES);
		break;
	case PACKET_MALFORMED:
		fill_junk(p, packet, 0);
		packet[32] |= 0x80;
		break;
	case PACKET_JUNK:
		fill_junk(p, packet, 0);
		break;
	case PACKET_UNSIGNED:
		memcpy(packet, p->made + i % r->count * KNOCK_BYTES, SIGNATURE_AT);
		fill_signature(p, packet);
		break;
	case PACKET_COPY:
		memcpy(packet, r->captured + i % r->captured_count * KNOCK_BYTES, KNOCK_BYTES);
		break;
	case PACKET_PREFIX:
		memcpy(packet, r->captured + i % r->captured_count * KNOCK_BYTES, PREFIX_BYTES);
		fill_junk(p, packet, PREFIX_BYTES);
		break;
	case PACKET_VALID:
		memcpy(packet, p->made + i % r->count * KNOCK_BYTES, KNOCK_BYTES);
		break;
	case PACKET_OPENSPA:
		fill(p, packet, REQUEST_BYTES);
		packet[0] = 0x10;
		packet[1] = 0x01;
		break;
	}
}
