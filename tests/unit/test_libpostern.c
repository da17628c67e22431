/* The public calls, linked as a stranger would link them: the shared library and postern.h alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "postern.h"
#include "vectors.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct openme_v1_vector *const one = &openme_v1_vectors[0];

static struct postern_ingredients extras_ingredients(const struct postern_extras_vector *v)
{
	struct postern_ingredients from = {
	    .size = sizeof from, .contents.timestamp_ns = v->timestamp_ns};

	memcpy(from.server_public, v->server_public_key, sizeof from.server_public);
	postern_client_secret_from_seed(from.client_secret, v->client_seed);
	memcpy(from.ephemeral_secret, v->ephemeral_private_key, sizeof from.ephemeral_secret);
	memcpy(from.aead_nonce, v->aead_nonce, sizeof from.aead_nonce);
	memcpy(from.contents.nonce, v->random_nonce, sizeof from.contents.nonce);
	memcpy(from.contents.target, v->target, sizeof from.contents.target);
	return from;
}

static void opens_what_was_captured(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(openme_v1_vectors); i++) {
		const struct openme_v1_vector *v = &openme_v1_vectors[i];
		uint8_t key[POSTERN_SEAL_KEY_BYTES];
		struct postern_contents said;

		assert_int_equal(
		    postern_knock_unseal(key, v->server_private_key, v->packet, sizeof v->packet),
		    POSTERN_OK);
		assert_memory_equal(key, v->symmetric_key, sizeof key);
		assert_int_equal(
		    postern_knock_open(&said, key, v->packet, sizeof v->packet), POSTERN_OK);
		assert_true(said.timestamp_ns == v->timestamp_ns);
		assert_memory_equal(said.nonce, v->random_nonce, sizeof said.nonce);
		assert_memory_equal(said.target, v->target_ip, sizeof said.target);
		assert_int_equal(
		    postern_knock_verify(v->client_public_key, v->packet, sizeof v->packet),
		    POSTERN_OK);
	}
}

static void seals_the_same_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(postern_extras_vectors); i++) {
		const struct postern_extras_vector *v = &postern_extras_vectors[i];
		struct postern_ingredients from = extras_ingredients(v);
		uint8_t knock[POSTERN_KNOCK_BYTES];

		assert_int_equal(postern_knock_seal(knock, &from), POSTERN_OK);
		assert_memory_equal(knock, v->packet, sizeof knock);
	}
}

/* The last 8 bytes of the nonce come from the tag. */
static void shields_as_the_vectors_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(postern_extras_vectors); i++) {
		const struct postern_extras_vector *v = &postern_extras_vectors[i];
		struct postern_ingredients from = extras_ingredients(v);
		uint8_t knock[POSTERN_KNOCK_BYTES];

		memset(from.aead_nonce + 4, 0xee, sizeof from.aead_nonce - 4);
		assert_int_equal(postern_knock_shield(&from, v->shield_key), POSTERN_OK);
		assert_memory_equal(from.aead_nonce, v->aead_nonce, sizeof v->aead_nonce);
		assert_int_equal(postern_knock_seal(knock, &from), POSTERN_OK);
		assert_memory_equal(knock, v->packet, sizeof knock);
	}
}

static void shielding_refuses_what_makes_no_tag(void **state)
{
	static const uint8_t none[POSTERN_SHIELD_KEY_BYTES];
	struct postern_ingredients from = extras_ingredients(&postern_extras_vectors[0]);
	uint8_t nonce[POSTERN_AEAD_NONCE_BYTES];

	(void)state;
	memset(from.aead_nonce, 0xee, sizeof from.aead_nonce);
	memcpy(nonce, from.aead_nonce, sizeof nonce);
	assert_int_equal(postern_knock_shield(&from, none), POSTERN_BAD_KEY);
	from.size--;
	assert_int_equal(postern_knock_shield(&from, postern_extras_vectors[0].shield_key),
	    POSTERN_BAD_ARGUMENT);
	assert_memory_equal(from.aead_nonce, nonce, sizeof nonce);
}

