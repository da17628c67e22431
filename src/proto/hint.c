#include "proto/hint.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "proto/hkdf.h"

_Static_assert(HINT_KEY_BYTES == HKDF_BYTES, "one HKDF block");
_Static_assert(HINT_KEY_BYTES == crypto_auth_hmacsha256_KEYBYTES, "key of the HMAC");
_Static_assert(
    HINT_RANDOM_BYTES + HINT_ID_BYTES + HINT_MAC_BYTES == OPENME_NONCE_BYTES, "all of the nonce");

#define INFO              "postern-hint-v1"
#define INFO_BYTES        (sizeof INFO - 1)
#define NAMED_BYTES       (HINT_RANDOM_BYTES + HINT_ID_BYTES) /* of the nonce: under the mac */
#define NS_PER_DAY        (INT64_C(86400) * 1000000000)
#define LEFT_BEHIND_BYTES 8192 /* of the stack, by the library's functions */

enum purpose { PURPOSE_ID = 1, PURPOSE_MAC = 2 };

/* X25519 and HKDF; wipes `secret`. */
static bool derive(uint8_t key[static HINT_KEY_BYTES],
    uint8_t secret[static crypto_scalarmult_SCALARBYTES],
    const uint8_t other[static crypto_scalarmult_BYTES],
    const uint8_t server_public[static OPENME_PUBLIC_BYTES],
    const uint8_t client_public[static OPENME_PUBLIC_BYTES])
{
	uint8_t info[INFO_BYTES + 2 * OPENME_PUBLIC_BYTES], shared[crypto_scalarmult_BYTES];
	bool usable = crypto_scalarmult(shared, secret, other) == 0;

	memcpy(info, INFO, INFO_BYTES);
	memcpy(info + INFO_BYTES, server_public, OPENME_PUBLIC_BYTES);
	memcpy(info + INFO_BYTES + OPENME_PUBLIC_BYTES, client_public, OPENME_PUBLIC_BYTES);
	if (usable)
		hkdf_sha256(key, NULL, 0, shared, sizeof shared, info, sizeof info);
	sodium_stackzero(LEFT_BEHIND_BYTES);
	sodium_memzero(shared, sizeof shared);
	sodium_memzero(secret, crypto_scalarmult_SCALARBYTES);
	return usable;
}

bool hint_key_of_server(uint8_t key[static HINT_KEY_BYTES],
    const uint8_t server_secret[static OPENME_SECRET_BYTES],
    const uint8_t server_public[static OPENME_PUBLIC_BYTES],
    const uint8_t client_public[static OPENME_PUBLIC_BYTES])
{
	uint8_t secret[crypto_scalarmult_SCALARBYTES], other[crypto_scalarmult_BYTES];

	memset(key, 0, HINT_KEY_BYTES);
	if (crypto_sign_ed25519_pk_to_curve25519(other, client_public) != 0)
		return false;
	memcpy(secret, server_secret, sizeof secret);
	return derive(key, secret, other, server_public, client_public);
}

bool hint_key_of_client(uint8_t key[static HINT_KEY_BYTES],
    const uint8_t client_secret[static OPENME_SIGN_BYTES],
    const uint8_t server_public[static OPENME_PUBLIC_BYTES])
{
	uint8_t secret[crypto_scalarmult_SCALARBYTES];

	memset(key, 0, HINT_KEY_BYTES);
	crypto_sign_ed25519_sk_to_curve25519(secret, client_secret);
	return derive(key, secret, server_public, server_public, client_secret + OPENME_SEED_BYTES);
}

int64_t hint_day(int64_t timestamp_ns)
{
	return timestamp_ns / NS_PER_DAY - (timestamp_ns % NS_PER_DAY < 0);
}

int64_t hint_day_ends_ns(int64_t timestamp_ns)
{
	return (hint_day(timestamp_ns) + 1) * NS_PER_DAY;
}

/* HMAC-SHA256 over what it is for and `message`. */
static void authenticate(uint8_t out[static crypto_auth_hmacsha256_BYTES],
    const uint8_t key[static HINT_KEY_BYTES], enum purpose purpose, const void *message,
    size_t size)
{
	const uint8_t first = (uint8_t)purpose;
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, HINT_KEY_BYTES);
	crypto_auth_hmacsha256_update(&state, &first, sizeof first);
	crypto_auth_hmacsha256_update(&state, message, size);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof state);
}

static uint32_t u32_of(const uint8_t *bytes)
{
	struct reader r = reader_of(bytes, HINT_ID_BYTES);

	return reader_u32(&r);
}

uint32_t hint_id(const uint8_t key[static HINT_KEY_BYTES], int64_t day)
{
	uint8_t out[crypto_auth_hmacsha256_BYTES], text[4];
	struct writer w = writer_of(text, sizeof text);

	writer_u32(&w, (uint32_t)day);
	authenticate(out, key, PURPOSE_ID, text, sizeof text);
	return u32_of(out);
}

uint32_t hint_named(const uint8_t nonce[static OPENME_NONCE_BYTES])
{
	return u32_of(nonce + HINT_RANDOM_BYTES);
}

/* The mac that belongs behind the first bytes of `nonce`. */
static void make_mac(uint8_t mac[static HINT_MAC_BYTES], const uint8_t key[static HINT_KEY_BYTES],
    const uint8_t *nonce, int64_t timestamp_ns, const uint8_t *target, const uint8_t *ephemeral)
{
	uint8_t out[crypto_auth_hmacsha256_BYTES];
	uint8_t text[8 + NAMED_BYTES + ADDR_BYTES + OPENME_PUBLIC_BYTES];
	struct writer w = writer_of(text, sizeof text);

	writer_u64(&w, (uint64_t)timestamp_ns);
	writer_put(&w, nonce, NAMED_BYTES);
	writer_put(&w, target, ADDR_BYTES);
	writer_put(&w, ephemeral, OPENME_PUBLIC_BYTES);
	authenticate(out, key, PURPOSE_MAC, text, sizeof text);
	memcpy(mac, out, HINT_MAC_BYTES);
}

void hint_make(uint8_t nonce[static OPENME_NONCE_BYTES], const uint8_t key[static HINT_KEY_BYTES],
    const uint8_t random[static HINT_RANDOM_BYTES], int64_t timestamp_ns,
    const uint8_t target[static ADDR_BYTES], const uint8_t ephemeral[static OPENME_PUBLIC_BYTES])
{
	struct writer w = writer_of(nonce, OPENME_NONCE_BYTES);
	uint8_t mac[HINT_MAC_BYTES];

	writer_put(&w, random, HINT_RANDOM_BYTES);
	writer_u32(&w, hint_id(key, hint_day(timestamp_ns)));
	make_mac(mac, key, nonce, timestamp_ns, target, ephemeral);
	writer_put(&w, mac, sizeof mac);
}

bool hint_fits(const uint8_t key[static HINT_KEY_BYTES],
    const uint8_t nonce[static OPENME_NONCE_BYTES], int64_t timestamp_ns,
    const uint8_t target[static ADDR_BYTES], const uint8_t ephemeral[static OPENME_PUBLIC_BYTES])
{
	uint8_t mac[HINT_MAC_BYTES];

	make_mac(mac, key, nonce, timestamp_ns, target, ephemeral);
	return sodium_memcmp(mac, nonce + NAMED_BYTES, sizeof mac) == 0;
}
