#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "emulated.h"
#include "openspa_case.h"

#define APPENDED 2 /* cipher blocks */

/* Each in memory of exactly its size, so that reading beyond it shows under the sanitizer. */
static void other_sizes_are_refused(void **state)
{
	struct openspa_case c;
	struct openspa_request request;
	struct openspa_response response;

	(void)state;
	openspa_case_open(&c, 0);
	for (size_t size = 0; size <= OPENSPA_REQUEST_BYTES + APPENDED * 16; size++) {
		uint8_t *copy = calloc(1, size + (size == 0));

		assert_non_null(copy);
		memcpy(copy, c.vector->request,
		    size < OPENSPA_REQUEST_BYTES ? size : OPENSPA_REQUEST_BYTES);
		assert_int_equal(
		    openspa_case_accepts(&c, copy, size, &request), size == OPENSPA_REQUEST_BYTES);
		memcpy(copy, c.vector->response,
		    size < OPENSPA_RESPONSE_BYTES ? size : OPENSPA_RESPONSE_BYTES);
		assert_int_equal(openspa_case_answers(&c, copy, size, &response),
		    size == OPENSPA_RESPONSE_BYTES);
		free(copy);
	}
	openspa_case_close(&c);
}

static void every_flipped_bit_of_a_request_is_refused(void **state)
{
	struct openspa_case c;
	struct openspa_request got;
	uint8_t packet[OPENSPA_REQUEST_BYTES];
	unsigned int accepted = 0;

	(void)state;
	openspa_case_open(&c, 0);
	memcpy(packet, c.vector->request, sizeof packet);
	for (size_t bit = 0; bit < 8 * sizeof packet; bit += emulated_step()) {
		packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
		accepted += openspa_case_accepts(&c, packet, sizeof packet, &got);
		packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_int_equal(accepted, 0);
	assert_true(openspa_case_accepts(&c, packet, sizeof packet, &got));
	openspa_case_close(&c);
}

static void every_flipped_bit_of_a_response_is_refused(void **state)
{
	static const struct openspa_response nothing;
	struct openspa_case c;
	struct openspa_response got;
	uint8_t packet[OPENSPA_RESPONSE_BYTES];
	unsigned int accepted = 0;

	(void)state;
	openspa_case_open(&c, 0);
	memcpy(packet, c.vector->response, sizeof packet);
	for (size_t bit = 0; bit < 8 * sizeof packet; bit += emulated_step()) {
		packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
		memset(&got, 1, sizeof got);
		accepted += openspa_case_answers(&c, packet, sizeof packet, &got);
		assert_memory_equal(&got, &nothing, sizeof got);
		packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_int_equal(accepted, 0);
	assert_true(openspa_case_answers(&c, packet, sizeof packet, &got));
	openspa_case_close(&c);
}

/* The process that grants does not trust the one that looked at the header. */
static void open_checks_the_header_itself(void **state)
{
	static const struct openspa_request nothing;
	static const struct openspa_proof no_proof;
	struct openspa_case c;
	struct openspa_request got;
	struct openspa_proof proof;
	uint8_t packet[OPENSPA_REQUEST_BYTES];
	uint8_t key[OPENSPA_KEY_BYTES];

	(void)state;
	openspa_case_open(&c, 0);
	memcpy(packet, c.vector->request, sizeof packet);
	openspa_unseal(key, c.server, packet);
	assert_true(openspa_open(&got, &proof, key, packet));
	for (size_t bit = 0; bit < 8 * OPENSPA_HEADER_BYTES; bit++) {
		packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(openspa_right_header(packet));
		assert_false(openspa_open(&got, &proof, key, packet));
		assert_memory_equal(&got, &nothing, sizeof got);
		assert_memory_equal(&proof, &no_proof, sizeof proof);
		packet[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	openspa_case_close(&c);
}

/* A request whose client signs whatever payload it is given, for payloads that our builder would
 * not make. */
static bool accepts_payload(
    const struct openspa_case *c, const uint8_t payload[static OPENSPA_REQUEST_PAYLOAD_BYTES])
{
	uint8_t packet[OPENSPA_REQUEST_BYTES] = {0x10, 0x01};
	uint8_t statement[OPENSPA_REQUEST_SIGNED_BYTES] = {0x10, 0x01};
	uint8_t hidden[OPENSPA_REQUEST_HIDDEN_BYTES];
	uint8_t digest[RSA_DIGEST_BYTES];
	static const struct openspa_request nothing;
	struct envelope_randomness randomness;
	struct openspa_request got;
	bool accepted = false;

	memset(&got, 1, sizeof got);
	memcpy(statement + OPENSPA_HEADER_BYTES, payload, OPENSPA_REQUEST_PAYLOAD_BYTES);
	crypto_hash_sha256(digest, statement, sizeof statement);
	memcpy(hidden, payload, OPENSPA_REQUEST_PAYLOAD_BYTES);
	assert_true(rsa_key_sign(hidden + OPENSPA_REQUEST_PAYLOAD_BYTES, c->client, digest));
	envelope_randomness_fill(&randomness);
	assert_true(envelope_seal(packet + OPENSPA_HEADER_BYTES, hidden, sizeof hidden,
	    rsa_key_public(c->server), &randomness));
	accepted = openspa_case_accepts(c, packet, sizeof packet, &got);
	if (!accepted)
		assert_memory_equal(&got, &nothing, sizeof got);
	return accepted;
}

/* A change of a signed payload, and whether it is taken all the same. */
struct change {
	const char *what;
	uint8_t at;
	uint8_t value;
	bool fine;
};

static void unknown_values_are_refused_though_signed(void **state)
{
	/* offset, value: what stands there in the capture is TCP 22..22, method 1, no flags */
	static const struct change changes[] = {
	    {"unchanged", 27, 6, true},
	    {"UDP", 27, 17, true},
	    {"ICMP with ports", 27, 1, true},
	    {"IPv4 with ports", 27, 4, true},
	    {"ICMPv6 with ports", 27, 58, true},
	    {"protocol 0", 27, 0, false},
	    {"SCTP", 27, 132, false},
	    {"first port 0", 29, 0, false},
	    {"first after last", 29, 23, false},
	    {"last before first", 31, 21, false},
	    {"a range", 30, 1, true},
	    {"no signature method", 32, 0, false},
	    {"signature method 2", 32, 2, false},
	    {"behind NAT", 33, 0x80, true},
	    {"unknown flag", 33, 0x40, false},
	    {"unknown flag with NAT", 33, 0x81, false},
	    {"reserved byte", 34, 1, false},
	    {"reserved byte", 35, 0x80, false},
	    {"other address", 67, 9, true},
	};
	struct openspa_case c;

	(void)state;
	openspa_case_open(&c, 0);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		uint8_t payload[OPENSPA_REQUEST_PAYLOAD_BYTES];

		memcpy(payload, c.vector->signed_payload, sizeof payload);
		payload[changes[i].at] = changes[i].value;
		if (accepts_payload(&c, payload) != changes[i].fine)
			fail_msg("%s", changes[i].what);
	}
	openspa_case_close(&c);
}

/* The same of a server that signs whatever it is given. */
static bool answers_payload(
    const struct openspa_case *c, const uint8_t payload[static OPENSPA_RESPONSE_PAYLOAD_BYTES])
{
	static const struct openspa_response nothing;
	uint8_t packet[OPENSPA_RESPONSE_BYTES] = {0x18, 0x01};
	uint8_t statement[OPENSPA_RESPONSE_SIGNED_BYTES] = {0x18, 0x01};
	uint8_t hidden[OPENSPA_RESPONSE_HIDDEN_BYTES];
	uint8_t digest[RSA_DIGEST_BYTES];
	struct envelope_randomness randomness;
	struct openspa_response got;
	bool answered = false;

	memset(&got, 1, sizeof got);
	memcpy(statement + OPENSPA_HEADER_BYTES, payload, OPENSPA_RESPONSE_PAYLOAD_BYTES);
	crypto_hash_sha256(digest, statement, sizeof statement);
	memcpy(hidden, payload, OPENSPA_RESPONSE_PAYLOAD_BYTES);
	assert_true(rsa_key_sign(hidden + OPENSPA_RESPONSE_PAYLOAD_BYTES, c->server, digest));
	envelope_randomness_fill(&randomness);
	assert_true(envelope_seal(
	    packet + OPENSPA_HEADER_BYTES, hidden, sizeof hidden, &c->client_public, &randomness));
	answered = openspa_case_answers(c, packet, sizeof packet, &got);
	if (!answered)
		assert_memory_equal(&got, &nothing, sizeof got);
	return answered;
}

static void unknown_values_of_a_response_are_refused_though_signed(void **state)
{
	static const struct change changes[] = {
	    {"unchanged", 11, 6, true},
	    {"UDP", 11, 17, true},
	    {"ICMP with ports", 11, 1, true},
	    {"first port 0", 13, 0, false},
	    {"last before first", 15, 21, false},
	    {"one second", 17, 1, true},
	    {"no time", 17, 0, false},
	    {"no signature method", 18, 0, false},
	    {"signature method 2", 18, 2, false},
	    {"reserved byte", 19, 1, false},
	    {"reserved byte", 20, 1, false},
	    {"reserved byte", 23, 0x80, false},
	};
	uint8_t good[OPENSPA_RESPONSE_PAYLOAD_BYTES];
	struct openspa_case c;

	(void)state;
	openspa_case_open(&c, 0);
	memcpy(good, c.vector->response_payload, sizeof good);
	memcpy(good + 11, (const uint8_t[]){6, 0, 22, 0, 22, 0, 30}, 7);
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		uint8_t payload[OPENSPA_RESPONSE_PAYLOAD_BYTES];

		memcpy(payload, good, sizeof payload);
		payload[changes[i].at] = changes[i].value;
		if (answers_payload(&c, payload) != changes[i].fine)
			fail_msg("%s", changes[i].what);
	}
	openspa_case_close(&c);
}

static void ports_must_fit_the_protocol(void **state)
{
	(void)state;
	for (unsigned int protocol = 0; protocol <= UINT8_MAX; protocol++) {
		bool with_ports = protocol == 6 || protocol == 17;
		bool without = protocol == 1 || protocol == 4 || protocol == 58;
		bool either = with_ports || without; /* those without carry whatever was typed */

		assert_int_equal(ports_fit(&(struct ports){(uint8_t)protocol, 0, 0, 0}), without);
		assert_int_equal(ports_fit(&(struct ports){(uint8_t)protocol, 0, 1, 1}), either);
		assert_int_equal(
		    ports_fit(&(struct ports){(uint8_t)protocol, 0, 1, UINT16_MAX}), either);
		assert_int_equal(
		    ports_fit(&(struct ports){(uint8_t)protocol, 0, UINT16_MAX, UINT16_MAX}),
		    either);
		assert_int_equal(ports_fit(&(struct ports){(uint8_t)protocol, 0, 0, 1}), without);
		assert_false(ports_fit(&(struct ports){(uint8_t)protocol, 0, 2, 1}));
		assert_false(ports_fit(&(struct ports){(uint8_t)protocol, 0, 1, 0}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(other_sizes_are_refused),
	    cmocka_unit_test(every_flipped_bit_of_a_request_is_refused),
	    cmocka_unit_test(every_flipped_bit_of_a_response_is_refused),
	    cmocka_unit_test(open_checks_the_header_itself),
	    cmocka_unit_test(unknown_values_are_refused_though_signed),
	    cmocka_unit_test(unknown_values_of_a_response_are_refused_though_signed),
	    cmocka_unit_test(ports_must_fit_the_protocol),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
