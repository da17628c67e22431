#include "lib/openspa_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

_Static_assert(POSTERN_OPENSPA_KEY_BYTES == ENVELOPE_KEY_BYTES, "key");
_Static_assert(POSTERN_OPENSPA_IV_BYTES == ENVELOPE_IV_BYTES, "IV");
_Static_assert(POSTERN_OPENSPA_FILLER_BYTES == ENVELOPE_FILLER_BYTES, "filler");

bool randomness_given(
    struct envelope_randomness *out, const struct postern_openspa_randomness *randomness)
{
	memcpy(out->key, randomness->key, sizeof out->key);
	memcpy(out->iv, randomness->iv, sizeof out->iv);
	memcpy(out->filler, randomness->filler, sizeof out->filler);
	return memchr(out->filler, 0, sizeof out->filler) == NULL;
}

bool randomness_fresh(struct envelope_randomness *out, int64_t *timestamp_s,
    uint8_t nonce[static POSTERN_OPENSPA_NONCE_BYTES])
{
	memset(out, 0, sizeof *out);
	memset(nonce, 0, POSTERN_OPENSPA_NONCE_BYTES);
	*timestamp_s = 0;
	if (!secret_init())
		return false;
	envelope_randomness_fill(out);
	secret_random(nonce, POSTERN_OPENSPA_NONCE_BYTES);
	*timestamp_s = clock_real_ns() / NS_PER_SECOND;
	return true;
}
