/* The shield's tag against vectors of an independent program, and the class that it gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/clock.h"
#include "proto/shield.h"
#include "vectors.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define EPOCH_NS     ((int64_t)SHIELD_EPOCH_S * NS_PER_SECOND)
#define TAG_END      (SHIELD_TAG_AT + 8)
#define NOW_NS       (1800000000 * NS_PER_SECOND)

static const struct postern_extras_vector *const vector = &postern_extras_vectors[0];
static const uint8_t secret[SHIELD_SECRET_BYTES] = {1}, other_secret[SHIELD_SECRET_BYTES] = {2};
static struct shield shield;

static int begin(void **state)
{
	(void)state;
	memset(&shield, 0, sizeof shield);
	shield_configure(&shield, secret, NULL);
	return 0;
}

/* What of a knock the shield looks at, stamped at `timestamp_ns`, with the tag of `key`; the same
 * for the same number. */
static void make(uint8_t packet[static SHIELD_PACKET_BYTES], uint32_t number,
    const uint8_t key[static SHIELD_SECRET_BYTES], int64_t timestamp_ns)
{
	uint8_t seed[randombytes_SEEDBYTES] = {0}, random[SHIELD_RANDOM_BYTES];

	memcpy(seed, &number, sizeof number);
	randombytes_buf_deterministic(packet, SHIELD_PACKET_BYTES, seed);
	packet[0] = SHIELD_VERSION;
	memcpy(random, packet + SHIELD_RANDOM_AT, sizeof random);
	shield_nonce(packet + SHIELD_RANDOM_AT, key, random, timestamp_ns, packet + 1);
}

static enum shield_class class_of(uint32_t number, int64_t timestamp_ns, int64_t now_ns)
{
	uint8_t packet[SHIELD_PACKET_BYTES];

	make(packet, number, secret, timestamp_ns);
	return shield_classify(&shield, packet, now_ns);
}

static void the_vectors_are_made_and_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(postern_extras_vectors); i++) {
		const struct postern_extras_vector *v = &postern_extras_vectors[i];
		uint8_t nonce[SHIELD_NONCE_BYTES];
		struct shield_key key;

		assert_int_equal(shield_epoch(v->timestamp_ns), v->shield_epoch);
		shield_epoch_key(&key, v->shield_key, v->shield_epoch);
		assert_int_equal(key.k0, shield_le64(v->shield_epoch_key));
		assert_int_equal(key.k1, shield_le64(v->shield_epoch_key + 8));
		shield_nonce(nonce, v->shield_key, v->shield_random, v->timestamp_ns,
		    v->ephemeral_public_key);
		assert_memory_equal(nonce, v->aead_nonce, sizeof nonce);

		shield_configure(&shield, v->shield_key, NULL);
		assert_true(shield_right_version(v->packet) && shield_well_formed(v->packet));
		assert_int_equal(
		    shield_classify(&shield, v->packet, v->timestamp_ns), SHIELD_TAGGED);
	}
}

static void stock_knocks_are_untagged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(openme_v1_vectors); i++)
		assert_int_equal(shield_classify(&shield, openme_v1_vectors[i].packet,
		                     openme_v1_vectors[i].timestamp_ns),
		    SHIELD_UNTAGGED);
}

static void each_bit_of_what_is_tagged_matters(void **state)
{
	uint8_t packet[SHIELD_PACKET_BYTES];

	(void)state;
	shield_configure(&shield, vector->shield_key, NULL);
	for (size_t bit = 0; bit < TAG_END * 8; bit++) {
		memcpy(packet, vector->packet, sizeof packet);
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    shield_classify(&shield, packet, vector->timestamp_ns), SHIELD_UNTAGGED);
	}
	assert_int_equal(
	    shield_classify(&shield, vector->packet, vector->timestamp_ns), SHIELD_TAGGED);
}

/* Wherever in its epoch the server is: as far as clocks may differ, and not much farther. */
static void clocks_may_differ_by_a_minute(void **state)
{
	(void)state;
	for (uint32_t s = 0; s < SHIELD_EPOCH_S; s++) {
		int64_t now_ns = NOW_NS + s * NS_PER_SECOND;

		for (int64_t apart_s = -64; apart_s < 64; apart_s += 4)
			assert_int_equal(class_of(1000 * s + (uint32_t)(apart_s + 64),
			                     now_ns + apart_s * NS_PER_SECOND, now_ns),
			    SHIELD_TAGGED);
		assert_int_equal(class_of(1, now_ns - 2 * EPOCH_NS, now_ns), SHIELD_UNTAGGED);
		assert_int_equal(class_of(1, now_ns + 2 * EPOCH_NS, now_ns), SHIELD_UNTAGGED);
	}
}

static void epochs_go_on_below_zero(void **state)
{
	(void)state;
	assert_int_equal(shield_epoch(0), 0);
	assert_int_equal(shield_epoch(-1), -1);
	assert_int_equal(shield_epoch(-EPOCH_NS), -1);
	assert_int_equal(shield_epoch(-EPOCH_NS - 1), -2);
	assert_int_equal(class_of(1, -NS_PER_SECOND, NS_PER_SECOND), SHIELD_TAGGED);
	assert_int_equal(class_of(2, INT64_MIN, INT64_MIN), SHIELD_TAGGED);
	assert_int_equal(class_of(3, INT64_MAX, INT64_MAX), SHIELD_TAGGED);
}

static void the_clock_may_be_set(void **state)
{
	static const int64_t steps_s[] = {0, 3600, -3600, 86400 * 365, 1, 0};

	(void)state;
	for (uint32_t i = 0; i < COUNT(steps_s); i++) {
		int64_t now_ns = NOW_NS + steps_s[i] * NS_PER_SECOND;

		assert_int_equal(class_of(i, now_ns, now_ns), SHIELD_TAGGED);
		assert_int_equal(class_of(i, now_ns - 3 * EPOCH_NS, now_ns), SHIELD_UNTAGGED);
	}
}

