#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "envelope_blocks.h"
#include "error_queue.h"
#include "proto/envelope.h"

#define PLAIN_BYTES 324 /* leaves 12 bytes of padding */
#define PADDING     (ENVELOPE_PADDED(PLAIN_BYTES) - PLAIN_BYTES)

static struct rsa_key *receiver;
static struct rsa_key *other;

static void comes_out_as_it_went_in(void **state)
{
	uint8_t plain[ENVELOPE_MAX];
	uint8_t envelope[ENVELOPE_HEAD_BYTES + ENVELOPE_MAX];
	uint8_t opened[ENVELOPE_MAX];
	uint8_t key[ENVELOPE_KEY_BYTES];
	struct envelope_randomness randomness;

	(void)state;
	randombytes_buf(plain, sizeof plain);
	for (size_t size = 0; size < ENVELOPE_MAX; size++) {
		envelope_randomness_fill(&randomness);
		assert_true(
		    envelope_seal(envelope, plain, size, rsa_key_public(receiver), &randomness));
		envelope_unseal(key, receiver, envelope);
		assert_memory_equal(key, randomness.key, sizeof key);
		assert_true(envelope_open(opened, size, key, envelope));
		assert_memory_equal(opened, plain, size);
		if (size % 64 != 0) /* a private operation for each would take long */
			size += 6;
	}
}

static void nothing_behind_the_dice_is_written(void **state)
{
	uint8_t room[sizeof(struct envelope_randomness) + 1] = {0};

	(void)state;
	for (int i = 0; i < 3000; i++) {
		envelope_randomness_fill((struct envelope_randomness *)room);
		assert_int_equal(room[sizeof room - 1], 0);
	}
}

static void dice_never_fall_on_zero(void **state)
{
	struct envelope_randomness first;
	struct envelope_randomness randomness;
	uint8_t envelope[ENVELOPE_BYTES(1)] = {1};

	(void)state;
	envelope_randomness_fill(&first);
	randomness = first;
	for (int i = 0; i < 3000; i++) { /* zeros are rare */
		envelope_randomness_fill(&randomness);
		assert_null(memchr(randomness.filler, 0, sizeof randomness.filler));
		assert_memory_not_equal(randomness.key, first.key, sizeof first.key);
		assert_memory_not_equal(randomness.iv, first.iv, sizeof first.iv);
		assert_memory_not_equal(randomness.filler, first.filler, sizeof first.filler);
		first = randomness;
	}
	randomness.filler[ENVELOPE_FILLER_BYTES - 1] = 0;
	assert_false(envelope_seal(
	    envelope, (const uint8_t *)"x", 1, rsa_key_public(receiver), &randomness));
	assert_true(sodium_is_zero(envelope, sizeof envelope));
}

static void good_block_gives_its_key(void **state)
{
	uint8_t block[RSA_KEY_BYTES];
	uint8_t key[ENVELOPE_KEY_BYTES];
	uint8_t inside[ENVELOPE_KEY_BYTES];

	(void)state;
	envelope_block_good(block, inside, rsa_key_public(receiver));
	envelope_unseal(key, receiver, block);
	assert_memory_equal(key, inside, sizeof key);
	envelope_unseal(key, other, block);
	assert_memory_not_equal(key, inside, sizeof key);
}

/* Whatever is wrong: a key that looks random, the same each time, made from what only the receiver
 * knows. */
static void bad_block_gives_a_key_nobody_knows(void **state)
{
	uint8_t block[RSA_KEY_BYTES];
	uint8_t inside[ENVELOPE_KEY_BYTES];
	uint8_t expected[ENVELOPE_KEY_BYTES];
	uint8_t key[ENVELOPE_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < ENVELOPE_BAD_BLOCKS; i++) {
		const char *what = envelope_block_bad(block, inside, rsa_key_public(receiver), i);

		crypto_auth_hmacsha256(expected, block, sizeof block, rsa_key_mark(receiver));
		for (int twice = 0; twice < 2; twice++) {
			envelope_unseal(key, receiver, block);
			if (memcmp(key, inside, sizeof key) == 0)
				fail_msg("%s: gives the key inside", what);
			if (memcmp(key, expected, sizeof key) != 0)
				fail_msg("%s: gives another key than it should", what);
		}
	}
}

