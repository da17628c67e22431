/* The lookup hint against knocks that an independent program made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "proto/hint.h"
#include "vectors.h"

#define COUNT (sizeof postern_extras_vectors / sizeof *postern_extras_vectors)
#define DAY   (INT64_C(86400) * 1000000000)

static const struct postern_extras_vector *const all = postern_extras_vectors;

static void both_sides_have_the_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		uint8_t key[HINT_KEY_BYTES], secret[OPENME_SIGN_BYTES];

		assert_true(hint_key_of_server(key, all[i].server_private_key,
		    all[i].server_public_key, all[i].client_public_key));
		assert_memory_equal(key, all[i].hint_key, sizeof key);
		openme_client_expand(secret, all[i].client_seed);
		assert_true(hint_key_of_client(key, secret, all[i].server_public_key));
		assert_memory_equal(key, all[i].hint_key, sizeof key);
	}
}

static void nonces_are_those_of_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		uint8_t nonce[OPENME_NONCE_BYTES];

		hint_make(nonce, all[i].hint_key, all[i].hint_random, all[i].timestamp_ns,
		    all[i].target, all[i].ephemeral_public_key);
		assert_memory_equal(nonce, all[i].random_nonce, sizeof nonce);
		assert_int_equal(hint_day(all[i].timestamp_ns), all[i].day);
		assert_int_equal(hint_named(nonce), hint_id(all[i].hint_key, all[i].day));
		assert_true(hint_fits(all[i].hint_key, nonce, all[i].timestamp_ns, all[i].target,
		    all[i].ephemeral_public_key));
	}
}

/* What the knock says, as the vector has it. */
struct said {
	uint8_t key[HINT_KEY_BYTES];
	uint8_t nonce[OPENME_NONCE_BYTES];
	int64_t timestamp_ns;
	uint8_t target[ADDR_BYTES];
	uint8_t ephemeral[OPENME_PUBLIC_BYTES];
};

static bool fits(const struct said *s)
{
	return hint_fits(s->key, s->nonce, s->timestamp_ns, s->target, s->ephemeral);
}

/* Every bit of every part counts. */
static void nothing_else_fits(void **state)
{
	struct said s;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		uint8_t *const bytes = (uint8_t *)&s;

		memset(&s, 0, sizeof s);
		memcpy(s.key, all[i].hint_key, sizeof s.key);
		memcpy(s.nonce, all[i].random_nonce, sizeof s.nonce);
		s.timestamp_ns = all[i].timestamp_ns;
		memcpy(s.target, all[i].target, sizeof s.target);
		memcpy(s.ephemeral, all[i].ephemeral_public_key, sizeof s.ephemeral);
		_Static_assert(sizeof s == 32 + 16 + 8 + 16 + 32, "no padding");
		assert_true(fits(&s));
		for (size_t bit = 0; bit < 8 * sizeof s; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(fits(&s));
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

/* A client has another id each day, and another one than the others. */
static void ids_change_with_the_day(void **state)
{
	uint32_t ids[3 * COUNT];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		for (int64_t day = all[i].day - 1; day <= all[i].day + 1; day++)
			ids[count++] = hint_id(all[i].hint_key, day);
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(ids[i], ids[k]);
	}
}

static void a_day_begins_at_midnight(void **state)
{
	(void)state;
	assert_int_equal(hint_day(0), 0);
	assert_int_equal(hint_day(DAY - 1), 0);
	assert_int_equal(hint_day(DAY), 1);
	assert_int_equal(hint_day(-1), -1);
	assert_int_equal(hint_day(-DAY), -1);
	assert_int_equal(hint_day(-DAY - 1), -2);
	assert_int_equal(hint_day_ends_ns(0), DAY);
	assert_int_equal(hint_day_ends_ns(DAY - 1), DAY);
	assert_int_equal(hint_day_ends_ns(DAY), 2 * DAY);
	assert_int_equal(hint_day(INT64_MAX), 106751);
	assert_int_equal(hint_day(INT64_MIN), -106752);
}

/* Unusable keys of the other side give none, and leave nothing. */
static void unusable_keys_are_refused(void **state)
{
	static const uint8_t none[HINT_KEY_BYTES];
	const uint8_t neutral[OPENME_PUBLIC_BYTES] = {1}; /* of small order */
	uint8_t key[HINT_KEY_BYTES], secret[OPENME_SIGN_BYTES];

	(void)state;
	memset(key, 0xaa, sizeof key);
	assert_false(
	    hint_key_of_server(key, all[0].server_private_key, all[0].server_public_key, neutral));
	assert_memory_equal(key, none, sizeof key);
	memset(key, 0xaa, sizeof key);
	assert_false(
	    hint_key_of_server(key, all[0].server_private_key, all[0].server_public_key, none));
	assert_memory_equal(key, none, sizeof key);
	openme_client_expand(secret, all[0].client_seed);
	memset(key, 0xaa, sizeof key);
	assert_false(hint_key_of_client(key, secret, none));
	assert_memory_equal(key, none, sizeof key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_sides_have_the_key),
	    cmocka_unit_test(nonces_are_those_of_the_vectors),
	    cmocka_unit_test(nothing_else_fits),
	    cmocka_unit_test(ids_change_with_the_day),
	    cmocka_unit_test(a_day_begins_at_midnight),
	    cmocka_unit_test(unusable_keys_are_refused),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
