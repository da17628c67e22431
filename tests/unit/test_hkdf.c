#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "own_stack.h"
#include "proto/hkdf.h"

/* RFC 5869, appendix A. Its outputs are 42 and 82 bytes; ours is always the first 32, which do not
 * depend on the length asked for, so that is what is compared. The rest cannot be produced here. */
static const struct {
	const char *ikm;
	const char *salt;
	const char *info;
	const char *okm;
} vectors[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b"
     "2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a"
        "8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
        "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9da"
        "dbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"},
};

struct bytes {
	uint8_t data[80];
	size_t size;
};

static struct bytes from_hex(const char *text)
{
	struct bytes b;

	assert_int_equal(
	    sodium_hex2bin(b.data, sizeof b.data, text, strlen(text), NULL, &b.size, NULL), 0);
	return b;
}

static void gives_the_outputs_of_rfc_5869(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		struct bytes ikm = from_hex(vectors[i].ikm), salt = from_hex(vectors[i].salt);
		struct bytes info = from_hex(vectors[i].info), okm = from_hex(vectors[i].okm);
		uint8_t out[HKDF_BYTES];

		hkdf_sha256(out, salt.data, salt.size, ikm.data, ikm.size, info.data, info.size);
		assert_memory_equal(out, okm.data, sizeof out);
	}
}

static void no_salt_is_zeros(void **state)
{
	static const uint8_t zeros[32];
	uint8_t without[HKDF_BYTES], with[HKDF_BYTES];

	(void)state;
	hkdf_sha256(without, NULL, 0, "key", 3, "info", 4);
	hkdf_sha256(with, zeros, sizeof zeros, "key", 3, "info", 4);
	assert_memory_equal(without, with, sizeof with);
}

static void a_short_salt_is_filled_up_with_zeros(void **state)
{
	static const uint8_t salt[] = {7, 0};
	uint8_t one[HKDF_BYTES], two[HKDF_BYTES];

	(void)state;
	hkdf_sha256(one, salt, 1, "key", 3, "info", 4);
	hkdf_sha256(two, salt, 2, "key", 3, "info", 4);
	assert_memory_equal(one, two, sizeof two);
}

static uint8_t derived[HKDF_BYTES];

static void call(void)
{
	hkdf_sha256(derived, "salt", 4, "key", 3, "info", 4);
}

/* Nor the key from which all others of the same input could be made. */
static void leaves_nothing_on_the_stack(void **state)
{
	crypto_auth_hmacsha256_state mac;
	uint8_t prk[HKDF_BYTES];

	(void)state;
	crypto_auth_hmacsha256_init(&mac, (const uint8_t *)"salt", 4);
	crypto_auth_hmacsha256_update(&mac, (const uint8_t *)"key", 3);
	crypto_auth_hmacsha256_final(&mac, prk);
	own_stack_run(call);
	assert_false(own_stack_holds(prk, sizeof prk));
	assert_false(own_stack_holds(derived, sizeof derived));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_the_outputs_of_rfc_5869),
	    cmocka_unit_test(no_salt_is_zeros),
	    cmocka_unit_test(a_short_salt_is_filled_up_with_zeros),
	    cmocka_unit_test(leaves_nothing_on_the_stack),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