static void both_secrets_of_a_rotation_count(void **state)
{
	uint8_t old[SHIELD_PACKET_BYTES], new[SHIELD_PACKET_BYTES];

	(void)state;
	make(old, 1, secret, NOW_NS);
	make(new, 2, other_secret, NOW_NS);
	assert_int_equal(shield_classify(&shield, old, NOW_NS), SHIELD_TAGGED);
	assert_int_equal(shield_classify(&shield, new, NOW_NS), SHIELD_UNTAGGED);
	shield_configure(&shield, other_secret, secret);
	assert_int_equal(shield_classify(&shield, old, NOW_NS), SHIELD_TAGGED);
	assert_int_equal(shield_classify(&shield, new, NOW_NS), SHIELD_TAGGED);
	shield_configure(&shield, other_secret, NULL);
	assert_int_equal(shield_classify(&shield, old, NOW_NS), SHIELD_UNTAGGED);
	assert_int_equal(shield_classify(&shield, new, NOW_NS), SHIELD_TAGGED);
}

static void without_a_key_nothing_is_tagged(void **state)
{
	static struct shield none;
	uint8_t packet[SHIELD_PACKET_BYTES];

	(void)state;
	make(packet, 1, secret, NOW_NS);
	assert_int_equal(shield_classify(&none, packet, NOW_NS), SHIELD_UNTAGGED);
	shield_configure(&shield, NULL, NULL);
	assert_int_equal(shield_classify(&shield, packet, NOW_NS), SHIELD_UNTAGGED);
}

/* The tag does not cover what comes behind it: somebody who has recorded it can put junk there. */
static void a_tag_that_comes_too_often_is_worn(void **state)
{
	uint8_t packet[SHIELD_PACKET_BYTES];

	(void)state;
	make(packet, 1, secret, NOW_NS);
	for (int i = 0; i < 1000; i++) {
		randombytes_buf(packet + TAG_END, sizeof packet - TAG_END);
		assert_int_equal(shield_classify(&shield, packet, NOW_NS),
		    i < SHIELD_SEEN_MOST ? SHIELD_TAGGED : SHIELD_WORN);
	}
	assert_int_equal(class_of(2, NOW_NS, NOW_NS), SHIELD_TAGGED);
	/* In the next epoch it fits no less. */
	assert_int_equal(shield_classify(&shield, packet, NOW_NS + EPOCH_NS / 4), SHIELD_WORN);
}

/* More honest knocks than are remembered neither suffer nor hide the one that comes too often. */
static void a_crowd_does_not_hide_a_worn_tag(void **state)
{
	(void)state;
	for (int i = 0; i < SHIELD_SEEN_MOST; i++)
		assert_int_equal(class_of(0, NOW_NS, NOW_NS), SHIELD_TAGGED);
	for (uint32_t i = 1; i < 8 * SHIELD_SETS * SHIELD_WAYS; i++)
		assert_int_equal(class_of(i, NOW_NS, NOW_NS), SHIELD_TAGGED);
	assert_int_equal(class_of(0, NOW_NS, NOW_NS), SHIELD_WORN);
}

/* However many worn tags there are of epochs that are over, those of today find room. */
static void old_epochs_are_forgotten(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4 * SHIELD_SETS * SHIELD_WAYS; i++)
		for (int seen = 0; seen < SHIELD_SEEN_MOST; seen++)
			class_of(i, NOW_NS, NOW_NS);
	for (uint32_t i = 0; i < SHIELD_SETS; i++) {
		int64_t now_ns = NOW_NS + 3 * EPOCH_NS;

		for (int seen = 0; seen < SHIELD_SEEN_MOST; seen++)
			assert_int_equal(class_of(i, now_ns, now_ns), SHIELD_TAGGED);
		assert_int_equal(class_of(i, now_ns, now_ns), SHIELD_WORN);
	}
}

static void s_is_compared_with_the_whole_order(void **state)
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6,
	    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	uint8_t s[32];

	(void)state;
	assert_false(shield_s_below_order(order));
	for (size_t bit = 0; bit < 256; bit++) {
		memcpy(s, order, sizeof s);
		s[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(shield_s_below_order(s), sodium_compare(s, order, 32) < 0);
	}
	for (int i = 0; i < 10000; i++) {
		/* Alike in so many of the highest bytes. */
		memcpy(s, order, sizeof s);
		randombytes_buf(s, (size_t)(i % 33));
		assert_int_equal(shield_s_below_order(s), sodium_compare(s, order, 32) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(the_vectors_are_made_and_known, begin),
	    cmocka_unit_test_setup(stock_knocks_are_untagged, begin),
	    cmocka_unit_test_setup(each_bit_of_what_is_tagged_matters, begin),
	    cmocka_unit_test_setup(clocks_may_differ_by_a_minute, begin),
	    cmocka_unit_test_setup(epochs_go_on_below_zero, begin),
	    cmocka_unit_test_setup(the_clock_may_be_set, begin),
	    cmocka_unit_test_setup(both_secrets_of_a_rotation_count, begin),
	    cmocka_unit_test_setup(without_a_key_nothing_is_tagged, begin),
	    cmocka_unit_test_setup(a_tag_that_comes_too_often_is_worn, begin),
	    cmocka_unit_test_setup(a_crowd_does_not_hide_a_worn_tag, begin),
	    cmocka_unit_test_setup(old_epochs_are_forgotten, begin),
	    cmocka_unit_test_setup(s_is_compared_with_the_whole_order, begin),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
