#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/bytes.h"
#include "openspa_case.h"

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {{1, "ICMP"}, {4, "IPV4"}, {6, "TCP"}, {17, "UDP"}, {58, "ICMPV6"}};

static const char *protocol_name(uint8_t number)
{
	for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
		if (protocols[i].number == number)
			return protocols[i].name;
	}
	return "?";
}

static void assert_device(const uint8_t device[static OPENSPA_DEVICE_BYTES], const char *uuid)
{
	char hex[2 * OPENSPA_DEVICE_BYTES + 1];
	size_t next = 0;

	sodium_bin2hex(hex, sizeof hex, device, OPENSPA_DEVICE_BYTES);
	for (const char *at = uuid; *at != '\0'; at++) {
		if (*at != '-')
			assert_int_equal(*at, hex[next++]);
	}
	assert_int_equal(next, 2 * OPENSPA_DEVICE_BYTES);
}

static int64_t seconds_of(const uint8_t *payload)
{
	struct reader r = reader_of(payload, 8);

	return (int64_t)reader_u64(&r);
}

static void opens_every_captured_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < CAPTURES; i++) {
		struct openspa_case c;
		struct openspa_request got;
		char text[ADDR_TEXT_BYTES];

		memset(&got, 0xff, sizeof got);
		openspa_case_open(&c, i);
		assert_true(
		    openspa_case_accepts(&c, c.vector->request, sizeof c.vector->request, &got));
		assert_int_equal(got.timestamp_s, seconds_of(c.vector->signed_payload));
		assert_device(got.device, c.vector->client_device_id);
		assert_memory_equal(got.nonce, c.vector->signed_payload + 24, sizeof got.nonce);
		assert_string_equal(protocol_name(got.ports.protocol), c.vector->protocol);
		assert_int_equal(got.ports.zero, 0); /* nothing of our memory goes on with it */
		assert_int_equal(got.ports.first, c.vector->start_port);
		assert_int_equal(got.ports.last, c.vector->end_port);
		assert_int_equal(got.behind_nat, c.vector->behind_nat);
		assert_string_equal(addr_text(&got.client_address, text), c.vector->client_ip);
		assert_string_equal(addr_text(&got.server_address, text), c.vector->server_ip);
		openspa_case_close(&c);
	}
}

static void proof_is_what_was_signed(void **state)
{
	(void)state;
	for (size_t i = 0; i < CAPTURES; i++) {
		struct openspa_case c;
		struct openspa_request got;
		struct openspa_proof proof;
		uint8_t key[OPENSPA_KEY_BYTES];
		uint8_t id[OPENSPA_REPLAY_BYTES];
		uint8_t expected[OPENSPA_REPLAY_BYTES];

		openspa_case_open(&c, i);
		openspa_unseal(key, c.server, c.vector->request);
		assert_true(openspa_open(&got, &proof, key, c.vector->request));
		assert_memory_equal(proof.statement, c.vector->request, OPENSPA_HEADER_BYTES);
		assert_memory_equal(proof.statement + OPENSPA_HEADER_BYTES,
		    c.vector->signed_payload, OPENSPA_REQUEST_PAYLOAD_BYTES);
		assert_memory_equal(proof.signature, c.vector->signature, sizeof proof.signature);
		openspa_replay_id(id, &proof);
		crypto_hash_sha256(expected, proof.statement, sizeof proof.statement);
		assert_memory_equal(id, expected, sizeof id);
		openspa_case_close(&c);
	}
}

static void only_the_signer_verifies(void **state)
{
	struct openspa_case a;
	struct openspa_case b;
	struct openspa_request got;

	(void)state;
	openspa_case_open(&a, 0);
	openspa_case_open(&b, 1);
	assert_memory_not_equal(&a.client_public, &b.client_public, sizeof a.client_public);
	assert_false(openspa_case_accepts(&a, b.vector->request, OPENSPA_REQUEST_BYTES, &got));
	assert_true(openspa_case_accepts(&b, b.vector->request, OPENSPA_REQUEST_BYTES, &got));
	openspa_case_close(&a);
	openspa_case_close(&b);
}

