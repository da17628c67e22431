#include "envelope_blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"

#define FILLER_AT 2
#define ZERO_AT   (RSA_KEY_BYTES - ENVELOPE_KEY_BYTES - 1)
#define KEY_AT    (ZERO_AT + 1)

/* One byte of a good block, changed. */
static const struct {
	const char *what;
	size_t at;
	uint8_t value;
} changes[ENVELOPE_BAD_BLOCKS - 1] = {
    {"first byte", 0, 1},
    {"a signature's block", 1, 1},
    {"no type", 1, 0},
    {"type with a bit more", 1, 0x82},
    {"first filler byte zero", FILLER_AT, 0},
    {"filler ends in the middle", FILLER_AT + 100, 0},
    {"last filler byte zero: message of 33 bytes", ZERO_AT - 1, 0},
    {"no zero before the key", ZERO_AT, 1},
    {"no zero before the key", ZERO_AT, 0x80},
};

struct rsa_key *envelope_new_receiver(void)
{
	struct rsa_secret secret;
	struct rsa_key *key = NULL;

	assert_int_equal(rsa_secret_generate(&secret), RSA_FINE);
	key = rsa_key_new(&secret);
	assert_non_null(key);
	secret_wipe(&secret, sizeof secret);
	return key;
}

static void pad(uint8_t padded[static RSA_KEY_BYTES], uint8_t key[static ENVELOPE_KEY_BYTES])
{
	struct envelope_randomness randomness;

	envelope_randomness_fill(&randomness);
	padded[0] = 0;
	padded[1] = 2;
	memcpy(padded + FILLER_AT, randomness.filler, sizeof randomness.filler);
	padded[ZERO_AT] = 0;
	memcpy(padded + KEY_AT, randomness.key, sizeof randomness.key);
	memcpy(key, randomness.key, sizeof randomness.key);
}

void envelope_block_good(uint8_t block[static RSA_KEY_BYTES],
    uint8_t key[static ENVELOPE_KEY_BYTES], const struct rsa_public *receiver)
{
	uint8_t padded[RSA_KEY_BYTES];

	pad(padded, key);
	assert_true(rsa_public_encrypt(block, receiver, padded));
}

const char *envelope_block_bad(uint8_t block[static RSA_KEY_BYTES],
    uint8_t key[static ENVELOPE_KEY_BYTES], const struct rsa_public *receiver, size_t index)
{
	uint8_t padded[RSA_KEY_BYTES];

	pad(padded, key);
	if (index >= ENVELOPE_BAD_BLOCKS - 1) {
		/* more than any modulus: libcrypto refuses it before it computes anything */
		memset(block, 0xff, RSA_KEY_BYTES);
		memset(key, 0, ENVELOPE_KEY_BYTES);
		return "not below the modulus";
	}
	padded[changes[index].at] = changes[index].value;
	assert_true(rsa_public_encrypt(block, receiver, padded));
	return changes[index].what;
}
