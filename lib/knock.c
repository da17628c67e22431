#include "lib/internal.h"

#include <string.h>

#include "base/secret.h"
#include "proto/hint.h"
#include "proto/openme.h"
#include "proto/shield.h"

_Static_assert(POSTERN_KNOCK_BYTES == 165, "as OPENME_PACKET_BYTES");
_Static_assert(POSTERN_SEAL_KEY_BYTES == OPENME_KEY_BYTES, "key");
_Static_assert(POSTERN_AEAD_NONCE_BYTES == OPENME_AEAD_NONCE_BYTES, "AEAD nonce");
_Static_assert(POSTERN_NONCE_BYTES == OPENME_NONCE_BYTES, "nonce");
_Static_assert(POSTERN_SIGNATURE_BYTES == OPENME_SIGNATURE_BYTES, "signature");
_Static_assert(POSTERN_ADDRESS_BYTES == ADDR_BYTES, "address");
_Static_assert(POSTERN_SHIELD_KEY_BYTES == SHIELD_SECRET_BYTES, "shield key");

bool options_known(const void *options, size_t known)
{
	const uint8_t *bytes = options;
	size_t size;

	memcpy(&size, options, sizeof size);
	if (size < known)
		return false;
	for (size_t i = known; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

enum postern_error postern_knock_seal(
    uint8_t knock[static POSTERN_KNOCK_BYTES], const struct postern_ingredients *ingredients)
{
	struct openme_ingredients inner;
	bool sealed;

	memset(knock, 0, POSTERN_KNOCK_BYTES);
	if (!options_known(ingredients, sizeof *ingredients))
		return POSTERN_BAD_ARGUMENT;
	memcpy(inner.server_public, ingredients->server_public, sizeof inner.server_public);
	memcpy(inner.client_secret, ingredients->client_secret, sizeof inner.client_secret);
	memcpy(
	    inner.ephemeral_secret, ingredients->ephemeral_secret, sizeof inner.ephemeral_secret);
	memcpy(inner.aead_nonce, ingredients->aead_nonce, sizeof inner.aead_nonce);
	inner.knock.timestamp_ns = ingredients->contents.timestamp_ns;
	memcpy(inner.knock.nonce, ingredients->contents.nonce, sizeof inner.knock.nonce);
	memcpy(inner.knock.target.bytes, ingredients->contents.target, ADDR_BYTES);

	sealed = openme_seal(knock, &inner);
	secret_wipe(&inner, sizeof inner);
	return sealed ? POSTERN_OK : POSTERN_BAD_KEY;
}

enum postern_error postern_knock_hint(struct postern_ingredients *ingredients)
{
	uint8_t key[HINT_KEY_BYTES], ephemeral[OPENME_PUBLIC_BYTES], random[HINT_RANDOM_BYTES];
	struct postern_contents *contents = &ingredients->contents;
	bool usable;

	memcpy(random, contents->nonce, sizeof random);
	memset(contents->nonce, 0, sizeof contents->nonce);
	if (!options_known(ingredients, sizeof *ingredients))
		return POSTERN_BAD_ARGUMENT;
	usable = openme_client_secret_usable(ingredients->client_secret) &&
	         hint_key_of_client(key, ingredients->client_secret, ingredients->server_public);
	if (usable) {
		openme_server_public(ephemeral, ingredients->ephemeral_secret);
		hint_make(contents->nonce, key, random, contents->timestamp_ns, contents->target,
		    ephemeral);
	}
	secret_wipe(key, sizeof key);
	return usable ? POSTERN_OK : POSTERN_BAD_KEY;
}

bool shield_ingredients(struct postern_ingredients *ingredients,
    const uint8_t shield_key[static POSTERN_SHIELD_KEY_BYTES])
{
	static const uint8_t none[POSTERN_SHIELD_KEY_BYTES];
	uint8_t ephemeral[OPENME_PUBLIC_BYTES], random[SHIELD_RANDOM_BYTES];

	if (secret_equal(shield_key, none, sizeof none))
		return false;
	openme_server_public(ephemeral, ingredients->ephemeral_secret);
	memcpy(random, ingredients->aead_nonce, sizeof random);
	shield_nonce(ingredients->aead_nonce, shield_key, random,
	    ingredients->contents.timestamp_ns, ephemeral);
	return true;
}

enum postern_error postern_knock_shield(struct postern_ingredients *ingredients,
    const uint8_t shield_key[static POSTERN_SHIELD_KEY_BYTES])
{
	if (!options_known(ingredients, sizeof *ingredients))
		return POSTERN_BAD_ARGUMENT;
	return shield_ingredients(ingredients, shield_key) ? POSTERN_OK : POSTERN_BAD_KEY;
}

static bool is_knock(const void *datagram, size_t size)
{
	return openme_right_size(size) && openme_right_version(datagram) &&
	       openme_well_formed(datagram);
}

enum postern_error postern_knock_unseal(uint8_t key[static POSTERN_SEAL_KEY_BYTES],
    const uint8_t server_secret[static POSTERN_KEY_BYTES], const void *datagram, size_t size)
{
	memset(key, 0, POSTERN_SEAL_KEY_BYTES);
	if (!is_knock(datagram, size))
		return POSTERN_NOT_A_KNOCK;
	return openme_unseal(key, server_secret, datagram) ? POSTERN_OK : POSTERN_BAD_SEAL;
}

enum postern_error postern_knock_open(struct postern_contents *contents,
    const uint8_t key[static POSTERN_SEAL_KEY_BYTES], const void *datagram, size_t size)
{
	struct openme_knock knock;

	memset(contents, 0, sizeof *contents);
	if (!is_knock(datagram, size))
		return POSTERN_NOT_A_KNOCK;
	if (!openme_open(&knock, key, datagram))
		return POSTERN_BAD_SEAL;
	contents->timestamp_ns = knock.timestamp_ns;
	memcpy(contents->nonce, knock.nonce, sizeof contents->nonce);
	memcpy(contents->target, knock.target.bytes, sizeof contents->target);
	secret_wipe(&knock, sizeof knock);
	return POSTERN_OK;
}

enum postern_error postern_knock_verify(
    const uint8_t client_public[static POSTERN_KEY_BYTES], const void *datagram, size_t size)
{
	if (!is_knock(datagram, size))
		return POSTERN_NOT_A_KNOCK;
	return openme_verify(datagram, client_public) ? POSTERN_OK : POSTERN_BAD_SIGNATURE;
}
