/* What a block hides must not decide which way the code goes. envelope.c is compiled for this test
 * so that it reports each basic block it runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "envelope_blocks.h"

#define STEPS_MAX 4096

struct path {
	size_t steps;
	uintptr_t at[STEPS_MAX];
};

static struct path *recorded;

/* Called by the compiler's instrumentation. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	if (recorded == NULL)
		return;
	if (recorded->steps < STEPS_MAX)
		recorded->at[recorded->steps] = (uintptr_t)__builtin_return_address(0);
	recorded->steps++;
}

static struct rsa_key *receiver;

static void unseal(struct path *path, const uint8_t block[static RSA_KEY_BYTES])
{
	uint8_t key[ENVELOPE_KEY_BYTES];

	memset(path, 0, sizeof *path);
	recorded = path;
	envelope_unseal(key, receiver, block);
	recorded = NULL;
	assert_in_range(path->steps, 1, STEPS_MAX);
}

static void every_block_takes_the_same_path(void **state)
{
	static struct path good;
	static struct path bad;
	uint8_t block[RSA_KEY_BYTES];
	uint8_t key[ENVELOPE_KEY_BYTES];

	(void)state;
	envelope_block_good(block, key, rsa_key_public(receiver));
	unseal(&good, block);
	for (size_t i = 0; i < ENVELOPE_BAD_BLOCKS; i++) {
		const char *what = envelope_block_bad(block, key, rsa_key_public(receiver), i);

		unseal(&bad, block);
		if (bad.steps != good.steps || memcmp(bad.at, good.at, sizeof good.at) != 0)
			fail_msg("%s: another path", what);
	}
}

/* Wrong in the first byte of the padding or in the last: the refusals do not differ. */
static void every_bad_padding_takes_the_same_path(void **state)
{
	static const uint8_t plain[324];
	static struct path first;
	static struct path path;
	uint8_t envelope[ENVELOPE_BYTES(sizeof plain)];
	uint8_t opened[sizeof plain];
	struct envelope_randomness randomness;

	(void)state;
	envelope_randomness_fill(&randomness);
	assert_true(
	    envelope_seal(envelope, plain, sizeof plain, rsa_key_public(receiver), &randomness));
	for (size_t i = 1; i <= ENVELOPE_PADDED(sizeof plain) - sizeof plain; i++) {
		uint8_t *before = &envelope[sizeof envelope - ENVELOPE_BLOCK_BYTES - i];

		*before ^= 1;
		memset(&path, 0, sizeof path);
		recorded = &path;
		assert_false(envelope_open(opened, sizeof opened, randomness.key, envelope));
		recorded = NULL;
		*before ^= 1;
		if (i == 1)
			first = path;
		assert_int_not_equal(path.steps, 0);
		assert_memory_equal(&path, &first, sizeof path);
	}
}

/* The control: what is right takes another path than what is wrong, and that is seen. */
static void another_path_is_seen(void **state)
{
	static const uint8_t plain[324];
	static struct path paths[2];
	uint8_t envelope[ENVELOPE_BYTES(sizeof plain)];
	uint8_t opened[sizeof plain];
	struct envelope_randomness randomness;

	(void)state;
	envelope_randomness_fill(&randomness);
	assert_true(
	    envelope_seal(envelope, plain, sizeof plain, rsa_key_public(receiver), &randomness));
	for (size_t i = 0; i < 2; i++) {
		recorded = &paths[i];
		assert_int_equal(
		    envelope_open(opened, sizeof opened, randomness.key, envelope), i == 0);
		recorded = NULL;
		envelope[sizeof envelope - ENVELOPE_BLOCK_BYTES - 1] ^= 1;
	}
	assert_memory_not_equal(&paths[0], &paths[1], sizeof paths[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_block_takes_the_same_path),
	    cmocka_unit_test(every_bad_padding_takes_the_same_path),
	    cmocka_unit_test(another_path_is_seen),
	};
	int failed = 0;

	if (sodium_init() < 0)
		return 1;
	receiver = envelope_new_receiver();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rsa_key_free(receiver);
	return failed;
}