static void opens_every_captured_response(void **state)
{
	(void)state;
	for (size_t i = 0; i < CAPTURES; i++) {
		struct openspa_case c;
		struct openspa_response got;

		memset(&got, 0xff, sizeof got);
		openspa_case_open(&c, i);
		assert_true(
		    openspa_case_answers(&c, c.vector->response, sizeof c.vector->response, &got));
		assert_int_equal(got.timestamp_s, seconds_of(c.vector->response_payload));
		assert_memory_equal(got.nonce, c.vector->response_payload + 8, sizeof got.nonce);
		assert_string_equal(protocol_name(got.ports.protocol), c.vector->protocol);
		assert_int_equal(got.ports.zero, 0); /* nothing of our memory goes on with it */
		assert_int_equal(got.ports.first, c.vector->start_port);
		assert_int_equal(got.ports.last, c.vector->end_port);
		assert_int_equal(got.duration_s, c.vector->duration_s);
		openspa_case_close(&c);
	}
}

static void response_of_another_server_is_refused(void **state)
{
	static const struct openspa_response nothing;
	struct openspa_case c;
	struct openspa_response got;

	(void)state;
	openspa_case_open(&c, 0);
	assert_false(openspa_response_open(
	    &got, c.vector->response, OPENSPA_RESPONSE_BYTES, c.client, &c.client_public));
	assert_memory_equal(&got, &nothing, sizeof got);
	openspa_case_close(&c);
}

/* ::12ff:ff01:203 is not IPv4, wherever its ff stand. */
static void mapped_addresses_are_told_by_their_prefix(void **state)
{
	struct openspa_case c;
	struct openspa_request request = {.timestamp_s = INT64_MIN,
	    .ports.protocol = OPENSPA_TCP,
	    .ports.first = 1,
	    .ports.last = 2};
	struct openspa_request got;
	struct envelope_randomness randomness;
	uint8_t packet[OPENSPA_REQUEST_BYTES];

	(void)state;
	openspa_case_open(&c, 0);
	assert_true(addr_parse(&request.client_address, "::12ff:ff01:203"));
	assert_true(addr_parse(&request.server_address, "192.0.2.1"));
	envelope_randomness_fill(&randomness);
	assert_true(openspa_request_build(
	    packet, &request, c.client, rsa_key_public(c.server), &randomness));
	assert_true(openspa_case_accepts(&c, packet, sizeof packet, &got));
	assert_true(got.timestamp_s == INT64_MIN);
	assert_false(addr_is_v4(&got.client_address));
	assert_true(addr_is_v4(&got.server_address));
	openspa_case_close(&c);
}

/* A captured request comes out byte for byte when it is built from its own parts: everything but
 * the filler, which only RSA itself can hide. */
static void rebuilds_every_captured_statement(void **state)
{
	(void)state;
	for (size_t i = 0; i < CAPTURES; i++) {
		struct openspa_case c;
		struct openspa_request got;
		struct openspa_proof proof;
		struct envelope_randomness randomness;
		uint8_t packet[OPENSPA_REQUEST_BYTES];

		openspa_case_open(&c, i);
		envelope_randomness_fill(&randomness);
		openspa_unseal(randomness.key, c.server, c.vector->request);
		memcpy(randomness.iv, c.vector->request + OPENSPA_HEADER_BYTES + RSA_KEY_BYTES,
		    sizeof randomness.iv);
		assert_true(openspa_open(&got, &proof, randomness.key, c.vector->request));
		assert_true(openspa_request_build(
		    packet, &got, c.client, rsa_key_public(c.server), &randomness));
		assert_memory_equal(packet, c.vector->request, OPENSPA_HEADER_BYTES);
		assert_memory_equal(packet + OPENSPA_HEADER_BYTES + RSA_KEY_BYTES,
		    c.vector->request + OPENSPA_HEADER_BYTES + RSA_KEY_BYTES,
		    sizeof packet - OPENSPA_HEADER_BYTES - RSA_KEY_BYTES);
		openspa_case_close(&c);
	}
}

