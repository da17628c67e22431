/* What is left on the stack: each call runs on a stack of its own, which is then searched for the
 * seal key and the shared secret behind it. Registers and freed memory are out of sight here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/openme.h"

#define STACK_BYTES (256 * 1024)
/* A secret that was spilled shows in pieces of a register. */
#define PIECE_BYTES 8

static uint8_t stack[STACK_BYTES];
static struct openme_ingredients ingredients;
static uint8_t server_secret[OPENME_SECRET_BYTES];
static uint8_t packet[OPENME_PACKET_BYTES];
static uint8_t key[OPENME_KEY_BYTES];
static struct openme_knock said;
static bool succeeded;

static void call_seal(void)
{
	succeeded = openme_seal(packet, &ingredients);
}

static void call_unseal(void)
{
	succeeded = openme_unseal(key, server_secret, packet);
}

static void call_open(void)
{
	succeeded = openme_open(&said, key, packet);
}

static void call_careless(void)
{
	uint8_t copy[OPENME_KEY_BYTES];

	memcpy(copy, key, sizeof copy);
	__asm__ volatile("" : : "r"(copy) : "memory"); /* the copy is used, so it is made */
	succeeded = true;
}

static void run_on_own_stack(void (*call)(void))
{
	ucontext_t here, there;

	memset(stack, 0, sizeof stack);
	assert_int_equal(getcontext(&there), 0);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof stack;
	there.uc_link = &here;
	makecontext(&there, call, 0);
	succeeded = false;
	assert_int_equal(swapcontext(&here, &there), 0);
	assert_true(succeeded);
}

static bool on_the_stack(const uint8_t *secret, size_t size)
{
	for (size_t at = 0; at + PIECE_BYTES <= size; at += PIECE_BYTES) {
		if (memmem(stack, sizeof stack, secret + at, PIECE_BYTES) != NULL)
			return true;
	}
	return false;
}

static int prepare(void **state)
{
	uint8_t seed[OPENME_SEED_BYTES];

	(void)state;
	randombytes_buf(&ingredients, sizeof ingredients);
	randombytes_buf(server_secret, sizeof server_secret);
	randombytes_buf(seed, sizeof seed);
	openme_server_public(ingredients.server_public, server_secret);
	openme_client_expand(ingredients.client_secret, seed);
	return openme_seal(packet, &ingredients) && openme_unseal(key, server_secret, packet) ? 0
	                                                                                      : 1;
}

static void nothing_of_the_key_remains(void (*call)(void))
{
	uint8_t shared[crypto_scalarmult_BYTES];

	assert_int_equal(crypto_scalarmult(shared, server_secret, packet + 1), 0);
	run_on_own_stack(call);
	assert_false(on_the_stack(key, sizeof key));
	assert_false(on_the_stack(shared, sizeof shared));
}

static void the_search_finds_what_is_left(void **state)
{
	(void)state;
	run_on_own_stack(call_careless);
	assert_true(on_the_stack(key, sizeof key));
}

static void seal_leaves_nothing(void **state)
{
	(void)state;
	nothing_of_the_key_remains(call_seal);
}

static void unseal_leaves_nothing(void **state)
{
	(void)state;
	nothing_of_the_key_remains(call_unseal);
}

static void open_leaves_nothing(void **state)
{
	(void)state;
	nothing_of_the_key_remains(call_open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_search_finds_what_is_left),
	    cmocka_unit_test(seal_leaves_nothing),
	    cmocka_unit_test(unseal_leaves_nothing),
	    cmocka_unit_test(open_leaves_nothing),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, prepare, NULL);
}