static void mark_is_the_keys_own(void **state)
{
	(void)state;
	assert_memory_not_equal(rsa_key_mark(receiver), rsa_key_mark(other), RSA_MARK_BYTES);
	assert_false(sodium_is_zero(rsa_key_mark(receiver), RSA_MARK_BYTES));
}

/* Changes the last bytes of what is hidden, through the cipher block before them (the block that
 * takes the damage is none of the padding). */
static void every_wrong_padding_byte_is_refused(void **state)
{
	uint8_t plain[PLAIN_BYTES] = {0};
	uint8_t envelope[ENVELOPE_BYTES(PLAIN_BYTES)];
	uint8_t opened[PLAIN_BYTES];
	struct envelope_randomness randomness;

	(void)state;
	envelope_randomness_fill(&randomness);
	assert_true(
	    envelope_seal(envelope, plain, sizeof plain, rsa_key_public(receiver), &randomness));
	for (size_t i = 1; i <= ENVELOPE_BLOCK_BYTES; i++) {
		uint8_t *before = &envelope[sizeof envelope - ENVELOPE_BLOCK_BYTES - i];
		uint8_t was = *before;

		for (unsigned int change = 1; change <= UINT8_MAX; change++) {
			*before = (uint8_t)(was ^ change);
			memset(opened, 1, sizeof opened);
			assert_int_equal(
			    envelope_open(opened, sizeof opened, randomness.key, envelope),
			    i > PADDING);
			assert_int_equal(sodium_is_zero(opened, sizeof opened), i <= PADDING);
		}
		*before = was;
	}
	assert_true(envelope_open(opened, sizeof opened, randomness.key, envelope));
}

/* Well padded, as long as it should be, but for another size: PKCS#7 alone would take it. */
static void well_padded_for_another_size_is_refused(void **state)
{
	const size_t least = ENVELOPE_PADDED(PLAIN_BYTES) - ENVELOPE_BLOCK_BYTES;
	uint8_t plain[PLAIN_BYTES + PADDING] = {0};
	uint8_t envelope[ENVELOPE_BYTES(PLAIN_BYTES)];
	uint8_t opened[PLAIN_BYTES];
	struct envelope_randomness randomness;

	(void)state;
	envelope_randomness_fill(&randomness);
	for (size_t size = least; size < least + ENVELOPE_BLOCK_BYTES; size++) {
		assert_true(
		    envelope_seal(envelope, plain, size, rsa_key_public(receiver), &randomness));
		assert_int_equal(envelope_open(opened, sizeof opened, randomness.key, envelope),
		    size == PLAIN_BYTES);
	}
}

static void sizes_beyond_the_limit_are_refused(void **state)
{
	uint8_t plain[ENVELOPE_MAX] = {0};
	uint8_t envelope[ENVELOPE_BYTES(ENVELOPE_MAX)] = {1};
	struct envelope_randomness randomness;

	(void)state;
	envelope_randomness_fill(&randomness);
	assert_false(
	    envelope_seal(envelope, plain, sizeof plain, rsa_key_public(receiver), &randomness));
	assert_true(sodium_is_zero(envelope, sizeof envelope));
	memset(plain, 1, sizeof plain);
	assert_false(envelope_open(plain, sizeof plain, randomness.key, envelope));
	assert_true(sodium_is_zero(plain, sizeof plain));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_ERRORS(comes_out_as_it_went_in),
	    WITH_ERRORS(dice_never_fall_on_zero),
	    WITH_ERRORS(nothing_behind_the_dice_is_written),
	    WITH_ERRORS(good_block_gives_its_key),
	    WITH_ERRORS(bad_block_gives_a_key_nobody_knows),
	    WITH_ERRORS(mark_is_the_keys_own),
	    WITH_ERRORS(every_wrong_padding_byte_is_refused),
	    WITH_ERRORS(well_padded_for_another_size_is_refused),
	    WITH_ERRORS(sizes_beyond_the_limit_are_refused),
	};
	int failed = 0;

	if (sodium_init() < 0)
		return 1;
	receiver = envelope_new_receiver();
	other = envelope_new_receiver();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rsa_key_free(receiver);
	rsa_key_free(other);
	return failed;
}
