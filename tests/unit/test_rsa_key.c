#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "base/secret.h"
#include "error_queue.h"
#include "proto/rsa_key.h"
#include "short_memory.h"

static struct rsa_secret secrets[2];
static struct rsa_key *keys[2];

static void generated_keys_are_fine(void **state)
{
	static const uint8_t exponent[RSA_EXPONENT_BYTES] = {[5] = 1, [7] = 1};

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rsa_secret_check(&secrets[i]), RSA_FINE);
		assert_memory_equal(secrets[i].public_key.exponent, exponent, sizeof exponent);
		assert_true(secrets[i].public_key.modulus[0] >= 0x80);
	}
	assert_memory_not_equal(&secrets[0], &secrets[1], sizeof secrets[0]);
}

static void public_keys_are_checked(void **state)
{
	static const struct {
		const char *what;
		uint8_t exponent[RSA_EXPONENT_BYTES];
		enum rsa_error expected;
	} exponents[] = {
	    {"0", {0}, RSA_BAD_EXPONENT},
	    {"1", {[7] = 1}, RSA_BAD_EXPONENT},
	    {"3", {[7] = 3}, RSA_BAD_EXPONENT},
	    {"65535", {[6] = 255, [7] = 255}, RSA_BAD_EXPONENT},
	    {"65536", {[5] = 1}, RSA_BAD_EXPONENT},
	    {"65537", {[5] = 1, [7] = 1}, RSA_FINE},
	    {"65538", {[5] = 1, [7] = 2}, RSA_BAD_EXPONENT},
	    {"65540", {[5] = 1, [7] = 4}, RSA_BAD_EXPONENT},
	    {"65541", {[5] = 1, [7] = 5}, RSA_FINE}, /* three times 21847 */
	    {"2^56 + 3", {[0] = 1, [7] = 3}, RSA_FINE},
	};
	struct rsa_public key = secrets[0].public_key;

	(void)state;
	for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
		memcpy(key.exponent, exponents[i].exponent, sizeof key.exponent);
		if (rsa_public_check(&key) != exponents[i].expected)
			fail_msg("%s", exponents[i].what);
	}
	key = secrets[0].public_key;
	assert_int_equal(rsa_public_check(&key), RSA_FINE);
	key.modulus[0] = 0x80;
	assert_int_equal(rsa_public_check(&key), RSA_FINE);
	key.modulus[0] = 0x7f;
	assert_int_equal(rsa_public_check(&key), RSA_WRONG_SIZE);
	key = secrets[0].public_key;
	key.modulus[RSA_KEY_BYTES - 1] &= 0xfe;
	assert_int_equal(rsa_public_check(&key), RSA_WRONG_SIZE);
}

#define FIELD(field)                                                                \
	{                                                                           \
#field, offsetof(struct rsa_secret, field), sizeof secrets[0].field \
	}
static const struct {
	const char *name;
	size_t offset;
	size_t size;
} fields[] = {FIELD(public_key.modulus), FIELD(exponent), FIELD(p), FIELD(q), FIELD(exponent_p),
    FIELD(exponent_q), FIELD(coefficient)};
#undef FIELD

/* Every number in turn taken from another good key, and every number in turn with one bit changed.
 */
static void mismatched_halves_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		struct rsa_secret mixed = secrets[0];
		uint8_t *field = (uint8_t *)&mixed + fields[i].offset;

		memcpy(field, (uint8_t *)&secrets[1] + fields[i].offset, fields[i].size);
		if (rsa_secret_check(&mixed) != RSA_MISMATCHED)
			fail_msg("foreign %s", fields[i].name);
		mixed = secrets[0];
		field[fields[i].size / 2] ^= 1;
		if (rsa_secret_check(&mixed) != RSA_MISMATCHED)
			fail_msg("damaged %s", fields[i].name);
		mixed = secrets[0];
		memset(field, 0, fields[i].size);
		if (rsa_secret_check(&mixed) == RSA_FINE)
			fail_msg("zero %s", fields[i].name);
	}
}

