/* The openme codec against captured traffic, and against everything a captured packet can be bent
 * into. "Accepted" means: well formed, unsealed, opened, and signed by a known client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "emulated.h"
#include "proto/openme.h"
#include "vectors.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define CAPTURES     COUNT(openme_v1_vectors)
#define EXTRAS       COUNT(postern_extras_vectors)
#define MADE         4
#define KNOCKS       (CAPTURES + EXTRAS + MADE)
_Static_assert(KNOCKS == 20, "the number of knocks whose every bit is flipped");

/* A valid knock, who can open it and who signed it. */
struct knock {
	uint8_t packet[OPENME_PACKET_BYTES];
	uint8_t server_secret[OPENME_SECRET_BYTES];
	uint8_t client_public[OPENME_PUBLIC_BYTES];
};

static struct knock knocks[KNOCKS];
static uint8_t known[KNOCKS][OPENME_PUBLIC_BYTES];
static size_t known_count;

/* The same bytes in every run, new ones in every call. */
static void draw(void *out, size_t size)
{
	static uint32_t draws;
	uint8_t seed[randombytes_SEEDBYTES] = {0};

	draws++;
	memcpy(seed, &draws, sizeof draws);
	randombytes_buf_deterministic(out, size, seed);
}

static struct openme_ingredients random_ingredients(uint8_t server_secret[OPENME_SECRET_BYTES])
{
	uint8_t seed[OPENME_SEED_BYTES];
	struct openme_ingredients from;

	draw(&from, sizeof from);
	draw(server_secret, OPENME_SECRET_BYTES);
	draw(seed, sizeof seed);
	openme_server_public(from.server_public, server_secret);
	openme_client_expand(from.client_secret, seed);
	return from;
}

static void make(struct knock *out)
{
	struct openme_ingredients from = random_ingredients(out->server_secret);

	memcpy(out->client_public, from.client_secret + OPENME_SEED_BYTES, OPENME_PUBLIC_BYTES);
	assert_true(openme_seal(out->packet, &from));
}

static void know(const uint8_t client_public[OPENME_PUBLIC_BYTES])
{
	for (size_t i = 0; i < known_count; i++) {
		if (memcmp(known[i], client_public, OPENME_PUBLIC_BYTES) == 0)
			return;
	}
	memcpy(known[known_count++], client_public, OPENME_PUBLIC_BYTES);
}

static int collect(void **state)
{
	struct knock *next = knocks;

	(void)state;
	for (size_t i = 0; i < CAPTURES; i++, next++) {
		const struct openme_v1_vector *v = &openme_v1_vectors[i];

		memcpy(next->packet, v->packet, sizeof v->packet);
		memcpy(next->server_secret, v->server_private_key, sizeof v->server_private_key);
		memcpy(next->client_public, v->client_public_key, sizeof v->client_public_key);
	}
	for (size_t i = 0; i < EXTRAS; i++, next++) {
		const struct postern_extras_vector *v = &postern_extras_vectors[i];

		memcpy(next->packet, v->packet, sizeof v->packet);
		memcpy(next->server_secret, v->server_private_key, sizeof v->server_private_key);
		memcpy(next->client_public, v->client_public_key, sizeof v->client_public_key);
	}
	while (next < knocks + KNOCKS)
		make(next++);
	for (size_t i = 0; i < KNOCKS; i++)
		know(knocks[i].client_public);
	return 0;
}

/* Whether the server accepts it from any client there is. */
static bool accepted(
    const uint8_t packet[OPENME_PACKET_BYTES], const uint8_t server_secret[OPENME_SECRET_BYTES])
{
	uint8_t key[OPENME_KEY_BYTES];
	struct openme_knock said;

	if (!openme_right_version(packet) || !openme_well_formed(packet) ||
	    !openme_unseal(key, server_secret, packet) || !openme_open(&said, key, packet))
		return false;
	for (size_t i = 0; i < known_count; i++) {
		if (openme_verify(packet, known[i]))
			return true;
	}
	return false;
}

