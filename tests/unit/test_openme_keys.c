/* Keys that must not be trusted, and the published vectors of the primitives as we call them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/hkdf.h"
#include "proto/openme.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void from_hex(void *out, size_t size, const char *text)
{
	size_t length = 0;

	assert_int_equal(sodium_hex2bin(out, size, text, strlen(text), NULL, &length, NULL), 0);
	assert_int_equal(length, size);
}

/* Every encoding below 2^255 of a point whose order divides 8, on curve25519 or its twist. */
static const char *const small_x25519[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p - 1 */
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p */
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 1 */
};

/* Every encoding of an Ed25519 point whose order divides 8, canonical or not. */
static const char *const small_ed25519[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void client_secret(uint8_t secret[OPENME_SIGN_BYTES])
{
	uint8_t seed[OPENME_SEED_BYTES];

	randombytes_buf(seed, sizeof seed);
	openme_client_expand(secret, seed);
}

/* What somebody without any server's public key would send: with an ephemeral key of small order
 * the shared secret is all zeros, the same for every server. */
static void forge(uint8_t packet[OPENME_PACKET_BYTES], const uint8_t ephemeral[OPENME_PUBLIC_BYTES],
    const uint8_t secret[OPENME_SIGN_BYTES])
{
	static const char info[] = "openme-v1-chacha20poly1305";
	static const uint8_t shared[crypto_scalarmult_BYTES], plain[OPENME_PLAIN_BYTES] = {1};
	uint8_t key[OPENME_KEY_BYTES];
	uint8_t *nonce = packet + 1 + OPENME_PUBLIC_BYTES;

	hkdf_sha256(key, NULL, 0, shared, sizeof shared, info, sizeof info - 1);
	packet[0] = OPENME_VERSION;
	memcpy(packet + 1, ephemeral, OPENME_PUBLIC_BYTES);
	memset(nonce, 0, OPENME_AEAD_NONCE_BYTES);
	crypto_aead_chacha20poly1305_ietf_encrypt(
	    nonce + OPENME_AEAD_NONCE_BYTES, NULL, plain, sizeof plain, NULL, 0, NULL, nonce, key);
	crypto_sign_detached(
	    packet + OPENME_SIGNED_BYTES, NULL, packet, OPENME_SIGNED_BYTES, secret);
	/* The forgery is good in every other way. */
	assert_true(openme_verify(packet, secret + OPENME_SEED_BYTES));
	assert_true(openme_open(&(struct openme_knock){0}, key, packet));
}

static void ephemeral_keys_of_small_order_are_refused(void **state)
{
	static const uint8_t zeros[OPENME_KEY_BYTES];
	uint8_t secret[OPENME_SIGN_BYTES];

	(void)state;
	client_secret(secret);
	for (size_t i = 0; i < COUNT(small_x25519); i++) {
		uint8_t point[OPENME_PUBLIC_BYTES], packet[OPENME_PACKET_BYTES];
		uint8_t key[OPENME_KEY_BYTES], server_secret[OPENME_SECRET_BYTES];

		from_hex(point, sizeof point, small_x25519[i]);
		randombytes_buf(server_secret, sizeof server_secret);
		forge(packet, point, secret);
		assert_true(openme_well_formed(packet));
		assert_false(openme_unseal(key, server_secret, packet));
		assert_memory_equal(key, zeros, sizeof key);

		point[31] |= 0x80;
		forge(packet, point, secret);
		assert_false(openme_well_formed(packet));
		assert_false(openme_unseal(key, server_secret, packet));
	}
}

static void server_keys_of_small_order_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(small_x25519); i++) {
		uint8_t point[OPENME_PUBLIC_BYTES];

		from_hex(point, sizeof point, small_x25519[i]);
		assert_false(openme_server_public_usable(point));
	}
}

static void server_keys_leave_the_top_bit_clear(void **state)
{
	uint8_t secret[OPENME_SECRET_BYTES], point[OPENME_PUBLIC_BYTES];

	(void)state;
	randombytes_buf(secret, sizeof secret);
	openme_server_public(point, secret);
	assert_true(openme_server_public_usable(point));
	point[31] |= 0x80;
	assert_false(openme_server_public_usable(point));
	point[31] = 0x80;
	assert_false(openme_server_public_usable(point));
}

/* The all-zero placeholder is one of them. */
static void client_keys_of_small_order_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(small_ed25519); i++) {
		uint8_t point[OPENME_PUBLIC_BYTES];

		from_hex(point, sizeof point, small_ed25519[i]);
		assert_false(openme_client_public_usable(point));
	}
}

/* p .. 2^255 - 1, with either sign: each is a second name of 0 .. 18. */
static void client_keys_that_are_not_canonical_are_refused(void **state)
{
	uint8_t point[OPENME_PUBLIC_BYTES];

	(void)state;
	for (unsigned int low = 0xed; low <= 0xff; low++) {
		memset(point, 0xff, sizeof point);
		point[0] = (uint8_t)low;
		assert_false(openme_client_public_usable(point));
		point[31] = 0x7f;
		assert_false(openme_client_public_usable(point));
	}
}

