#include "proto/envelope.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "base/bytes.h"
#include "base/secret.h"

/* Where things stand in the padded block. */
enum {
	FILLER_AT = 2,
	ZERO_AT = FILLER_AT + ENVELOPE_FILLER_BYTES,
	KEY_AT = ZERO_AT + 1,
};
_Static_assert(KEY_AT + ENVELOPE_KEY_BYTES == RSA_KEY_BYTES, "the key ends the block");
_Static_assert(ENVELOPE_FILLER_BYTES >= 8, "RFC 8017 7.2.1");
_Static_assert(ENVELOPE_KEY_BYTES == crypto_auth_hmacsha256_BYTES, "one MAC makes one key");
_Static_assert(RSA_MARK_BYTES == crypto_auth_hmacsha256_KEYBYTES, "a mark is a MAC key");

void envelope_randomness_fill(struct envelope_randomness *out)
{
	secret_random(out->key, sizeof out->key);
	secret_random(out->iv, sizeof out->iv);
	secret_random(out->filler, sizeof out->filler);
	for (size_t i = 0; i < sizeof out->filler; i++) {
		while (out->filler[i] == 0)
			secret_random(&out->filler[i], 1);
	}
}

/* 0xff for zero, 0 for anything else, without a branch. */
static uint8_t is_zero(uint8_t byte)
{
	return (uint8_t)((byte - 1U) >> 8);
}

void envelope_choose_key(uint8_t key[static ENVELOPE_KEY_BYTES],
    const uint8_t padded[static RSA_KEY_BYTES], const uint8_t instead[static ENVELOPE_KEY_BYTES])
{
	uint8_t wrong = (uint8_t)(padded[0] | (padded[1] ^ 2) | padded[ZERO_AT]);
	uint8_t right = 0;

	for (size_t i = FILLER_AT; i < ZERO_AT; i++)
		wrong |= is_zero(padded[i]);
	right = is_zero(wrong);
	for (size_t i = 0; i < ENVELOPE_KEY_BYTES; i++)
		key[i] = (uint8_t)((padded[KEY_AT + i] & right) | (instead[i] & ~right));
}

void envelope_unseal(uint8_t key[static ENVELOPE_KEY_BYTES], const struct rsa_key *receiver,
    const uint8_t block[static RSA_KEY_BYTES])
{
	uint8_t padded[RSA_KEY_BYTES];
	uint8_t instead[ENVELOPE_KEY_BYTES];

	crypto_auth_hmacsha256(instead, block, RSA_KEY_BYTES, rsa_key_mark(receiver));
	/* Fails for a block not below the modulus alone, which its sender can see; zeros then. */
	(void)rsa_key_decrypt(padded, receiver, block);
	envelope_choose_key(key, padded, instead);
	secret_wipe(padded, sizeof padded);
	secret_wipe(instead, sizeof instead);
}

/* AES-256-CBC of whole blocks, no padding. */
static bool cbc(uint8_t *out, const uint8_t *in, size_t size, bool encrypt,
    const uint8_t key[static ENVELOPE_KEY_BYTES], const uint8_t iv[static ENVELOPE_IV_BYTES])
{
	EVP_CIPHER_CTX *ctx = NULL;
	int written = 0;
	bool ok = false;

	ERR_set_mark();
	ctx = EVP_CIPHER_CTX_new();
	ok = ctx != NULL &&
	     EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, iv, encrypt) == 1 &&
	     EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	     EVP_CipherUpdate(ctx, out, &written, in, (int)size) == 1 && written == (int)size;
	EVP_CIPHER_CTX_free(ctx);
	ERR_pop_to_mark();
	return ok;
}

bool envelope_open(uint8_t *plain, size_t size, const uint8_t key[static ENVELOPE_KEY_BYTES],
    const uint8_t *envelope)
{
	struct reader r = reader_of(envelope, ENVELOPE_BYTES(size));
	size_t padded_size = ENVELOPE_PADDED(size);
	uint8_t iv[ENVELOPE_IV_BYTES];
	uint8_t hidden[ENVELOPE_MAX];
	uint8_t padded[ENVELOPE_MAX] = {0};
	uint8_t padding[ENVELOPE_BLOCK_BYTES];
	size_t padding_size = padded_size - size;
	struct reader opened = reader_of(padded, padded_size);
	uint8_t given[ENVELOPE_BLOCK_BYTES];
	bool fits = false;

	if (padded_size > sizeof padded) {
		secret_wipe(plain, size);
		return false;
	}
	reader_skip(&r, RSA_KEY_BYTES);
	reader_take(&r, iv, sizeof iv);
	reader_take(&r, hidden, padded_size);
	memset(padding, (int)padding_size, sizeof padding);
	fits = cbc(padded, hidden, padded_size, false, key, iv);
	reader_take(&opened, plain, size);
	reader_take(&opened, given, padding_size);
	fits = secret_equal(given, padding, padding_size) && fits;
	if (!fits)
		secret_wipe(plain, size);
	secret_wipe(padded, sizeof padded);
	return fits;
}

static bool seal_key(uint8_t block[static RSA_KEY_BYTES], const struct rsa_public *receiver,
    const struct envelope_randomness *randomness)
{
	uint8_t padded[RSA_KEY_BYTES];
	struct writer w = writer_of(padded, sizeof padded);
	bool ok = memchr(randomness->filler, 0, sizeof randomness->filler) == NULL;

	writer_u8(&w, 0);
	writer_u8(&w, 2);
	writer_put(&w, randomness->filler, sizeof randomness->filler);
	writer_u8(&w, 0);
	writer_put(&w, randomness->key, sizeof randomness->key);
	ok = ok && writer_filled(&w, sizeof padded) && rsa_public_encrypt(block, receiver, padded);
	secret_wipe(padded, sizeof padded);
	return ok;
}

bool envelope_seal(uint8_t *envelope, const uint8_t *plain, size_t size,
    const struct rsa_public *receiver, const struct envelope_randomness *randomness)
{
	struct writer w = writer_of(envelope, ENVELOPE_BYTES(size));
	size_t padded_size = ENVELOPE_PADDED(size);
	uint8_t block[RSA_KEY_BYTES];
	uint8_t padded[ENVELOPE_MAX];
	uint8_t hidden[ENVELOPE_MAX];
	struct writer p = writer_of(padded, sizeof padded);
	bool ok = padded_size <= sizeof padded && seal_key(block, receiver, randomness);

	writer_put(&p, plain, size);
	for (size_t i = size; i < padded_size; i++)
		writer_u8(&p, (uint8_t)(padded_size - size));
	ok = ok && writer_filled(&p, padded_size) &&
	     cbc(hidden, padded, padded_size, true, randomness->key, randomness->iv);
	if (ok) {
		writer_put(&w, block, sizeof block);
		writer_put(&w, randomness->iv, sizeof randomness->iv);
		writer_put(&w, hidden, padded_size);
		ok = writer_filled(&w, ENVELOPE_BYTES(size));
	}
	if (!ok)
		memset(envelope, 0, ENVELOPE_BYTES(size));
	secret_wipe(padded, sizeof padded);
	return ok;
}