static void built_response_opens(void **state)
{
	static const struct openspa_response response = {.timestamp_s = -1,
	    .nonce = {1, 2, 3},
	    .ports.protocol = OPENSPA_UDP,
	    .ports.first = 1,
	    .ports.last = UINT16_MAX,
	    .duration_s = UINT16_MAX};
	struct openspa_case c;
	struct openspa_response got;
	struct envelope_randomness randomness;
	uint8_t packet[OPENSPA_RESPONSE_BYTES];

	(void)state;
	openspa_case_open(&c, 0);
	envelope_randomness_fill(&randomness);
	assert_true(
	    openspa_response_build(packet, &response, c.server, &c.client_public, &randomness));
	assert_true(openspa_case_answers(&c, packet, sizeof packet, &got));
	assert_true(got.timestamp_s == response.timestamp_s);
	assert_memory_equal(got.nonce, response.nonce, sizeof got.nonce);
	assert_int_equal(got.ports.protocol, response.ports.protocol);
	assert_int_equal(got.ports.first, response.ports.first);
	assert_int_equal(got.ports.last, response.ports.last);
	assert_int_equal(got.duration_s, response.duration_s);
	openspa_case_close(&c);
}

static void assert_zeroed(const uint8_t *bytes, size_t size)
{
	assert_true(sodium_is_zero(bytes, size));
}

static void nothing_is_built_that_would_be_refused(void **state)
{
	struct openspa_request request = {
	    .ports.protocol = OPENSPA_TCP, .ports.first = 2, .ports.last = 1};
	struct openspa_response response = {
	    .ports.protocol = OPENSPA_TCP, .ports.first = 1, .ports.last = 1, .duration_s = 0};
	struct rsa_public unusable = {{0}, {0}};
	struct openspa_case c;
	struct envelope_randomness randomness;
	uint8_t packet[OPENSPA_REQUEST_BYTES] = {1};
	uint8_t answer[OPENSPA_RESPONSE_BYTES] = {1};

	(void)state;
	openspa_case_open(&c, 0);
	envelope_randomness_fill(&randomness);
	assert_false(
	    openspa_request_build(packet, &request, c.client, &c.client_public, &randomness));
	assert_zeroed(packet, sizeof packet);
	assert_false(
	    openspa_response_build(answer, &response, c.client, &c.client_public, &randomness));
	assert_zeroed(answer, sizeof answer);
	request.ports.last = 2;
	response.duration_s = 1;
	packet[0] = answer[0] = 1;
	assert_false(openspa_request_build(packet, &request, c.client, &unusable, &randomness));
	assert_zeroed(packet, sizeof packet);
	assert_false(openspa_response_build(answer, &response, c.client, &unusable, &randomness));
	assert_zeroed(answer, sizeof answer);
	openspa_case_close(&c);
}

/* The same statement under another envelope is another packet with the same replay id. */
static void replay_id_outlives_the_envelope(void **state)
{
	struct openspa_case c;
	struct openspa_request got;
	struct openspa_proof first;
	struct openspa_proof second;
	struct envelope_randomness randomness;
	uint8_t key[OPENSPA_KEY_BYTES];
	uint8_t ids[2][OPENSPA_REPLAY_BYTES];
	uint8_t packet[OPENSPA_REQUEST_BYTES];

	(void)state;
	openspa_case_open(&c, 0);
	openspa_unseal(key, c.server, c.vector->request);
	assert_true(openspa_open(&got, &first, key, c.vector->request));
	envelope_randomness_fill(&randomness);
	assert_true(
	    openspa_request_build(packet, &got, c.client, rsa_key_public(c.server), &randomness));
	assert_memory_not_equal(packet, c.vector->request, sizeof packet);
	openspa_unseal(key, c.server, packet);
	assert_true(openspa_open(&got, &second, key, packet));
	openspa_replay_id(ids[0], &first);
	openspa_replay_id(ids[1], &second);
	assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
	second.statement[OPENSPA_REQUEST_SIGNED_BYTES - 1] ^= 1;
	openspa_replay_id(ids[1], &second);
	assert_memory_not_equal(ids[0], ids[1], sizeof ids[0]);
	openspa_case_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opens_every_captured_request),
	    cmocka_unit_test(proof_is_what_was_signed),
	    cmocka_unit_test(only_the_signer_verifies),
	    cmocka_unit_test(opens_every_captured_response),
	    cmocka_unit_test(response_of_another_server_is_refused),
	    cmocka_unit_test(mapped_addresses_are_told_by_their_prefix),
	    cmocka_unit_test(rebuilds_every_captured_statement),
	    cmocka_unit_test(built_response_opens),
	    cmocka_unit_test(nothing_is_built_that_would_be_refused),
	    cmocka_unit_test(replay_id_outlives_the_envelope),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
