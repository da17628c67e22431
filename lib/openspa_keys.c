#include "lib/openspa_internal.h"

#include <stdlib.h>

#include "base/secret.h"
#include "proto/rsa_pem.h"

_Static_assert(RSA_PEM_LIMIT == 8192, "as postern-openspa.h says");
_Static_assert(RSA_PASSPHRASE_MAX == 1023, "as postern-openspa.h says");

static enum postern_error error_of(enum rsa_error error)
{
	switch (error) {
	case RSA_FINE:
		return POSTERN_OK;
	case RSA_LOCKED:
		return POSTERN_LOCKED;
	case RSA_WRONG_PASSPHRASE:
		return POSTERN_WRONG_PASSPHRASE;
	case RSA_FAILED:
		return POSTERN_CRYPTO_FAILED;
	case RSA_TOO_LONG:
	case RSA_NOT_PEM:
	case RSA_WRONG_KIND:
	case RSA_MALFORMED:
	case RSA_TOO_COSTLY:
	case RSA_WRONG_SIZE:
	case RSA_BAD_EXPONENT:
	case RSA_MISMATCHED:
	default:
		return POSTERN_BAD_KEY;
	}
}

static struct postern_openspa_private *private_new(const struct rsa_secret *secret)
{
	struct postern_openspa_private *key = calloc(1, sizeof *key);

	if (key == NULL)
		return NULL;
	key->key = rsa_key_new(secret);
	if (key->key == NULL) {
		postern_openspa_private_free(key);
		key = NULL;
	}
	return key;
}

enum postern_error postern_openspa_private_from_pem(
    struct postern_openspa_private **key, const char *text, size_t size, const char *passphrase)
{
	struct rsa_secret secret;
	enum postern_error error = error_of(rsa_pem_read_secret(&secret, text, size, passphrase));

	*key = NULL;
	if (error == POSTERN_OK) {
		*key = private_new(&secret);
		error = *key == NULL ? POSTERN_CRYPTO_FAILED : POSTERN_OK;
	}
	secret_wipe(&secret, sizeof secret);
	return error;
}

void postern_openspa_private_free(struct postern_openspa_private *key)
{
	if (key == NULL)
		return;
	rsa_key_free(key->key);
	free(key);
}

enum postern_error postern_openspa_public_from_pem(
    struct postern_openspa_public **key, const char *text, size_t size)
{
	struct rsa_public value;
	enum postern_error error = error_of(rsa_pem_read_public(&value, text, size));

	*key = NULL;
	if (error != POSTERN_OK)
		return error;
	*key = calloc(1, sizeof **key);
	if (*key == NULL)
		return POSTERN_CRYPTO_FAILED;
	(*key)->value = value;
	return POSTERN_OK;
}

void postern_openspa_public_free(struct postern_openspa_public *key)
{
	free(key);
}
