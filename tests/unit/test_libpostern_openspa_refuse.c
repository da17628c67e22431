/* OpenSPA by the public calls: what they refuse, and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "openspa_pem.h"
#include "spa_sides.h"

#define PASSPHRASE "open, sesame"

static const struct openspa_v1_vector *const one = &openspa_v1_vectors[0];
static const struct postern_openspa_request no_request;
static const struct postern_openspa_response no_response;
static const struct postern_openspa_proof no_proof;

static void assert_nothing_sealed(const struct spa_sides *s,
    const struct postern_openspa_request *request, const struct postern_openspa_response *response,
    const struct postern_openspa_randomness *randomness)
{
	static const uint8_t zeros[POSTERN_OPENSPA_REQUEST_BYTES];
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES], answer[POSTERN_OPENSPA_RESPONSE_BYTES];

	memset(packet, 0xee, sizeof packet);
	memset(answer, 0xee, sizeof answer);
	assert_int_equal(
	    postern_openspa_request_seal(packet, request, s->client, s->server_public, randomness),
	    POSTERN_BAD_ARGUMENT);
	assert_memory_equal(packet, zeros, sizeof packet);
	assert_int_equal(postern_openspa_response_seal(
	                     answer, response, s->server, s->client_public, randomness),
	    POSTERN_BAD_ARGUMENT);
	assert_memory_equal(answer, zeros, sizeof answer);
}

static void nothing_is_sealed_that_would_be_refused(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t first, last;
	} bad[] = {{6, 0, 0}, {6, 2, 1}, {17, 0, 1}, {1, 2, 1}, {4, 1, 0}, {58, 2, 1}, {0, 0, 0},
	    {132, 1, 1}};
	struct spa_sides s = spa_sides_of(one);
	struct postern_openspa_randomness randomness = spa_some_dice();
	struct postern_openspa_request request = spa_request_of(one);
	struct postern_openspa_response response = spa_response_of(one);
	uint8_t answer[POSTERN_OPENSPA_RESPONSE_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		request.protocol = response.protocol = bad[i].protocol;
		request.first_port = response.first_port = bad[i].first;
		request.last_port = response.last_port = bad[i].last;
		assert_nothing_sealed(&s, &request, &response, &randomness);
	}
	request = spa_request_of(one);
	response = spa_response_of(one);
	randomness.filler[sizeof randomness.filler - 1] = 0;
	assert_nothing_sealed(&s, &request, &response, &randomness);
	randomness = spa_some_dice();
	response.duration_s = 0;
	assert_int_equal(postern_openspa_response_seal(
	                     answer, &response, s.server, s.client_public, &randomness),
	    POSTERN_BAD_ARGUMENT);
	spa_sides_free(&s);
}

/* Each length in a buffer of exactly that length, so that a sanitizer sees a step too far. */
static void every_other_length_is_refused(void **state)
{
	struct spa_sides s = spa_sides_of(one);
	uint8_t good_key[POSTERN_OPENSPA_KEY_BYTES];

	(void)state;
	assert_int_equal(
	    postern_openspa_request_unseal(good_key, s.server, one->request, sizeof one->request),
	    POSTERN_OK);
	for (size_t size = 0; size <= POSTERN_OPENSPA_REQUEST_BYTES + 32; size++) {
		bool right = size == sizeof one->request,
		     answer_right = size == sizeof one->response;
		uint8_t *packet = malloc(size), key[POSTERN_OPENSPA_KEY_BYTES];
		struct postern_openspa_request request;
		struct postern_openspa_response response;
		struct postern_openspa_proof proof;

		assert_non_null(packet);
		for (size_t i = 0; i < size; i++)
			packet[i] = one->request[i % sizeof one->request];
		assert_int_equal(postern_openspa_request_unseal(key, s.server, packet, size),
		    right ? POSTERN_OK : POSTERN_BAD_PACKET);
		assert_int_equal(
		    postern_openspa_request_open(&request, &proof, good_key, packet, size),
		    right ? POSTERN_OK : POSTERN_BAD_PACKET);
		for (size_t i = 0; i < size; i++)
			packet[i] = one->response[i % sizeof one->response];
		assert_int_equal(postern_openspa_response_open(
		                     &response, s.client, s.server_public, packet, size),
		    answer_right ? POSTERN_OK : POSTERN_BAD_PACKET);
		free(packet);
	}
	spa_sides_free(&s);
}

static void assert_nothing_left(
    const struct postern_openspa_request *request, const struct postern_openspa_proof *proof)
{
	assert_memory_equal(request, &no_request, sizeof *request);
	assert_memory_equal(proof, &no_proof, sizeof *proof);
}

/* One error whatever is wrong, and nothing left of what was opened on the way. */
static void every_change_looks_the_same(void **state)
{
	struct spa_sides s = spa_sides_of(one);
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES], answer[POSTERN_OPENSPA_RESPONSE_BYTES];

	(void)state;
	memcpy(packet, one->request, sizeof packet);
	memcpy(answer, one->response, sizeof answer);
	for (size_t at = 0; at < sizeof packet; at += at < 2 || at > SPA_BODY ? 1 : 8) {
		struct postern_openspa_request request;
		struct postern_openspa_proof proof;
		uint8_t key[POSTERN_OPENSPA_KEY_BYTES];
		bool header = at < POSTERN_OPENSPA_HEADER_BYTES;
		enum postern_error error;

		memset(&request, 0xee, sizeof request);
		memset(&proof, 0xee, sizeof proof);
		packet[at] ^= 1;
		assert_int_equal(
		    postern_openspa_request_unseal(key, s.server, packet, sizeof packet),
		    header ? POSTERN_BAD_PACKET : POSTERN_OK);
		error = postern_openspa_request_open(&request, &proof, key, packet, sizeof packet);
		if (error == POSTERN_OK)
			error = postern_openspa_request_verify(&proof, s.client_public) ==
			                POSTERN_BAD_SIGNATURE
			            ? POSTERN_BAD_PACKET
			            : POSTERN_OK;
		else
			assert_nothing_left(&request, &proof);
		assert_int_equal(error, POSTERN_BAD_PACKET);
		packet[at] ^= 1;
	}
	for (size_t at = 0; at < sizeof answer; at += at < 2 || at > SPA_BODY ? 1 : 8) {
		struct postern_openspa_response response;

		memset(&response, 0xee, sizeof response);
		answer[at] ^= 1;
		assert_int_equal(postern_openspa_response_open(
		                     &response, s.client, s.server_public, answer, sizeof answer),
		    POSTERN_BAD_PACKET);
		assert_memory_equal(&response, &no_response, sizeof response);
		answer[at] ^= 1;
	}
	spa_sides_free(&s);
}

