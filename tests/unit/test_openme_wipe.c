/* Of the seal key, the shared secret behind it, the client's seed and what a knock says nothing is
 * left on the stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "own_stack.h"
#include "proto/hint.h"
#include "proto/openme.h"

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

static void call_client_public(void)
{
	uint8_t public_key[OPENME_PUBLIC_BYTES];

	openme_client_public(public_key, ingredients.client_secret);
	succeeded = true;
}

static void call_secret_usable(void)
{
	succeeded = openme_client_secret_usable(ingredients.client_secret);
}

static uint8_t hint_key[HINT_KEY_BYTES];

static void call_hint_key_of_client(void)
{
	succeeded =
	    hint_key_of_client(hint_key, ingredients.client_secret, ingredients.server_public);
}

static void call_hint_key_of_server(void)
{
	succeeded = hint_key_of_server(hint_key, server_secret, ingredients.server_public,
	    ingredients.client_secret + OPENME_SEED_BYTES);
}

static void call_hint_make(void)
{
	uint8_t nonce[OPENME_NONCE_BYTES];

	hint_make(nonce, hint_key, packet, 1, packet, packet);
	succeeded = true;
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
	succeeded = false;
	own_stack_run(call);
	assert_true(succeeded);
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
	assert_false(own_stack_holds(key, sizeof key));
	assert_false(own_stack_holds(shared, sizeof shared));
	assert_false(own_stack_holds(ingredients.client_secret, OPENME_SEED_BYTES));
	assert_false(own_stack_holds(ingredients.knock.nonce, sizeof ingredients.knock.nonce));
}

static void the_search_finds_what_is_left(void **state)
{
	(void)state;
	run_on_own_stack(call_careless);
	assert_true(own_stack_holds(key, sizeof key));
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

static void a_client_leaves_no_seed(void **state)
{
	(void)state;
	nothing_of_the_key_remains(call_client_public);
	nothing_of_the_key_remains(call_secret_usable);
}

static void hints_leave_nothing(void **state)
{
	static void (*const calls[])(void) = {
	    call_hint_key_of_client, call_hint_key_of_server, call_hint_make};
	uint8_t scalar[crypto_scalarmult_SCALARBYTES], shared[crypto_scalarmult_BYTES];

	(void)state;
	crypto_sign_ed25519_sk_to_curve25519(scalar, ingredients.client_secret);
	assert_int_equal(crypto_scalarmult(shared, scalar, ingredients.server_public), 0);
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		run_on_own_stack(calls[i]);
		assert_false(own_stack_holds(ingredients.client_secret, OPENME_SEED_BYTES));
		assert_false(own_stack_holds(server_secret, sizeof server_secret));
		assert_false(own_stack_holds(scalar, sizeof scalar));
		assert_false(own_stack_holds(shared, sizeof shared));
		assert_false(own_stack_holds(hint_key, sizeof hint_key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_search_finds_what_is_left),
	    cmocka_unit_test(seal_leaves_nothing),
	    cmocka_unit_test(unseal_leaves_nothing),
	    cmocka_unit_test(open_leaves_nothing),
	    cmocka_unit_test(a_client_leaves_no_seed),
	    cmocka_unit_test(hints_leave_nothing),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, prepare, NULL);
}
