/* OpenSPA by the public calls: what was captured is opened, and comes out again byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <time.h>

#include "openspa_pem.h"
#include "spa_sides.h"

static const struct openspa_v1_vector *const one = &openspa_v1_vectors[0];

static void assert_same_request(
    const struct postern_openspa_request *a, const struct postern_openspa_request *b)
{
	assert_true(a->timestamp_s == b->timestamp_s);
	assert_memory_equal(a->device, b->device, sizeof a->device);
	assert_memory_equal(a->nonce, b->nonce, sizeof a->nonce);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->first_port, b->first_port);
	assert_int_equal(a->last_port, b->last_port);
	assert_int_equal(a->behind_nat, b->behind_nat);
	assert_memory_equal(a->client_address, b->client_address, sizeof a->client_address);
	assert_memory_equal(a->server_address, b->server_address, sizeof a->server_address);
}

static void assert_same_response(
    const struct postern_openspa_response *a, const struct postern_openspa_response *b)
{
	assert_true(a->timestamp_s == b->timestamp_s);
	assert_memory_equal(a->nonce, b->nonce, sizeof a->nonce);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->first_port, b->first_port);
	assert_int_equal(a->last_port, b->last_port);
	assert_int_equal(a->duration_s, b->duration_s);
}

static void opens_what_was_captured(void **state)
{
	(void)state;
	for (size_t i = 0; i < SPA_CAPTURES; i++) {
		const struct openspa_v1_vector *v = &openspa_v1_vectors[i];
		struct postern_openspa_request request, wanted = spa_request_of(v);
		struct postern_openspa_response response, wanted_response = spa_response_of(v);
		struct spa_sides s = spa_sides_of(v);

		assert_true(spa_accepts(&request, &s, v->request, sizeof v->request));
		assert_same_request(&request, &wanted);
		assert_int_equal(postern_openspa_response_open(&response, s.client, s.server_public,
		                     v->response, sizeof v->response),
		    POSTERN_OK);
		assert_same_response(&response, &wanted_response);
		spa_sides_free(&s);
	}
}

/* What must stand under AES: payload and signature of the capture, padded. */
static void assert_hides(const uint8_t *packet, size_t packet_size,
    const struct postern_openspa_randomness *randomness, const uint8_t *payload,
    size_t payload_size, const uint8_t *signature)
{
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	uint8_t body[POSTERN_OPENSPA_REQUEST_BYTES];
	int sizes[3] = {0};

	assert_int_equal(
	    EVP_EncryptInit_ex(aes, EVP_aes_256_cbc(), NULL, randomness->key, randomness->iv), 1);
	assert_int_equal(EVP_EncryptUpdate(aes, body, &sizes[0], payload, (int)payload_size), 1);
	assert_int_equal(EVP_EncryptUpdate(
	                     aes, body + sizes[0], &sizes[1], signature, POSTERN_OPENSPA_RSA_BYTES),
	    1);
	assert_int_equal(EVP_EncryptFinal_ex(aes, body + sizes[0] + sizes[1], &sizes[2]), 1);
	EVP_CIPHER_CTX_free(aes);
	assert_int_equal(SPA_BODY + sizes[0] + sizes[1] + sizes[2], packet_size);
	assert_memory_equal(
	    packet + SPA_BODY - sizeof randomness->iv, randomness->iv, sizeof randomness->iv);
	assert_memory_equal(packet + SPA_BODY, body, packet_size - SPA_BODY);
}

/* What must stand under RSA: 00 02 filler 00 key. */
static void assert_block(const uint8_t *packet, const char *receiver_pem,
    const struct postern_openspa_randomness *randomness)
{
	EVP_PKEY *receiver = pem_key(receiver_pem);
	EVP_PKEY_CTX *rsa = EVP_PKEY_CTX_new(receiver, NULL);
	uint8_t padded[POSTERN_OPENSPA_RSA_BYTES];
	uint8_t wanted[POSTERN_OPENSPA_RSA_BYTES] = {0, 2};
	size_t size = sizeof padded;

	memcpy(wanted + 2, randomness->filler, sizeof randomness->filler);
	memcpy(wanted + sizeof wanted - sizeof randomness->key, randomness->key,
	    sizeof randomness->key);
	assert_int_equal(EVP_PKEY_decrypt_init(rsa), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_decrypt(rsa, padded, &size, packet + POSTERN_OPENSPA_HEADER_BYTES,
	                     sizeof padded),
	    1);
	assert_memory_equal(padded, wanted, sizeof padded);
	EVP_PKEY_CTX_free(rsa);
	EVP_PKEY_free(receiver);
}