/* Unsealing tells nothing: for a block of somebody else there is a key too, always the same. */
static void a_foreign_block_is_rejected_implicitly(void **state)
{
	static const uint8_t zeros[POSTERN_OPENSPA_KEY_BYTES];
	const struct openspa_v1_vector *foreign = &openspa_v1_vectors[1];
	struct spa_sides s = spa_sides_of(one), t = spa_sides_of(foreign);
	uint8_t right[POSTERN_OPENSPA_KEY_BYTES], wrong[2][POSTERN_OPENSPA_KEY_BYTES];
	struct postern_openspa_request request;
	struct postern_openspa_proof proof;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(postern_openspa_request_unseal(
		                     wrong[i], s.client, foreign->request, sizeof foreign->request),
		    POSTERN_OK);
	assert_int_equal(postern_openspa_request_unseal(
	                     right, t.server, foreign->request, sizeof foreign->request),
	    POSTERN_OK);
	assert_memory_equal(wrong[0], wrong[1], sizeof wrong[0]);
	assert_memory_not_equal(wrong[0], right, sizeof right);
	assert_memory_not_equal(wrong[0], zeros, sizeof zeros);
	assert_int_equal(postern_openspa_request_open(
	                     &request, &proof, wrong[0], foreign->request, sizeof foreign->request),
	    POSTERN_BAD_PACKET);
	spa_sides_free(&s);
	spa_sides_free(&t);
}

static void assert_private(const char *text, const char *passphrase, enum postern_error wanted)
{
	static char elsewhere[1];
	struct postern_openspa_private *key = (void *)elsewhere;

	assert_int_equal(
	    postern_openspa_private_from_pem(&key, text, strlen(text), passphrase), wanted);
	assert_int_equal(key != NULL, wanted == POSTERN_OK);
	postern_openspa_private_free(key);
}

static void assert_public(const char *text, enum postern_error wanted)
{
	static char elsewhere[1];
	struct postern_openspa_public *key = (void *)elsewhere;

	assert_int_equal(postern_openspa_public_from_pem(&key, text, strlen(text)), wanted);
	assert_int_equal(key != NULL, wanted == POSTERN_OK);
	postern_openspa_public_free(key);
}

static void reads_every_form_of_key(void **state)
{
	EVP_PKEY *pkey = pem_key(one->server_private_key_pem);
	char text[PEM_ROOM], public_text[PEM_ROOM];

	(void)state;
	pem_write_private(text, pkey, NULL);
	assert_private(text, NULL, POSTERN_OK);
	assert_private(text, "not looked at", POSTERN_OK);
	pem_write_private(text, pkey, PASSPHRASE);
	assert_private(text, PASSPHRASE, POSTERN_OK);
	assert_private(text, NULL, POSTERN_LOCKED);
	assert_private(text, "", POSTERN_WRONG_PASSPHRASE);
	assert_private(text, "Open, sesame", POSTERN_WRONG_PASSPHRASE);
	pem_write_public(public_text, pkey);
	assert_public(public_text, POSTERN_OK);
	assert_private(public_text, NULL, POSTERN_BAD_KEY);
	assert_public(text, POSTERN_BAD_KEY);
	pem_write_pkcs1(text, public_text, pkey);
	assert_private(text, NULL, POSTERN_OK);
	assert_public(public_text, POSTERN_OK);
	EVP_PKEY_free(pkey);
}

static void other_keys_are_refused(void **state)
{
	EVP_PKEY *small = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-256");
	char text[2 * PEM_ROOM];

	(void)state;
	pem_write_private(text, small, NULL);
	assert_private(text, NULL, POSTERN_BAD_KEY);
	pem_write_public(text, small);
	assert_public(text, POSTERN_BAD_KEY);
	pem_write_private(text, curve, NULL);
	assert_private(text, NULL, POSTERN_BAD_KEY);
	pem_write_public(text, curve);
	assert_public(text, POSTERN_BAD_KEY);
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);

	assert_private("", NULL, POSTERN_BAD_KEY);
	assert_public("ssh-rsa AAAAB3NzaC1yc2E= somebody\n", POSTERN_BAD_KEY);
	memset(text, '\n', sizeof text);
	memcpy(text + PEM_ROOM, one->client_public_key_pem, strlen(one->client_public_key_pem) + 1);
	assert_public(text, POSTERN_BAD_KEY);
	postern_openspa_private_free(NULL);
	postern_openspa_public_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_sealed_that_would_be_refused),
	    cmocka_unit_test(every_other_length_is_refused),
	    cmocka_unit_test(every_change_looks_the_same),
	    cmocka_unit_test(a_foreign_block_is_rejected_implicitly),
	    cmocka_unit_test(reads_every_form_of_key),
	    cmocka_unit_test(other_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