static void client_keys_with_a_small_part_are_refused(void **state)
{
	uint8_t small[OPENME_PUBLIC_BYTES], mixed[OPENME_PUBLIC_BYTES];
	uint8_t secret[OPENME_SIGN_BYTES];
	const uint8_t *good = secret + OPENME_SEED_BYTES;

	(void)state;
	client_secret(secret);
	from_hex(small, sizeof small, small_ed25519[6]); /* of order 8 */
	assert_int_equal(crypto_core_ed25519_add(mixed, good, small), 0);
	assert_true(openme_client_public_usable(good));
	assert_false(openme_client_public_usable(mixed));
}

static void a_client_secret_must_hold_together(void **state)
{
	uint8_t secret[OPENME_SIGN_BYTES];

	(void)state;
	client_secret(secret);
	assert_true(openme_client_secret_usable(secret));
	for (size_t bit = 0; bit < 8 * sizeof secret; bit++) {
		secret[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(openme_client_secret_usable(secret));
		secret[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

/* Section 6.1. */
static void x25519_as_in_rfc_7748(void **state)
{
	uint8_t alice[32], bob[32], alice_public[32], bob_public[32], shared[32], expected[32];

	(void)state;
	from_hex(alice, 32, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	from_hex(bob, 32, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");

	openme_server_public(alice_public, alice);
	from_hex(expected, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	assert_memory_equal(alice_public, expected, 32);
	openme_server_public(bob_public, bob);
	from_hex(expected, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	assert_memory_equal(bob_public, expected, 32);

	from_hex(expected, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	assert_int_equal(crypto_scalarmult(shared, alice, bob_public), 0);
	assert_memory_equal(shared, expected, 32);
	assert_int_equal(crypto_scalarmult(shared, bob, alice_public), 0);
	assert_memory_equal(shared, expected, 32);
}

/* Section 2.8.2. It has associated data, which a knock has not. */
static void aead_as_in_rfc_8439(void **state)
{
	static const char plain[] =
	    "Ladies and Gentlemen of the class of '99: If I could offer you "
	    "only one tip for the future, sunscreen would be it.";
	uint8_t key[32], nonce[12], ad[12], sealed[130], expected[130], opened[114];
	unsigned long long size = 0;

	(void)state;
	from_hex(key, 32, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	from_hex(nonce, 12, "070000004041424344454647");
	from_hex(ad, 12, "50515253c0c1c2c3c4c5c6c7");
	from_hex(expected, 130,
	    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	    "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	    "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	    "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691");
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &size, (const uint8_t *)plain,
	    sizeof plain - 1, ad, sizeof ad, NULL, nonce, key);
	assert_int_equal(size, sizeof sealed);
	assert_memory_equal(sealed, expected, sizeof sealed);
	assert_int_equal(crypto_aead_chacha20poly1305_ietf_decrypt(
	                     opened, &size, NULL, sealed, sizeof sealed, ad, sizeof ad, nonce, key),
	    0);
	assert_memory_equal(opened, plain, sizeof opened);
}

/* Section 7.1, tests 1 to 3. */
static void ed25519_as_in_rfc_8032(void **state)
{
	static const struct {
		const char *seed;
		const char *public_key;
		const char *message;
		const char *signature;
	} vectors[] = {
	    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
	        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "r",
	        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da0"
	        "85ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "\xaf\x82",
	        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac1"
	        "8ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const uint8_t *message = (const uint8_t *)vectors[i].message;
		size_t size = strlen(vectors[i].message);
		uint8_t seed[32], expected_public[32], expected[64], secret[64], signature[64];

		from_hex(seed, sizeof seed, vectors[i].seed);
		from_hex(expected_public, sizeof expected_public, vectors[i].public_key);
		from_hex(expected, sizeof expected, vectors[i].signature);
		openme_client_expand(secret, seed);
		assert_memory_equal(secret + OPENME_SEED_BYTES, expected_public, 32);
		assert_true(openme_client_public_usable(expected_public));
		crypto_sign_detached(signature, NULL, message, size, secret);
		assert_memory_equal(signature, expected, sizeof signature);
		assert_int_equal(
		    crypto_sign_verify_detached(expected, message, size, expected_public), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ephemeral_keys_of_small_order_are_refused),
	    cmocka_unit_test(server_keys_of_small_order_are_refused),
	    cmocka_unit_test(server_keys_leave_the_top_bit_clear),
	    cmocka_unit_test(client_keys_of_small_order_are_refused),
	    cmocka_unit_test(client_keys_that_are_not_canonical_are_refused),
	    cmocka_unit_test(client_keys_with_a_small_part_are_refused),
	    cmocka_unit_test(a_client_secret_must_hold_together),
	    cmocka_unit_test(x25519_as_in_rfc_7748),
	    cmocka_unit_test(aead_as_in_rfc_8439),
	    cmocka_unit_test(ed25519_as_in_rfc_8032),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