static void opens_what_was_captured(void **state)
{
	(void)state;
	for (size_t i = 0; i < CAPTURES; i++) {
		const struct openme_v1_vector *v = &openme_v1_vectors[i];
		uint8_t key[OPENME_KEY_BYTES];
		struct openme_knock said;

		assert_true(openme_right_version(v->packet) && openme_well_formed(v->packet));
		assert_true(openme_unseal(key, v->server_private_key, v->packet));
		assert_memory_equal(key, v->symmetric_key, sizeof key);
		assert_true(openme_open(&said, key, v->packet));
		assert_true(said.timestamp_ns == v->timestamp_ns);
		assert_memory_equal(said.nonce, v->random_nonce, sizeof said.nonce);
		assert_memory_equal(said.target.bytes, v->target_ip, sizeof said.target.bytes);
		for (size_t j = 0; j < CAPTURES; j++) {
			const uint8_t *other = openme_v1_vectors[j].client_public_key;
			bool same = memcmp(other, v->client_public_key, OPENME_PUBLIC_BYTES) == 0;

			assert_int_equal(openme_verify(v->packet, other), same);
		}
	}
}

static void derives_the_captured_public_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < CAPTURES; i++) {
		const struct openme_v1_vector *v = &openme_v1_vectors[i];
		uint8_t public_key[OPENME_PUBLIC_BYTES], secret[OPENME_SIGN_BYTES];

		openme_server_public(public_key, v->server_private_key);
		assert_memory_equal(public_key, v->server_public_key, sizeof public_key);
		openme_client_expand(secret, v->client_private_key);
		assert_memory_equal(secret, v->client_private_key, sizeof secret);
		openme_client_public(public_key, v->client_private_key);
		assert_memory_equal(public_key, v->client_public_key, sizeof public_key);
		assert_true(openme_server_public_usable(v->server_public_key));
		assert_true(openme_client_public_usable(v->client_public_key));
	}
}

/* Sealing is checked byte for byte where the ephemeral secret is known. */
static void seals_the_same_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXTRAS; i++) {
		const struct postern_extras_vector *v = &postern_extras_vectors[i];
		struct openme_ingredients from = {.knock.timestamp_ns = v->timestamp_ns};
		uint8_t packet[OPENME_PACKET_BYTES];

		memcpy(from.server_public, v->server_public_key, sizeof from.server_public);
		openme_client_expand(from.client_secret, v->client_seed);
		memcpy(from.ephemeral_secret, v->ephemeral_private_key,
		    sizeof v->ephemeral_private_key);
		memcpy(from.aead_nonce, v->aead_nonce, sizeof from.aead_nonce);
		memcpy(from.knock.nonce, v->random_nonce, sizeof from.knock.nonce);
		memcpy(from.knock.target.bytes, v->target, sizeof v->target);
		assert_true(openme_seal(packet, &from));
		assert_memory_equal(packet, v->packet, sizeof packet);
	}
}

static void sealed_then_opened_is_the_same(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		uint8_t server_secret[OPENME_SECRET_BYTES], packet[OPENME_PACKET_BYTES];
		struct openme_ingredients from = random_ingredients(server_secret);
		uint8_t key[OPENME_KEY_BYTES];
		struct openme_knock said;

		assert_true(openme_seal(packet, &from));
		assert_true(openme_right_version(packet) && openme_well_formed(packet));
		assert_true(openme_unseal(key, server_secret, packet));
		assert_true(openme_open(&said, key, packet));
		assert_true(said.timestamp_ns == from.knock.timestamp_ns);
		assert_memory_equal(said.nonce, from.knock.nonce, sizeof said.nonce);
		assert_true(addr_equal(&said.target, &from.knock.target));
		assert_true(openme_verify(packet, from.client_secret + OPENME_SEED_BYTES));
	}
}

static void only_one_size_is_right(void **state)
{
	(void)state;
	for (size_t size = 0; size < 2048; size++)
		assert_int_equal(openme_right_size(size), size == 165);
}

