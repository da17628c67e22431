/* Of keys, and of what a packet hides, nothing is left on the stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/secret.h"
#include "openspa_case.h"
#include "own_stack.h"

#define PLAIN_BYTES 324

static struct openspa_case c;
static struct rsa_secret secret;
static struct envelope_randomness randomness;
static uint8_t plain[PLAIN_BYTES], opened[PLAIN_BYTES];
static uint8_t envelope[ENVELOPE_BYTES(PLAIN_BYTES)];
static uint8_t key[ENVELOPE_KEY_BYTES];
static struct openspa_request request;
static struct openspa_proof proof;
static struct openspa_response response;
static uint8_t packet[OPENSPA_REQUEST_BYTES];
static bool succeeded;

static void call_careless(void)
{
	uint8_t copy[ENVELOPE_KEY_BYTES];

	memcpy(copy, randomness.key, sizeof copy);
	__asm__ volatile("" : : "r"(copy) : "memory"); /* the copy is used, so it is made */
	succeeded = true;
}

static void call_seal(void)
{
	succeeded =
	    envelope_seal(envelope, plain, sizeof plain, rsa_key_public(c.server), &randomness);
}

/* Nothing is encrypted after the key has been. */
static void call_seal_for_nobody(void)
{
	static const struct rsa_public unusable;

	succeeded = !envelope_seal(envelope, plain, sizeof plain, &unusable, &randomness);
}

static void call_unseal(void)
{
	envelope_unseal(key, c.server, envelope);
	succeeded = true;
}

static void call_open(void)
{
	succeeded = envelope_open(opened, sizeof opened, randomness.key, envelope);
}

static void call_open_request(void)
{
	succeeded = openspa_open(&request, &proof, key, c.vector->request);
}

static void call_open_response(void)
{
	succeeded = openspa_response_open(&response, c.vector->response, OPENSPA_RESPONSE_BYTES,
	    c.client, rsa_key_public(c.server));
}

static void call_build_request(void)
{
	succeeded = openspa_request_build(
	    packet, &request, c.client, rsa_key_public(c.server), &randomness);
}

static void call_build_response(void)
{
	succeeded = openspa_response_build(
	    packet, &response, c.server, rsa_key_public(c.client), &randomness);
}

static void call_load(void)
{
	struct rsa_key *loaded = rsa_key_new(&secret);

	succeeded = loaded != NULL;
	rsa_key_free(loaded);
}

static void run(void (*call)(void))
{
	succeeded = false;
	own_stack_run(call);
	assert_true(succeeded);
}

static void nothing_of_the_envelope_remains(void (*call)(void))
{
	run(call);
	assert_false(own_stack_holds(randomness.key, sizeof randomness.key));
	assert_false(own_stack_holds(plain, sizeof plain));
}

static void the_search_finds_what_is_left(void **state)
{
	(void)state;
	run(call_careless);
	assert_true(own_stack_holds(randomness.key, sizeof randomness.key));
}

static void sealing_leaves_nothing(void **state)
{
	(void)state;
	nothing_of_the_envelope_remains(call_seal);
	nothing_of_the_envelope_remains(call_seal_for_nobody);
}

static void opening_leaves_nothing(void **state)
{
	(void)state;
	call_seal();
	nothing_of_the_envelope_remains(call_unseal);
	assert_memory_equal(key, randomness.key, sizeof key);
	nothing_of_the_envelope_remains(call_open);
	assert_memory_equal(opened, plain, sizeof opened);
}

/* Nor of the key that is given in place of the one in a bad block. */
static void refusing_leaves_nothing(void **state)
{
	(void)state;
	call_seal();
	envelope[RSA_KEY_BYTES - 1] ^= 1;
	run(call_unseal);
	assert_memory_not_equal(key, randomness.key, sizeof key);
	assert_false(own_stack_holds(key, sizeof key));
}