/* All but the first bytes of the nonce come from the hint. */
static void hints_as_the_vectors_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(postern_extras_vectors); i++) {
		const struct postern_extras_vector *v = &postern_extras_vectors[i];
		struct postern_ingredients from = extras_ingredients(v);
		uint8_t knock[POSTERN_KNOCK_BYTES];

		memset(from.contents.nonce + sizeof v->hint_random, 0xee,
		    sizeof from.contents.nonce - sizeof v->hint_random);
		assert_int_equal(postern_knock_hint(&from), POSTERN_OK);
		assert_memory_equal(from.contents.nonce, v->random_nonce, sizeof v->random_nonce);
		assert_int_equal(postern_knock_seal(knock, &from), POSTERN_OK);
		assert_memory_equal(knock, v->packet, sizeof knock);
	}
}

static void hinting_refuses_what_sealing_does(void **state)
{
	static const uint8_t none[POSTERN_NONCE_BYTES];
	const struct postern_ingredients good = extras_ingredients(&postern_extras_vectors[0]);
	struct postern_ingredients bad = good;

	(void)state;
	memset(bad.server_public, 0, sizeof bad.server_public);
	assert_int_equal(postern_knock_hint(&bad), POSTERN_BAD_KEY);
	assert_memory_equal(bad.contents.nonce, none, sizeof none);
	bad = good;
	bad.client_secret[POSTERN_KEY_BYTES] ^= 1;
	assert_int_equal(postern_knock_hint(&bad), POSTERN_BAD_KEY);
	assert_memory_equal(bad.contents.nonce, none, sizeof none);
	bad = good;
	bad.size--;
	assert_int_equal(postern_knock_hint(&bad), POSTERN_BAD_ARGUMENT);
	assert_memory_equal(bad.contents.nonce, none, sizeof none);
}