/* From the captured words, the captured bytes: header, payload, signature, and around them just
 * what the randomness say. */
static void seals_what_was_captured(void **state)
{
	struct postern_openspa_randomness randomness = spa_some_dice();

	(void)state;
	for (size_t i = 0; i < SPA_CAPTURES; i++) {
		const struct openspa_v1_vector *v = &openspa_v1_vectors[i];
		struct postern_openspa_request request = spa_request_of(v);
		struct postern_openspa_response response = spa_response_of(v);
		struct spa_sides s = spa_sides_of(v);
		uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES];
		uint8_t answer[POSTERN_OPENSPA_RESPONSE_BYTES];

		assert_int_equal(postern_openspa_request_seal(
		                     packet, &request, s.client, s.server_public, &randomness),
		    POSTERN_OK);
		assert_memory_equal(packet, v->request, POSTERN_OPENSPA_HEADER_BYTES);
		assert_block(packet, v->server_private_key_pem, &randomness);
		assert_hides(packet, sizeof packet, &randomness, v->signed_payload,
		    sizeof v->signed_payload, v->signature);
		assert_int_equal(postern_openspa_response_seal(
		                     answer, &response, s.server, s.client_public, &randomness),
		    POSTERN_OK);
		assert_memory_equal(answer, v->response, POSTERN_OPENSPA_HEADER_BYTES);
		assert_block(answer, v->client_private_key_pem, &randomness);
		assert_hides(answer, sizeof answer, &randomness, v->response_payload,
		    sizeof v->response_payload, v->response_signature);
		spa_sides_free(&s);
	}
}

static void builds_with_time_and_randomness_of_its_own(void **state)
{
	struct postern_openspa_request request = spa_request_of(one), other = request, got;
	struct postern_openspa_response response = spa_response_of(one), response_got;
	struct spa_sides s = spa_sides_of(one);
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES], second[POSTERN_OPENSPA_REQUEST_BYTES];
	uint8_t answer[POSTERN_OPENSPA_RESPONSE_BYTES];
	int64_t now = time(NULL);

	(void)state;
	assert_int_equal(
	    postern_openspa_request_build(packet, &request, s.client, s.server_public), POSTERN_OK);
	assert_int_equal(
	    postern_openspa_request_build(second, &other, s.client, s.server_public), POSTERN_OK);
	assert_true(spa_accepts(&got, &s, packet, sizeof packet));
	assert_same_request(&got, &request);
	assert_in_range(got.timestamp_s - now, 0, 60);
	assert_memory_not_equal(request.nonce, other.nonce, sizeof other.nonce);
	assert_memory_not_equal(packet + SPA_BODY - POSTERN_OPENSPA_IV_BYTES,
	    second + SPA_BODY - POSTERN_OPENSPA_IV_BYTES, POSTERN_OPENSPA_IV_BYTES);

	assert_int_equal(
	    postern_openspa_response_build(answer, &response, s.server, s.client_public),
	    POSTERN_OK);
	assert_int_equal(postern_openspa_response_open(
	                     &response_got, s.client, s.server_public, answer, sizeof answer),
	    POSTERN_OK);
	assert_same_response(&response_got, &response);
	assert_in_range(response_got.timestamp_s - now, 0, 60);
	spa_sides_free(&s);
}