static void a_request_leaves_nothing(void **state)
{
	(void)state;
	openspa_unseal(key, c.server, c.vector->request);
	run(call_open_request);
	assert_false(own_stack_holds(key, sizeof key));
	assert_false(own_stack_holds(request.device, sizeof request.device));
	assert_false(own_stack_holds(proof.signature, sizeof proof.signature));
}

static void a_response_leaves_nothing(void **state)
{
	uint8_t hidden[OPENSPA_RESPONSE_HIDDEN_BYTES];
	const uint8_t *sealed = c.vector->response + OPENSPA_HEADER_BYTES;

	(void)state;
	envelope_unseal(key, c.client, sealed);
	assert_true(envelope_open(hidden, sizeof hidden, key, sealed));
	run(call_open_response);
	assert_false(own_stack_holds(key, sizeof key));
	assert_false(
	    own_stack_holds(hidden + OPENSPA_RESPONSE_PAYLOAD_BYTES, OPENSPA_SIGNATURE_BYTES));
}

/* What is in `packet` now, payload and signature. */
static void nothing_that_is_hidden_remains(size_t size)
{
	uint8_t hidden[OPENSPA_REQUEST_HIDDEN_BYTES];

	assert_true(envelope_open(hidden, size, randomness.key, packet + OPENSPA_HEADER_BYTES));
	assert_false(own_stack_holds(hidden, size));
	assert_false(own_stack_holds(randomness.key, sizeof randomness.key));
}

static void building_leaves_nothing(void **state)
{
	(void)state;
	openspa_unseal(key, c.server, c.vector->request);
	call_open_request();
	call_open_response();
	/* Eight zeros would be found anywhere. */
	randombytes_buf(&request.client_address, sizeof request.client_address);
	randombytes_buf(&request.server_address, sizeof request.server_address);
	run(call_build_request);
	nothing_that_is_hidden_remains(OPENSPA_REQUEST_HIDDEN_BYTES);
	run(call_build_response);
	nothing_that_is_hidden_remains(OPENSPA_RESPONSE_HIDDEN_BYTES);
}

/* Of what may not be said, either. */
static void building_nothing_leaves_nothing(void **state)
{
	(void)state;
	randombytes_buf(request.device, sizeof request.device);
	request.ports = (struct ports){.protocol = OPENSPA_TCP, .first = 2, .last = 1};
	own_stack_run(call_build_request);
	assert_false(succeeded);
	assert_false(own_stack_holds(request.device, sizeof request.device));
}

static void loading_a_key_leaves_nothing(void **state)
{
	uint8_t native[RSA_KEY_BYTES];

	(void)state;
	run(call_load);
	for (size_t i = 0; i < sizeof native; i++)
		native[i] = secret.exponent[sizeof native - 1 - i];
	assert_false(own_stack_holds(native, sizeof native));
	assert_false(own_stack_holds(secret.exponent, sizeof secret.exponent));
	assert_false(own_stack_holds(secret.p, sizeof secret.p));
}

static int prepare(void **state)
{
	(void)state;
	openspa_case_open(&c, 0);
	assert_int_equal(rsa_pem_read_secret(&secret, c.vector->client_private_key_pem,
	                     strlen(c.vector->client_private_key_pem), NULL),
	    RSA_FINE);
	randombytes_buf(plain, sizeof plain);
	envelope_randomness_fill(&randomness);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	openspa_case_close(&c);
	secret_wipe(&secret, sizeof secret);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_search_finds_what_is_left),
	    cmocka_unit_test(sealing_leaves_nothing),
	    cmocka_unit_test(opening_leaves_nothing),
	    cmocka_unit_test(refusing_leaves_nothing),
	    cmocka_unit_test(a_request_leaves_nothing),
	    cmocka_unit_test(a_response_leaves_nothing),
	    cmocka_unit_test(building_leaves_nothing),
	    cmocka_unit_test(building_nothing_leaves_nothing),
	    cmocka_unit_test(loading_a_key_leaves_nothing),
	};

	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, prepare, finish);
}