/* Each length in a buffer of exactly that length, so that a sanitizer sees a step too far. */
static void every_other_length_is_refused(void **state)
{
	(void)state;
	for (size_t size = 0; size <= 2 * POSTERN_KNOCK_BYTES; size++) {
		enum postern_error wanted =
		    size == POSTERN_KNOCK_BYTES ? POSTERN_OK : POSTERN_NOT_A_KNOCK;
		uint8_t *datagram = malloc(size);
		uint8_t key[POSTERN_SEAL_KEY_BYTES];
		struct postern_contents said;

		assert_non_null(datagram);
		for (size_t i = 0; i < size; i++)
			datagram[i] = one->packet[i % sizeof one->packet];
		assert_int_equal(
		    postern_knock_unseal(key, one->server_private_key, datagram, size), wanted);
		assert_int_equal(
		    postern_knock_open(&said, one->symmetric_key, datagram, size), wanted);
		assert_int_equal(
		    postern_knock_verify(one->client_public_key, datagram, size), wanted);
		free(datagram);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct postern_contents nothing;
	static const uint8_t zeros[POSTERN_SEAL_KEY_BYTES];
	uint8_t bent[POSTERN_KNOCK_BYTES], key[POSTERN_SEAL_KEY_BYTES];
	struct postern_contents said;

	(void)state;
	memcpy(bent, one->packet, sizeof bent);
	bent[0] = 2;
	assert_int_equal(postern_knock_unseal(key, one->server_private_key, bent, sizeof bent),
	    POSTERN_NOT_A_KNOCK);
	assert_memory_equal(key, zeros, sizeof key);

	memcpy(bent, one->packet, sizeof bent);
	memset(bent + 1, 0, POSTERN_KEY_BYTES);
	memset(key, 0xee, sizeof key);
	assert_int_equal(postern_knock_unseal(key, one->server_private_key, bent, sizeof bent),
	    POSTERN_BAD_SEAL);
	assert_memory_equal(key, zeros, sizeof key);

	memcpy(bent, one->packet, sizeof bent);
	bent[45] ^= 1;
	memset(&said, 0xee, sizeof said);
	assert_int_equal(
	    postern_knock_open(&said, one->symmetric_key, bent, sizeof bent), POSTERN_BAD_SEAL);
	assert_memory_equal(&said, &nothing, sizeof said);
	assert_int_equal(
	    postern_knock_verify(one->client_public_key, bent, sizeof bent), POSTERN_BAD_SIGNATURE);
}

/* A struct from a newer header is welcome only while its new part asks for nothing. */
static void structs_carry_their_size(void **state)
{
	struct {
		struct postern_ingredients known;
		uint8_t more[8];
	} newer = {.known = extras_ingredients(&postern_extras_vectors[0])};
	uint8_t knock[POSTERN_KNOCK_BYTES];

	(void)state;
	newer.known.size = sizeof newer;
	assert_int_equal(postern_knock_seal(knock, &newer.known), POSTERN_OK);
	newer.more[7] = 1;
	assert_int_equal(postern_knock_seal(knock, &newer.known), POSTERN_BAD_ARGUMENT);
	newer.known.size = sizeof newer.known;
	assert_int_equal(postern_knock_seal(knock, &newer.known), POSTERN_OK);
	newer.known.size--;
	assert_int_equal(postern_knock_seal(knock, &newer.known), POSTERN_BAD_ARGUMENT);
	newer.known.size = 0;
	assert_int_equal(postern_knock_seal(knock, &newer.known), POSTERN_BAD_ARGUMENT);
}

static void sealing_refuses_bad_keys(void **state)
{
	struct postern_ingredients from = extras_ingredients(&postern_extras_vectors[0]);
	struct postern_ingredients bad = from;
	uint8_t knock[POSTERN_KNOCK_BYTES];

	(void)state;
	memset(bad.server_public, 0, sizeof bad.server_public);
	assert_int_equal(postern_knock_seal(knock, &bad), POSTERN_BAD_KEY);
	bad = from;
	bad.client_secret[POSTERN_KEY_BYTES] ^= 1;
	assert_int_equal(postern_knock_seal(knock, &bad), POSTERN_BAD_KEY);
}

static void derives_and_checks_keys(void **state)
{
	static const uint8_t placeholder[POSTERN_KEY_BYTES];
	uint8_t key[POSTERN_KEY_BYTES], secret[POSTERN_CLIENT_SECRET_BYTES];

	(void)state;
	postern_server_public(key, one->server_private_key);
	assert_memory_equal(key, one->server_public_key, sizeof key);
	postern_client_public(key, one->client_private_key);
	assert_memory_equal(key, one->client_public_key, sizeof key);
	postern_client_secret_from_seed(secret, one->client_private_key);
	assert_memory_equal(secret, one->client_private_key, sizeof secret);
	assert_int_equal(postern_server_public_check(one->server_public_key), POSTERN_OK);
	assert_int_equal(postern_client_public_check(one->client_public_key), POSTERN_OK);
	assert_int_equal(postern_server_public_check(placeholder), POSTERN_BAD_KEY);
	assert_int_equal(postern_client_public_check(placeholder), POSTERN_BAD_KEY);
}

static void base64_goes_both_ways(void **state)
{
	char text[POSTERN_BASE64_BYTES(POSTERN_KEY_BYTES)];
	uint8_t key[POSTERN_KEY_BYTES];

	(void)state;
	assert_int_equal(sizeof text, 45);
	assert_int_equal(
	    postern_key_to_base64(text, sizeof text, one->server_public_key, sizeof key),
	    POSTERN_OK);
	assert_string_equal(text, "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8=");
	assert_int_equal(postern_key_from_base64(key, sizeof key, text), POSTERN_OK);
	assert_memory_equal(key, one->server_public_key, sizeof key);
	for (size_t room = 0; room < sizeof text; room++)
		assert_int_equal(
		    postern_key_to_base64(text, room, key, sizeof key), POSTERN_BAD_ARGUMENT);
	assert_int_equal(
	    postern_key_to_base64(text, sizeof text, key, SIZE_MAX), POSTERN_BAD_ARGUMENT);
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = {
	    "", "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8", /* no padding */
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl9=",    /* spare bits set */
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8=\n",
	    " AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8=",
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrg==", /* 31 bytes */
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8A", /* 33 bytes */
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwr_8=", /* the other alphabet */
	};
	static const uint8_t zeros[POSTERN_KEY_BYTES];
	uint8_t key[POSTERN_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		memset(key, 0xee, sizeof key);
		assert_int_equal(postern_key_from_base64(key, sizeof key, bad[i]), POSTERN_BAD_KEY);
		assert_memory_equal(key, zeros, sizeof key);
	}
}

static void client_secrets_come_as_seed_or_pair(void **state)
{
	char text[POSTERN_BASE64_BYTES(POSTERN_CLIENT_SECRET_BYTES)];
	uint8_t secret[POSTERN_CLIENT_SECRET_BYTES], bad[POSTERN_CLIENT_SECRET_BYTES];

	(void)state;
	for (size_t size = POSTERN_KEY_BYTES; size <= sizeof secret; size += POSTERN_KEY_BYTES) {
		assert_int_equal(
		    postern_key_to_base64(text, sizeof text, one->client_private_key, size),
		    POSTERN_OK);
		assert_int_equal(postern_client_secret_from_base64(secret, text), POSTERN_OK);
		assert_memory_equal(secret, one->client_private_key, sizeof secret);
	}
	memcpy(bad, one->client_private_key, sizeof bad);
	bad[sizeof bad - 1] ^= 1;
	assert_int_equal(postern_key_to_base64(text, sizeof text, bad, sizeof bad), POSTERN_OK);
	assert_int_equal(postern_client_secret_from_base64(secret, text), POSTERN_BAD_KEY);
	assert_int_equal(postern_client_secret_from_base64(secret, ""), POSTERN_BAD_KEY);
	/* a seed and zeros, as openme's apps take it; a seed and anything else but zeros, not */
	memset(bad + sizeof bad / 2, 0, sizeof bad / 2);
	assert_int_equal(postern_key_to_base64(text, sizeof text, bad, sizeof bad), POSTERN_OK);
	assert_int_equal(postern_client_secret_from_base64(secret, text), POSTERN_OK);
	assert_memory_equal(secret, one->client_private_key, sizeof secret);
	bad[sizeof bad - 1] = 1;
	assert_int_equal(postern_key_to_base64(text, sizeof text, bad, sizeof bad), POSTERN_OK);
	assert_int_equal(postern_client_secret_from_base64(secret, text), POSTERN_BAD_KEY);
}

static void every_error_has_its_text(void **state)
{
#define TEXT(name, value, text) assert_string_equal(postern_strerror(POSTERN_##name), text);
	(void)state;
	POSTERN_ERRORS(TEXT)
#undef TEXT
	assert_string_equal(postern_strerror(1), "unknown error");
	assert_string_equal(postern_strerror(-1000), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_what_was_captured),
	    cmocka_unit_test(seals_the_same_bytes),
	    cmocka_unit_test(shields_as_the_vectors_do),
	    cmocka_unit_test(shielding_refuses_what_makes_no_tag),
	    cmocka_unit_test(hints_as_the_vectors_do),
	    cmocka_unit_test(hinting_refuses_what_sealing_does),
	    cmocka_unit_test(every_other_length_is_refused),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(structs_carry_their_size),
	    cmocka_unit_test(sealing_refuses_bad_keys),
	    cmocka_unit_test(derives_and_checks_keys),
	    cmocka_unit_test(base64_goes_both_ways),
	    cmocka_unit_test(base64_is_strict),
	    cmocka_unit_test(client_secrets_come_as_seed_or_pair),
	    cmocka_unit_test(every_error_has_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