static void only_the_signed_digest_verifies(void **state)
{
	const struct rsa_public *mine = rsa_key_public(keys[0]);
	struct rsa_public small = *mine;
	uint8_t digest[RSA_DIGEST_BYTES] = {1, 2, 3};
	uint8_t signature[RSA_KEY_BYTES];

	(void)state;
	assert_true(rsa_key_sign(signature, keys[0], digest));
	assert_true(rsa_public_verify(mine, digest, signature));
	assert_false(rsa_public_verify(rsa_key_public(keys[1]), digest, signature));
	for (size_t bit = 0; bit < 8 * sizeof digest; bit++) {
		digest[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(rsa_public_verify(mine, digest, signature));
		digest[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof signature; bit++) {
		signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(rsa_public_verify(mine, digest, signature));
		signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	small.exponent[5] = 0;
	assert_false(rsa_public_verify(&small, digest, signature));
	assert_true(rsa_public_verify(mine, digest, signature));
}

/* What whoever has the key could sign besides: nothing but the one form of RFC 8017 9.2 is taken.
 */
static void only_one_padding_verifies(void **state)
{
	static const uint8_t sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
	static const uint8_t no_null[] = {0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48,
	    0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20};
	const size_t at = RSA_KEY_BYTES - RSA_DIGEST_BYTES - sizeof sha256;
	const struct rsa_public *mine = rsa_key_public(keys[0]);
	uint8_t digest[RSA_DIGEST_BYTES] = {7, 7};
	uint8_t right[RSA_KEY_BYTES] = {0, 1};
	uint8_t block[RSA_KEY_BYTES];
	uint8_t signature[RSA_KEY_BYTES];

	(void)state;
	memset(right + 2, 0xff, at - 3);
	memcpy(right + at, sha256, sizeof sha256);
	memcpy(right + at + sizeof sha256, digest, sizeof digest);
	assert_true(rsa_key_decrypt(signature, keys[0], right));
	assert_true(rsa_public_verify(mine, digest, signature));
	for (size_t i = 0; i < RSA_KEY_BYTES; i++) {
		memcpy(block, right, sizeof block);
		block[i] ^= 2;
		if (i != 0) { /* that one may not be below the modulus */
			assert_true(rsa_key_decrypt(signature, keys[0], block));
			assert_false(rsa_public_verify(mine, digest, signature));
		}
	}
	/* less padding, and something behind the digest */
	memcpy(block, right, sizeof block);
	memmove(block + 10, block + at - 1, RSA_KEY_BYTES - at + 1);
	assert_true(rsa_key_decrypt(signature, keys[0], block));
	assert_false(rsa_public_verify(mine, digest, signature));
	/* the algorithm without its empty parameter */
	memcpy(block, right, sizeof block);
	memset(block + at - 1, 0xff, 2);
	block[at + 1] = 0;
	memcpy(block + at + 2, no_null, sizeof no_null);
	assert_true(rsa_key_decrypt(signature, keys[0], block));
	assert_false(rsa_public_verify(mine, digest, signature));
	/* not below the modulus */
	memset(signature, 0xff, sizeof signature);
	assert_false(rsa_public_verify(mine, digest, signature));
	memset(signature, 0, sizeof signature);
	assert_false(rsa_public_verify(mine, digest, signature));
}

/* With exponent 1, whoever writes the padding has the signature. */
static void unusable_keys_do_nothing(void **state)
{
	static const uint8_t prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
	struct rsa_public one = secrets[0].public_key;
	uint8_t digest[RSA_DIGEST_BYTES] = {9};
	uint8_t signature[RSA_KEY_BYTES];
	uint8_t out[RSA_KEY_BYTES] = {1};

	(void)state;
	memset(one.exponent, 0, sizeof one.exponent);
	one.exponent[RSA_EXPONENT_BYTES - 1] = 1;
	memset(signature, 0xff, sizeof signature);
	signature[0] = 0;
	signature[1] = 1;
	signature[RSA_KEY_BYTES - sizeof digest - sizeof prefix - 1] = 0;
	memcpy(signature + RSA_KEY_BYTES - sizeof digest - sizeof prefix, prefix, sizeof prefix);
	memcpy(signature + RSA_KEY_BYTES - sizeof digest, digest, sizeof digest);
	assert_false(rsa_public_verify(&one, digest, signature));
	assert_false(rsa_public_encrypt(out, &one, signature));
	assert_true(sodium_is_zero(out, sizeof out));
}

static void bare_operations_undo_each_other(void **state)
{
	uint8_t block[RSA_KEY_BYTES];
	uint8_t hidden[RSA_KEY_BYTES];
	uint8_t back[RSA_KEY_BYTES];

	(void)state;
	randombytes_buf(block, sizeof block);
	block[0] = 0;
	assert_true(rsa_public_encrypt(hidden, rsa_key_public(keys[0]), block));
	assert_true(rsa_key_decrypt(back, keys[0], hidden));
	assert_memory_equal(back, block, sizeof back);
	/* leading zeros stay */
	memset(block, 0, sizeof block - 1);
	assert_true(rsa_public_encrypt(hidden, rsa_key_public(keys[0]), block));
	assert_true(rsa_key_decrypt(back, keys[0], hidden));
	assert_memory_equal(back, block, sizeof back);
	/* the modulus itself is too much */
	assert_false(rsa_key_decrypt(back, keys[0], rsa_key_public(keys[0])->modulus));
	assert_true(sodium_is_zero(back, sizeof back));
	assert_false(
	    rsa_public_encrypt(hidden, rsa_key_public(keys[0]), rsa_key_public(keys[0])->modulus));
}

static void mark_belongs_to_the_private_key(void **state)
{
	struct rsa_key *again = rsa_key_new(&secrets[0]);

	(void)state;
	assert_non_null(again);
	assert_memory_equal(rsa_key_mark(again), rsa_key_mark(keys[0]), RSA_MARK_BYTES);
	assert_memory_not_equal(rsa_key_mark(keys[0]), rsa_key_mark(keys[1]), RSA_MARK_BYTES);
	rsa_key_free(again);
	rsa_key_free(NULL);
}

static void mark_is_a_hash_of_its_own(void **state)
{
	static const char purpose[] = "postern-rsa-mark-v1";
	uint8_t message[sizeof purpose - 1 + RSA_KEY_BYTES];
	uint8_t mark[RSA_MARK_BYTES];

	(void)state;
	memcpy(message, purpose, sizeof purpose - 1);
	memcpy(message + sizeof purpose - 1, secrets[0].exponent, RSA_KEY_BYTES);
	crypto_hash_sha256(mark, message, sizeof message);
	assert_memory_equal(rsa_key_mark(keys[0]), mark, sizeof mark);
}

/* What stands at `watched` when `freed` is freed. */
static const void *freed;
static const uint8_t *watched;
static uint8_t seen[RSA_MARK_BYTES];

void __real_free(void *memory);
void __wrap_free(void *memory);
void __wrap_free(void *memory)
{
	if (memory != NULL && memory == freed)
		memcpy(seen, watched, sizeof seen);
	__real_free(memory);
}

static void what_is_freed_is_wiped(void **state)
{
	struct rsa_key *key = rsa_key_new(&secrets[0]);

	(void)state;
	memset(seen, 1, sizeof seen);
	freed = key;
	watched = rsa_key_mark(key);
	rsa_key_free(key);
	freed = NULL;
	assert_true(sodium_is_zero(seen, sizeof seen));
}

/* Contexts that libcrypto has no memory for, when a test says so. */
static bool no_contexts;

EVP_PKEY_CTX *__real_EVP_PKEY_CTX_new(EVP_PKEY *key, ENGINE *engine);
EVP_PKEY_CTX *__wrap_EVP_PKEY_CTX_new(EVP_PKEY *key, ENGINE *engine);
EVP_PKEY_CTX *__wrap_EVP_PKEY_CTX_new(EVP_PKEY *key, ENGINE *engine)
{
	return no_contexts ? NULL : __real_EVP_PKEY_CTX_new(key, engine);
}

EVP_PKEY_CTX *__real_EVP_PKEY_CTX_dup(const EVP_PKEY_CTX *context);
EVP_PKEY_CTX *__wrap_EVP_PKEY_CTX_dup(const EVP_PKEY_CTX *context);
EVP_PKEY_CTX *__wrap_EVP_PKEY_CTX_dup(const EVP_PKEY_CTX *context)
{
	return no_contexts ? NULL : __real_EVP_PKEY_CTX_dup(context);
}

EVP_PKEY *__real_EVP_PKEY_Q_keygen(
    OSSL_LIB_CTX *library, const char *properties, const char *type, ...);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(
    OSSL_LIB_CTX *library, const char *properties, const char *type, size_t bits);
EVP_PKEY *__wrap_EVP_PKEY_Q_keygen(
    OSSL_LIB_CTX *library, const char *properties, const char *type, size_t bits)
{
	return no_contexts ? NULL : __real_EVP_PKEY_Q_keygen(library, properties, type, bits);
}

static void memory_may_be_short(void **state)
{
	struct rsa_secret secret;
	uint8_t out[RSA_KEY_BYTES] = {1};

	(void)state;
	short_memory(1);
	assert_null(rsa_key_new(&secrets[0]));
	short_memory(0);
	no_contexts = true;
	assert_null(rsa_key_new(&secrets[0]));
	assert_int_equal(rsa_secret_check(&secrets[0]), RSA_FAILED);
	assert_false(rsa_key_sign(out, keys[0], out));
	assert_true(sodium_is_zero(out, sizeof out));
	memset(&secret, 1, sizeof secret);
	assert_int_equal(rsa_secret_generate(&secret), RSA_FAILED);
	assert_true(sodium_is_zero((const uint8_t *)&secret, sizeof secret));
	no_contexts = false;
}

/* Of each error its own text. */
static void errors_have_names(void **state)
{
	static const char *const texts[] = {
#define X(id, text) [RSA_##id] = (text),
	    RSA_ERRORS(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_string_equal(rsa_error_text((enum rsa_error)i), texts[i]);
	assert_string_equal(rsa_error_text(RSA_LOCKED), "encrypted, and no passphrase was given");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_ERRORS(generated_keys_are_fine),
	    WITH_ERRORS(public_keys_are_checked),
	    WITH_ERRORS(mismatched_halves_are_refused),
	    WITH_ERRORS(only_the_signed_digest_verifies),
	    WITH_ERRORS(only_one_padding_verifies),
	    WITH_ERRORS(unusable_keys_do_nothing),
	    WITH_ERRORS(bare_operations_undo_each_other),
	    WITH_ERRORS(mark_belongs_to_the_private_key),
	    WITH_ERRORS(mark_is_a_hash_of_its_own),
	    WITH_ERRORS(what_is_freed_is_wiped),
	    WITH_ERRORS(memory_may_be_short),
	    WITH_ERRORS(errors_have_names),
	};
	int failed = 0;

	if (sodium_init() < 0 || !rsa_init())
		return 1;
	for (int i = 0; i < 2; i++) {
		if (rsa_secret_generate(&secrets[i]) != RSA_FINE)
			return 1;
		keys[i] = rsa_key_new(&secrets[i]);
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (int i = 0; i < 2; i++)
		rsa_key_free(keys[i]);
	secret_wipe(secrets, sizeof secrets);
	return failed;
}
