#include "proto/rsa_key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>

_Static_assert(RSA_DIGEST_BYTES == crypto_hash_sha256_BYTES, "SHA-256");
_Static_assert(RSA_MARK_BYTES == crypto_hash_sha256_BYTES, "SHA-256");

struct rsa_key {
	EVP_PKEY *pkey;
	struct rsa_public public_key;
	uint8_t mark[RSA_MARK_BYTES];
};

static void derive_mark(uint8_t mark[static RSA_MARK_BYTES], const struct rsa_secret *secret)
{
	static const uint8_t purpose[] = "postern-rsa-mark-v1";
	crypto_hash_sha256_state hash;

	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, purpose, sizeof purpose - 1);
	crypto_hash_sha256_update(&hash, secret->exponent, sizeof secret->exponent);
	crypto_hash_sha256_final(&hash, mark);
	sodium_memzero(&hash, sizeof hash);
}

struct rsa_key *rsa_key_new(const struct rsa_secret *secret)
{
	struct rsa_key *key = calloc(1, sizeof *key);

	if (key == NULL)
		return NULL;
	key->pkey = rsa_secret_to_pkey(secret);
	key->public_key = secret->public_key;
	derive_mark(key->mark, secret);
	if (key->pkey == NULL) {
		rsa_key_free(key);
		key = NULL;
	}
	return key;
}

void rsa_key_free(struct rsa_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	sodium_memzero(key, sizeof *key);
	free(key);
}

const struct rsa_public *rsa_key_public(const struct rsa_key *key)
{
	return &key->public_key;
}

const uint8_t *rsa_key_mark(const struct rsa_key *key)
{
	return key->mark;
}

/* A context made ready by `init`, one of EVP_PKEY_*_init; NULL on failure. A fresh one for each
 * use costs 3 us beside operations of 12 or 200, and leaves keys without state. */
static EVP_PKEY_CTX *context(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *), int padding)
{
	EVP_PKEY_CTX *ctx = pkey == NULL ? NULL : EVP_PKEY_CTX_new(pkey, NULL);

	if (ctx != NULL && init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

static EVP_PKEY_CTX *sha256_context(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *))
{
	EVP_PKEY_CTX *ctx = context(pkey, init, RSA_PKCS1_PADDING);

	if (ctx != NULL && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

bool rsa_key_sign(uint8_t signature[static RSA_KEY_BYTES], const struct rsa_key *key,
    const uint8_t digest[static RSA_DIGEST_BYTES])
{
	size_t size = RSA_KEY_BYTES;
	EVP_PKEY_CTX *ctx = NULL;
	bool ok = false;

	ERR_set_mark();
	ctx = sha256_context(key->pkey, EVP_PKEY_sign_init);
	ok = ctx != NULL && EVP_PKEY_sign(ctx, signature, &size, digest, RSA_DIGEST_BYTES) == 1 &&
	     size == RSA_KEY_BYTES;
	if (!ok)
		memset(signature, 0, RSA_KEY_BYTES);
	EVP_PKEY_CTX_free(ctx);
	ERR_pop_to_mark();
	return ok;
}

bool rsa_public_verify(const struct rsa_public *key, const uint8_t digest[static RSA_DIGEST_BYTES],
    const uint8_t signature[static RSA_KEY_BYTES])
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	bool ok = false;

	if (rsa_public_check(key) != RSA_FINE)
		return false;
	ERR_set_mark();
	pkey = rsa_public_to_pkey(key);
	ctx = sha256_context(pkey, EVP_PKEY_verify_init);
	ok = ctx != NULL &&
	     EVP_PKEY_verify(ctx, signature, RSA_KEY_BYTES, digest, RSA_DIGEST_BYTES) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	return ok;
}

bool rsa_key_decrypt(uint8_t out[static RSA_KEY_BYTES], const struct rsa_key *key,
    const uint8_t block[static RSA_KEY_BYTES])
{
	size_t size = RSA_KEY_BYTES;
	EVP_PKEY_CTX *ctx = NULL;
	bool ok = false;

	ERR_set_mark();
	ctx = context(key->pkey, EVP_PKEY_decrypt_init, RSA_NO_PADDING);
	ok = ctx != NULL && EVP_PKEY_decrypt(ctx, out, &size, block, RSA_KEY_BYTES) == 1 &&
	     size == RSA_KEY_BYTES;
	if (!ok)
		memset(out, 0, RSA_KEY_BYTES);
	EVP_PKEY_CTX_free(ctx);
	ERR_pop_to_mark();
	return ok;
}

bool rsa_public_encrypt(uint8_t out[static RSA_KEY_BYTES], const struct rsa_public *key,
    const uint8_t block[static RSA_KEY_BYTES])
{
	size_t size = RSA_KEY_BYTES;
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	bool ok = false;

	ERR_set_mark();
	pkey = rsa_public_check(key) == RSA_FINE ? rsa_public_to_pkey(key) : NULL;
	ctx = context(pkey, EVP_PKEY_encrypt_init, RSA_NO_PADDING);
	ok = ctx != NULL && EVP_PKEY_encrypt(ctx, out, &size, block, RSA_KEY_BYTES) == 1 &&
	     size == RSA_KEY_BYTES;
	if (!ok)
		memset(out, 0, RSA_KEY_BYTES);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_pop_to_mark();
	return ok;
}

/* Any odd number of the right size will do: what counts is what libcrypto loads on the way. */
bool rsa_init(void)
{
	struct rsa_public key = {.exponent = {0, 0, 0, 0, 0, 1, 0, 1}};
	uint8_t block[RSA_KEY_BYTES] = {0, 1};
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *decrypt = NULL;
	EVP_PKEY_CTX *sign = NULL;
	EVP_PKEY_CTX *verify = NULL;
	EVP_CIPHER_CTX *cipher = NULL;
	bool ok = OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;

	memset(key.modulus, 0xff, sizeof key.modulus);
	ok = ok && rsa_public_encrypt(block, &key, block);
	pkey = ok ? rsa_public_to_pkey(&key) : NULL;
	decrypt = context(pkey, EVP_PKEY_decrypt_init, RSA_NO_PADDING);
	sign = sha256_context(pkey, EVP_PKEY_sign_init);
	verify = sha256_context(pkey, EVP_PKEY_verify_init);
	cipher = EVP_CIPHER_CTX_new();
	ok = decrypt != NULL && sign != NULL && verify != NULL && cipher != NULL &&
	     EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, block, block) == 1;
	EVP_CIPHER_CTX_free(cipher);
	EVP_PKEY_CTX_free(verify);
	EVP_PKEY_CTX_free(sign);
	EVP_PKEY_CTX_free(decrypt);
	EVP_PKEY_free(pkey);
	return ok;
}
