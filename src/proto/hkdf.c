#include "proto/hkdf.h"

#include <sodium.h>

_Static_assert(HKDF_BYTES == crypto_auth_hmacsha256_BYTES, "one block of output");

void hkdf_sha256(uint8_t out[static HKDF_BYTES], const void *salt, size_t salt_size,
    const void *ikm, size_t ikm_size, const void *info, size_t info_size)
{
	static const uint8_t first_block = 1;
	crypto_auth_hmacsha256_state mac;
	uint8_t prk[HKDF_BYTES];

	crypto_auth_hmacsha256_init(&mac, salt_size > 0 ? salt : prk, salt_size); /* never NULL */
	crypto_auth_hmacsha256_update(&mac, ikm, ikm_size);
	crypto_auth_hmacsha256_final(&mac, prk);

	crypto_auth_hmacsha256_init(&mac, prk, sizeof prk);
	crypto_auth_hmacsha256_update(&mac, info, info_size);
	crypto_auth_hmacsha256_update(&mac, &first_block, sizeof first_block);
	crypto_auth_hmacsha256_final(&mac, out);

	sodium_memzero(prk, sizeof prk);
	sodium_memzero(&mac, sizeof mac);
}
