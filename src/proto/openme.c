#include "proto/openme.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "proto/hkdf.h"
#include "proto/shield_tag.h"

_Static_assert(OPENME_PLAIN_BYTES == 40, "timestamp, nonce, target");
_Static_assert(OPENME_SIGNED_BYTES == 101, "the signature starts at 101");
_Static_assert(OPENME_PACKET_BYTES == 165, "a knock is 165 bytes");
_Static_assert(OPENME_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(OPENME_AEAD_NONCE_BYTES == crypto_aead_chacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(
    OPENME_SEALED_BYTES == OPENME_PLAIN_BYTES + crypto_aead_chacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(OPENME_SIGN_BYTES == crypto_sign_SECRETKEYBYTES, "signing key");
_Static_assert(OPENME_SEED_BYTES == crypto_sign_SEEDBYTES, "seed");
_Static_assert(OPENME_SIGNATURE_BYTES == crypto_sign_BYTES, "signature");
_Static_assert(OPENME_KEY_BYTES == HKDF_BYTES, "one HKDF block");
_Static_assert(SHIELD_VERSION == OPENME_VERSION, "version");
_Static_assert(SHIELD_PACKET_BYTES == OPENME_PACKET_BYTES, "the same packet");
_Static_assert(SHIELD_RANDOM_AT == 1 + OPENME_PUBLIC_BYTES, "the nonce follows the ephemeral key");
_Static_assert(SHIELD_S_AT == OPENME_SIGNED_BYTES + OPENME_SIGNATURE_BYTES / 2, "S");

static const char hkdf_info[] = "openme-v1-chacha20poly1305";

/* A packet taken apart; nothing in it has been checked. */
struct parts {
	uint8_t version;
	uint8_t ephemeral[OPENME_PUBLIC_BYTES];
	uint8_t aead_nonce[OPENME_AEAD_NONCE_BYTES];
	uint8_t sealed[OPENME_SEALED_BYTES];
	uint8_t signature[OPENME_SIGNATURE_BYTES];
};

static struct parts take_apart(const uint8_t packet[static OPENME_PACKET_BYTES])
{
	struct reader r = reader_of(packet, OPENME_PACKET_BYTES);
	struct parts p;

	p.version = reader_u8(&r);
	reader_take(&r, p.ephemeral, sizeof p.ephemeral);
	reader_take(&r, p.aead_nonce, sizeof p.aead_nonce);
	reader_take(&r, p.sealed, sizeof p.sealed);
	reader_take(&r, p.signature, sizeof p.signature);
	return p;
}

bool openme_right_size(size_t size)
{
	return size == OPENME_PACKET_BYTES;
}

bool openme_right_version(const uint8_t packet[static OPENME_PACKET_BYTES])
{
	return packet[0] == OPENME_VERSION;
}

bool openme_well_formed(const uint8_t packet[static OPENME_PACKET_BYTES])
{
	return shield_well_formed(packet);
}

/* More than the library's functions use of the stack. Where it has no assembler for the processor
 * they leave there what they have worked on. */
#define LEFT_BEHIND_BYTES 8192

static void wipe_behind(void *own, size_t size)
{
	sodium_stackzero(LEFT_BEHIND_BYTES);
	sodium_memzero(own, size);
}

static bool shared_key(uint8_t key[static OPENME_KEY_BYTES],
    const uint8_t secret[static OPENME_SECRET_BYTES],
    const uint8_t public_key[static OPENME_PUBLIC_BYTES])
{
	uint8_t shared[crypto_scalarmult_BYTES];
	/* Fails when the result is all zeros (RFC 7748 6.1). */
	bool usable = crypto_scalarmult(shared, secret, public_key) == 0;

	if (usable)
		hkdf_sha256(key, NULL, 0, shared, sizeof shared, hkdf_info, sizeof hkdf_info - 1);
	else
		sodium_memzero(key, OPENME_KEY_BYTES);
	wipe_behind(shared, sizeof shared);
	return usable;
}

bool openme_unseal(uint8_t key[static OPENME_KEY_BYTES],
    const uint8_t server_secret[static OPENME_SECRET_BYTES],
    const uint8_t packet[static OPENME_PACKET_BYTES])
{
	struct parts p = take_apart(packet);

	return shared_key(key, server_secret, p.ephemeral);
}

bool openme_open(struct openme_knock *out, const uint8_t key[static OPENME_KEY_BYTES],
    const uint8_t packet[static OPENME_PACKET_BYTES])
{
	struct parts p = take_apart(packet);
	uint8_t plain[OPENME_PLAIN_BYTES] = {0};
	struct reader r = reader_of(plain, sizeof plain);
	bool fits = crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, p.sealed,
	                sizeof p.sealed, NULL, 0, p.aead_nonce, key) == 0;

	memset(out, 0, sizeof *out);
	if (fits) {
		out->timestamp_ns = (int64_t)reader_u64(&r);
		reader_take(&r, out->nonce, sizeof out->nonce);
		reader_take(&r, out->target.bytes, sizeof out->target.bytes);
	}
	wipe_behind(plain, sizeof plain);
	return fits;
}

bool openme_verify(const uint8_t packet[static OPENME_PACKET_BYTES],
    const uint8_t client_public[static OPENME_PUBLIC_BYTES])
{
	struct parts p = take_apart(packet);

	return crypto_sign_verify_detached(
	           p.signature, packet, OPENME_SIGNED_BYTES, client_public) == 0;
}

static void seal_contents(uint8_t sealed[static OPENME_SEALED_BYTES],
    const struct openme_ingredients *ingredients, const uint8_t key[static OPENME_KEY_BYTES])
{
	uint8_t plain[OPENME_PLAIN_BYTES];
	struct writer w = writer_of(plain, sizeof plain);

	writer_u64(&w, (uint64_t)ingredients->knock.timestamp_ns);
	writer_put(&w, ingredients->knock.nonce, sizeof ingredients->knock.nonce);
	writer_put(&w, ingredients->knock.target.bytes, sizeof ingredients->knock.target.bytes);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    sealed, NULL, plain, sizeof plain, NULL, 0, NULL, ingredients->aead_nonce, key);
	wipe_behind(plain, sizeof plain);
}

bool openme_seal(
    uint8_t packet[static OPENME_PACKET_BYTES], const struct openme_ingredients *ingredients)
{
	struct writer w = writer_of(packet, OPENME_PACKET_BYTES);
	uint8_t key[OPENME_KEY_BYTES];
	uint8_t ephemeral[OPENME_PUBLIC_BYTES];
	uint8_t sealed[OPENME_SEALED_BYTES];
	uint8_t signature[OPENME_SIGNATURE_BYTES];
	bool ok = false;

	memset(packet, 0, OPENME_PACKET_BYTES);
	if (!openme_client_secret_usable(ingredients->client_secret) ||
	    !shared_key(key, ingredients->ephemeral_secret, ingredients->server_public))
		goto cleanup;
	crypto_scalarmult_base(ephemeral, ingredients->ephemeral_secret);
	seal_contents(sealed, ingredients, key);

	writer_u8(&w, OPENME_VERSION);
	writer_put(&w, ephemeral, sizeof ephemeral);
	writer_put(&w, ingredients->aead_nonce, sizeof ingredients->aead_nonce);
	writer_put(&w, sealed, sizeof sealed);
	crypto_sign_detached(
	    signature, NULL, packet, OPENME_SIGNED_BYTES, ingredients->client_secret);
	writer_put(&w, signature, sizeof signature);
	ok = writer_filled(&w, OPENME_PACKET_BYTES);
cleanup:
	wipe_behind(key, sizeof key);
	return ok;
}

void openme_server_public(uint8_t public_key[static OPENME_PUBLIC_BYTES],
    const uint8_t secret[static OPENME_SECRET_BYTES])
{
	crypto_scalarmult_base(public_key, secret);
}

bool openme_server_public_usable(const uint8_t public_key[static OPENME_PUBLIC_BYTES])
{
	static const uint8_t any_secret[OPENME_SECRET_BYTES] = {1};
	uint8_t shared[crypto_scalarmult_BYTES];

	return public_key[31] < 0x80 && crypto_scalarmult(shared, any_secret, public_key) == 0;
}

bool openme_client_public_usable(const uint8_t public_key[static OPENME_PUBLIC_BYTES])
{
	return crypto_core_ed25519_is_valid_point(public_key) == 1;
}

void openme_client_expand(
    uint8_t secret[static OPENME_SIGN_BYTES], const uint8_t seed[static OPENME_SEED_BYTES])
{
	uint8_t public_key[OPENME_PUBLIC_BYTES];

	crypto_sign_seed_keypair(public_key, secret, seed);
}

void openme_client_public(
    uint8_t public_key[static OPENME_PUBLIC_BYTES], const uint8_t seed[static OPENME_SEED_BYTES])
{
	uint8_t secret[OPENME_SIGN_BYTES];

	crypto_sign_seed_keypair(public_key, secret, seed);
	sodium_memzero(secret, sizeof secret);
}

bool openme_client_secret_usable(const uint8_t secret[static OPENME_SIGN_BYTES])
{
	uint8_t expanded[OPENME_SIGN_BYTES];
	bool same;

	openme_client_expand(expanded, secret);
	same = sodium_memcmp(expanded, secret, sizeof expanded) == 0;
	sodium_memzero(expanded, sizeof expanded);
	return same;
}