static void only_the_signer_counts(void **state)
{
	const struct openspa_v1_vector *other = &openspa_v1_vectors[1];
	struct spa_sides s = spa_sides_of(one), t = spa_sides_of(other);
	uint8_t key[POSTERN_OPENSPA_KEY_BYTES];
	struct postern_openspa_request request;
	struct postern_openspa_response response;
	struct postern_openspa_proof proof;

	(void)state;
	assert_int_equal(
	    postern_openspa_request_unseal(key, s.server, one->request, sizeof one->request),
	    POSTERN_OK);
	assert_int_equal(
	    postern_openspa_request_open(&request, &proof, key, one->request, sizeof one->request),
	    POSTERN_OK);
	assert_int_equal(postern_openspa_request_verify(&proof, s.client_public), POSTERN_OK);
	assert_int_equal(
	    postern_openspa_request_verify(&proof, t.client_public), POSTERN_BAD_SIGNATURE);
	assert_int_equal(postern_openspa_response_open(&response, s.client, s.client_public,
	                     one->response, sizeof one->response),
	    POSTERN_BAD_PACKET);
	spa_sides_free(&s);
	spa_sides_free(&t);
}

/* A replay that was sealed anew is known by its id; a second request has another. */
static void the_id_is_of_what_was_signed(void **state)
{
	struct spa_sides s = spa_sides_of(one);
	struct postern_openspa_request request = spa_request_of(one);
	struct postern_openspa_randomness randomness = spa_some_dice();
	uint8_t packets[3][POSTERN_OPENSPA_REQUEST_BYTES], ids[3][POSTERN_OPENSPA_REPLAY_BYTES];

	(void)state;
	memcpy(packets[0], one->request, sizeof packets[0]);
	for (int i = 1; i < 3; i++) {
		request.nonce[0] ^= (uint8_t)(i - 1);
		assert_int_equal(postern_openspa_request_seal(
		                     packets[i], &request, s.client, s.server_public, &randomness),
		    POSTERN_OK);
	}
	for (int i = 0; i < 3; i++) {
		uint8_t key[POSTERN_OPENSPA_KEY_BYTES];
		struct postern_openspa_proof proof;

		assert_int_equal(
		    postern_openspa_request_unseal(key, s.server, packets[i], sizeof packets[i]),
		    POSTERN_OK);
		assert_int_equal(postern_openspa_request_open(
		                     &request, &proof, key, packets[i], sizeof packets[i]),
		    POSTERN_OK);
		postern_openspa_request_id(ids[i], &proof);
	}
	assert_memory_not_equal(packets[0], packets[1], sizeof packets[0]);
	assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
	assert_memory_not_equal(ids[0], ids[2], sizeof ids[0]);
	spa_sides_free(&s);
}

#define THREADS 4
#define ROUNDS  40

/* NULL when every round went well. */
static void *exchange_over_and_over(void *sides)
{
	const struct spa_sides *s = sides;
	uint8_t packet[POSTERN_OPENSPA_REQUEST_BYTES], answer[POSTERN_OPENSPA_RESPONSE_BYTES];
	struct postern_openspa_request request = spa_request_of(one), got;
	struct postern_openspa_response response = spa_response_of(one), said;

	for (int i = 0; i < ROUNDS; i++) {
		if (postern_openspa_request_build(packet, &request, s->client, s->server_public) !=
		        POSTERN_OK ||
		    !spa_accepts(&got, s, packet, sizeof packet) ||
		    postern_openspa_response_build(
		        answer, &response, s->server, s->client_public) != POSTERN_OK ||
		    postern_openspa_response_open(
		        &said, s->client, s->server_public, answer, sizeof answer) != POSTERN_OK)
			return sides;
	}
	return NULL;
}

static void handles_serve_many_threads(void **state)
{
	struct spa_sides s = spa_sides_of(one);
	pthread_t threads[THREADS];
	void *failed = NULL;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, exchange_over_and_over, &s), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	spa_sides_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_what_was_captured),
	    cmocka_unit_test(seals_what_was_captured),
	    cmocka_unit_test(builds_with_time_and_randomness_of_its_own),
	    cmocka_unit_test(only_the_signer_counts),
	    cmocka_unit_test(the_id_is_of_what_was_signed),
	    cmocka_unit_test(handles_serve_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