static void no_flipped_bit_is_accepted(void **state)
{
	const size_t step = emulated_step();
	size_t tried = 0;

	(void)state;
	for (size_t i = 0; i < KNOCKS; i++) {
		assert_true(accepted(knocks[i].packet, knocks[i].server_secret));
		for (size_t bit = 0; bit < 8 * sizeof knocks[i].packet; bit += step, tried++) {
			struct knock bent = knocks[i];

			bent.packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
			assert_false(accepted(bent.packet, bent.server_secret));
		}
	}
	assert_int_equal(tried, step == 1 ? 26400 : 2040);
}

static void another_server_cannot_open(void **state)
{
	struct knock other;

	(void)state;
	make(&other);
	for (size_t i = 0; i < KNOCKS; i++)
		assert_false(accepted(knocks[i].packet, other.server_secret));
}

/* Nothing of it is handed out. */
static void another_key_opens_nothing(void **state)
{
	static const struct openme_knock nothing;
	uint8_t key[OPENME_KEY_BYTES];
	struct openme_knock said;

	(void)state;
	assert_true(openme_unseal(key, knocks[0].server_secret, knocks[0].packet));
	assert_true(openme_open(&said, key, knocks[0].packet));
	key[0] ^= 1;
	memset(&said, 1, sizeof said);
	assert_false(openme_open(&said, key, knocks[0].packet));
	assert_memory_equal(&said, &nothing, sizeof said);
}

static void an_unknown_client_is_refused(void **state)
{
	struct knock other;

	(void)state;
	make(&other);
	assert_true(openme_verify(other.packet, other.client_public));
	assert_false(accepted(other.packet, other.server_secret));
}

static void a_borrowed_signature_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOCKS; i++) {
		for (size_t j = 0; j < KNOCKS; j++) {
			struct knock bent = knocks[i];

			memcpy(bent.packet + OPENME_SIGNED_BYTES,
			    knocks[j].packet + OPENME_SIGNED_BYTES, OPENME_SIGNATURE_BYTES);
			assert_int_equal(accepted(bent.packet, bent.server_secret), i == j);
		}
	}
}

/* S + L satisfies the same equation: accepting it would make one knock into two packets. */
static void a_signature_has_one_form(void **state)
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
	    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};

	(void)state;
	for (size_t i = 0; i < KNOCKS; i++) {
		struct knock bent = knocks[i];
		uint8_t *s = bent.packet + OPENME_SIGNED_BYTES + 32;

		sodium_add(s, order, sizeof order);
		assert_false(openme_well_formed(bent.packet));
		assert_false(openme_verify(bent.packet, bent.client_public));
		memcpy(s, order, sizeof order);
		assert_false(openme_well_formed(bent.packet));
		s[0]--;
		assert_true(openme_well_formed(bent.packet));
	}
}

static void refuses_to_seal_with_unusable_keys(void **state)
{
	static const uint8_t zeros[OPENME_PACKET_BYTES];
	uint8_t server_secret[OPENME_SECRET_BYTES], packet[OPENME_PACKET_BYTES];
	struct openme_ingredients from = random_ingredients(server_secret), bad = from;

	(void)state;
	memset(packet, 0xee, sizeof packet);
	memset(bad.server_public, 0, sizeof bad.server_public);
	assert_false(openme_seal(packet, &bad));
	assert_memory_equal(packet, zeros, sizeof packet);

	memset(packet, 0xee, sizeof packet);
	bad = from;
	bad.client_secret[OPENME_SIGN_BYTES - 1] ^= 1;
	assert_false(openme_seal(packet, &bad));
	assert_memory_equal(packet, zeros, sizeof packet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_what_was_captured),
	    cmocka_unit_test(derives_the_captured_public_keys),
	    cmocka_unit_test(seals_the_same_bytes),
	    cmocka_unit_test(sealed_then_opened_is_the_same),
	    cmocka_unit_test(only_one_size_is_right),
	    cmocka_unit_test(no_flipped_bit_is_accepted),
	    cmocka_unit_test(another_server_cannot_open),
	    cmocka_unit_test(another_key_opens_nothing),
	    cmocka_unit_test(an_unknown_client_is_refused),
	    cmocka_unit_test(a_borrowed_signature_is_refused),
	    cmocka_unit_test(a_signature_has_one_form),
	    cmocka_unit_test(refuses_to_seal_with_unusable_keys),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, collect, NULL);
}
