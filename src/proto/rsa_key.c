#include "proto/rsa_key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include "base/bytes.h"

_Static_assert(RSA_DIGEST_BYTES == crypto_hash_sha256_BYTES, "SHA-256");
_Static_assert(RSA_MARK_BYTES == crypto_hash_sha256_BYTES, "SHA-256");

struct rsa_key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ready; /* copied for each use, so that the key stays without state */
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

/* A context for the bare private operation; NULL on failure. */
static EVP_PKEY_CTX *bare_context(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = pkey == NULL ? NULL : EVP_PKEY_CTX_new(pkey, NULL);

	if (ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

struct rsa_key *rsa_key_new(const struct rsa_secret *secret)
{
	struct rsa_key *key = calloc(1, sizeof *key);

	if (key == NULL)
		return NULL;
	ERR_set_mark();
	key->pkey = rsa_secret_to_pkey(secret);
	key->ready = bare_context(key->pkey);
	ERR_pop_to_mark();
	key->public_key = secret->public_key;
	derive_mark(key->mark, secret);
	if (key->ready == NULL) {
		rsa_key_free(key);
		key = NULL;
	}
	return key;
}

void rsa_key_free(struct rsa_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_CTX_free(key->ready);
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

bool rsa_key_decrypt(uint8_t out[static RSA_KEY_BYTES], const struct rsa_key *key,
    const uint8_t block[static RSA_KEY_BYTES])
{
	size_t size = RSA_KEY_BYTES;
	EVP_PKEY_CTX *ctx = NULL;
	bool ok = false;

	ERR_set_mark();
	ctx = EVP_PKEY_CTX_dup(key->ready);
	ok = ctx != NULL && EVP_PKEY_decrypt(ctx, out, &size, block, RSA_KEY_BYTES) == 1 &&
	     size == RSA_KEY_BYTES;
	if (!ok)
		memset(out, 0, RSA_KEY_BYTES);
	EVP_PKEY_CTX_free(ctx);
	ERR_pop_to_mark();
	return ok;
}

/* What a signature is made of and has to open to, every byte of it (RFC 8017 9.2): nothing of an
 * opened one is parsed or left to its maker. */
static void encode_digest(
    uint8_t block[static RSA_KEY_BYTES], const uint8_t digest[static RSA_DIGEST_BYTES])
{
	static const uint8_t sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, RSA_DIGEST_BYTES};
	size_t filled = RSA_KEY_BYTES - RSA_DIGEST_BYTES - sizeof sha256;
	struct writer w = writer_of(block, RSA_KEY_BYTES);

	writer_u8(&w, 0);
	writer_u8(&w, 1);
	while (w.used < filled - 1)
		writer_u8(&w, 0xff);
	writer_u8(&w, 0);
	writer_put(&w, sha256, sizeof sha256);
	writer_put(&w, digest, RSA_DIGEST_BYTES);
}

/* The private operation, as for decrypting, whose code the processor still has from there: with a
 * context for signatures it takes 20 to 60 us more. */
bool rsa_key_sign(uint8_t signature[static RSA_KEY_BYTES], const struct rsa_key *key,
    const uint8_t digest[static RSA_DIGEST_BYTES])
{
	uint8_t block[RSA_KEY_BYTES];

	encode_digest(block, digest);
	return rsa_key_decrypt(signature, key, block);
}

/* block ^ exponent mod modulus, from the bare numbers. Through libcrypto's keys and contexts it
 * costs little more in a loop, but 60 to 110 us more where packets come one by one and the caches
 * belong to somebody else by then: that is most of what an RSA-2048 verification costs. */
static bool public_operation(uint8_t out[static RSA_KEY_BYTES], const struct rsa_public *key,
    const uint8_t block[static RSA_KEY_BYTES])
{
	BIGNUM *n = BN_bin2bn(key->modulus, sizeof key->modulus, NULL);
	BIGNUM *e = BN_bin2bn(key->exponent, sizeof key->exponent, NULL);
	BIGNUM *from = BN_bin2bn(block, RSA_KEY_BYTES, NULL);
	BIGNUM *to = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	bool ok = n != NULL && e != NULL && from != NULL && to != NULL && ctx != NULL &&
	          rsa_public_check(key) == RSA_FINE && BN_cmp(from, n) < 0 &&
	          BN_mod_exp_mont(to, from, e, n, ctx, NULL) == 1 &&
	          BN_bn2binpad(to, out, RSA_KEY_BYTES) == RSA_KEY_BYTES;

	BN_CTX_free(ctx);
	BN_clear_free(to);
	BN_clear_free(from);
	BN_free(e);
	BN_free(n);
	return ok;
}

bool rsa_public_verify(const struct rsa_public *key, const uint8_t digest[static RSA_DIGEST_BYTES],
    const uint8_t signature[static RSA_KEY_BYTES])
{
	uint8_t opened[RSA_KEY_BYTES];
	uint8_t expected[RSA_KEY_BYTES];
	bool ok = false;

	ERR_set_mark();
	encode_digest(expected, digest);
	ok = public_operation(opened, key, signature) &&
	     sodium_memcmp(opened, expected, sizeof opened) == 0;
	ERR_pop_to_mark();
	return ok;
}

bool rsa_public_encrypt(uint8_t out[static RSA_KEY_BYTES], const struct rsa_public *key,
    const uint8_t block[static RSA_KEY_BYTES])
{
	bool ok = false;

	ERR_set_mark();
	ok = public_operation(out, key, block);
	if (!ok)
		memset(out, 0, RSA_KEY_BYTES);
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
	EVP_CIPHER_CTX *cipher = NULL;
	bool ok = OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;

	memset(key.modulus, 0xff, sizeof key.modulus);
	ok = ok && rsa_public_encrypt(block, &key, block);
	pkey = ok ? rsa_public_to_pkey(&key) : NULL;
	decrypt = bare_context(pkey);
	cipher = EVP_CIPHER_CTX_new();
	ok = decrypt != NULL && cipher != NULL &&
	     EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, block, block) == 1;
	EVP_CIPHER_CTX_free(cipher);
	EVP_PKEY_CTX_free(decrypt);
	EVP_PKEY_free(pkey);
	return ok;
}
