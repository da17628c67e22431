#include "postern.h"

#include <string.h>

#include "base/secret.h"
#include "proto/openme.h"

_Static_assert(POSTERN_KEY_BYTES == OPENME_PUBLIC_BYTES, "public keys");
_Static_assert(POSTERN_KEY_BYTES == OPENME_SECRET_BYTES, "X25519 secret");
_Static_assert(POSTERN_KEY_BYTES == OPENME_SEED_BYTES, "Ed25519 seed");
_Static_assert(POSTERN_CLIENT_SECRET_BYTES == 64, "as OPENME_SIGN_BYTES");
_Static_assert(POSTERN_BASE64_BYTES(32) == 45, "44 characters and a zero");

enum postern_error postern_key_from_base64(void *key, size_t size, const char *text)
{
	return secret_from_base64(key, size, text) ? POSTERN_OK : POSTERN_BAD_KEY;
}

enum postern_error postern_key_to_base64(char *text, size_t text_size, const void *key, size_t size)
{
	/* Tested without multiplying, which could wrap. */
	if (text_size == 0 || size / 3 >= text_size / 4 + 1 ||
	    text_size < POSTERN_BASE64_BYTES(size)) {
		secret_wipe(text, text_size);
		return POSTERN_BAD_ARGUMENT;
	}
	secret_to_base64(text, text_size, key, size);
	return POSTERN_OK;
}

enum postern_error postern_client_secret_from_base64(
    uint8_t secret[static POSTERN_CLIENT_SECRET_BYTES], const char *text)
{
	static const uint8_t none[POSTERN_KEY_BYTES]; /* as openme's apps take it for a seed */
	uint8_t seed[POSTERN_KEY_BYTES];
	bool is_seed = secret_from_base64(seed, sizeof seed, text);

	if (!is_seed && secret_from_base64(secret, POSTERN_CLIENT_SECRET_BYTES, text)) {
		if (openme_client_secret_usable(secret))
			return POSTERN_OK;
		is_seed = secret_equal(secret + sizeof seed, none, sizeof none);
		memcpy(seed, secret, sizeof seed);
	}
	secret_wipe(secret, POSTERN_CLIENT_SECRET_BYTES);
	if (is_seed)
		openme_client_expand(secret, seed);
	secret_wipe(seed, sizeof seed);
	return is_seed ? POSTERN_OK : POSTERN_BAD_KEY;
}

void postern_client_secret_from_seed(uint8_t secret[static POSTERN_CLIENT_SECRET_BYTES],
    const uint8_t seed[static POSTERN_KEY_BYTES])
{
	openme_client_expand(secret, seed);
}

void postern_client_public(
    uint8_t public_key[static POSTERN_KEY_BYTES], const uint8_t secret[static POSTERN_KEY_BYTES])
{
	openme_client_public(public_key, secret);
}

void postern_server_public(
    uint8_t public_key[static POSTERN_KEY_BYTES], const uint8_t secret[static POSTERN_KEY_BYTES])
{
	openme_server_public(public_key, secret);
}

enum postern_error postern_client_public_check(const uint8_t public_key[static POSTERN_KEY_BYTES])
{
	return openme_client_public_usable(public_key) ? POSTERN_OK : POSTERN_BAD_KEY;
}

enum postern_error postern_server_public_check(const uint8_t public_key[static POSTERN_KEY_BYTES])
{
	return openme_server_public_usable(public_key) ? POSTERN_OK : POSTERN_BAD_KEY;
}
