/* The admission of OpenSPA requests, with and without programs to ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admit/admit.h"
#include "admit/replay_file.h"
#include "base/secret.h"
#include "openspa_case.h"

#define S INT64_C(1000000000)

static const int64_t NOW = INT64_C(1795206902) * S;
static const uint8_t LISTED[DEVICE_UUID_BYTES] = {1}, STRANGER[DEVICE_UUID_BYTES] = {2};

enum { LISTED_HOLDER, UNLISTED_HOLDER, HOLDERS };

static struct {
	struct openspa_case keys;
	struct snapshot_header header;
	struct device devices[1];
	struct openspa_rule rules[1];
	struct cidr cidrs[1]; /* none is used; a mapped snapshot always has the place */
	struct snapshot snapshot;
	struct replay replay;
	struct ledger *ledger;
	struct budget budget;
} world;

static int set_up(void **state)
{
	struct openspa_settings *settings = &world.header.settings.openspa;

	(void)state;
	memset(&world, 0, sizeof world);
	openspa_case_open(&world.keys, 0);
	settings->enabled = true;
	settings->window_ns = 300 * S;
	settings->rules.count = 1;
	world.header.settings.client_quota = 2;
	world.rules[0] = (struct openspa_rule){.last = UINT16_MAX, .duration_s = 30};
	memcpy(world.devices[0].uuid, LISTED, sizeof LISTED);
	memcpy(world.devices[0].modulus, world.keys.client_public.modulus, RSA_KEY_BYTES);
	memcpy(world.devices[0].exponent, world.keys.client_public.exponent, RSA_EXPONENT_BYTES);
	world.devices[0].rules.count = 1;
	world.devices[0].expires_ns = NEVER_NS;
	world.snapshot = (struct snapshot){.header = &world.header,
	    .settings = &world.header.settings,
	    .devices = world.devices,
	    .rules = world.rules,
	    .cidrs = world.cidrs,
	    .device_count = 1,
	    .rule_count = 1};
	world.ledger = ledger_new(16, HOLDERS);
	budget_init(&world.budget);
	return !replay_open_empty(&world.replay, HOLDERS, 60 * S) || world.ledger == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	openspa_case_close(&world.keys);
	ledger_free(world.ledger);
	replay_close(&world.replay);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static struct knock request_by(
    const uint8_t device[static DEVICE_UUID_BYTES], const char *target, int64_t stamp)
{
	struct openspa_request request = {.timestamp_s = stamp / S,
	    .protocol = OPENSPA_TCP,
	    .first_port = 22,
	    .last_port = 22,
	    .behind_nat = true,
	    .client_address = address(target),
	    .server_address = address("192.0.2.1")};
	struct knock k = {.packet.record = {.source = address("192.0.2.7"),
	                      .protocol = RECORD_OPENSPA,
	                      .size = OPENSPA_REQUEST_BYTES}};
	const struct rsa_public *server = rsa_key_public(world.keys.server);
	struct envelope_randomness randomness;

	memcpy(request.device, device, sizeof request.device);
	secret_random(request.nonce, sizeof request.nonce);
	envelope_randomness_fill(&randomness);
	assert_true(openspa_request_build(
	    k.packet.record.bytes, &request, world.keys.client, server, &randomness));
	return k;
}

static enum verdict at_the_door(struct knock *k)
{
	const struct codec_secrets secrets = {.openspa = world.keys.server};
	const struct admission a = {.side = ADMIT_DOORMAN,
	    .config = &world.snapshot,
	    .secrets = &secrets,
	    .budget = &world.budget};

	return admit(&a, k);
}

static enum verdict by_the_keeper(struct knock *k)
{
	const struct admission a = {.side = ADMIT_KEEPER,
	    .config = &world.snapshot,
	    .replay = &world.replay,
	    .holders = HOLDERS,
	    .ledger = world.ledger,
	    .now_ns = NOW};

	return admit(&a, k);
}

static enum verdict through(struct knock *k)
{
	enum verdict v = at_the_door(k);

	return v == VERDICT_HANDED_ON ? by_the_keeper(k) : v;
}

static void a_listed_device_is_granted(void **state)
{
	static const char *const targets[] = {"192.0.2.7", "2001:db8::7", "0.0.0.0"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct knock k = request_by(LISTED, targets[i], NOW);

		assert_int_equal(through(&k), VERDICT_GRANTED);
		assert_int_equal(k.holder, LISTED_HOLDER);
		assert_int_equal(k.duration_ns, 30 * S);
		assert_true(k.packet.asked.behind_nat);
		assert_memory_equal(&k.signer_key, &world.keys.client_public, sizeof k.signer_key);
	}
}

static void the_keeper_finds_the_holder_itself(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	k.holder = UNLISTED_HOLDER; /* as a doorman that lies would say */
	assert_int_equal(by_the_keeper(&k), VERDICT_GRANTED);
	assert_int_equal(k.holder, LISTED_HOLDER);
}

static void a_stranger_is_refused_at_the_door(void **state)
{
	struct knock k = request_by(STRANGER, "192.0.2.7", NOW);

	(void)state;
	assert_int_equal(at_the_door(&k), VERDICT_UNKNOWN_SIGNER);
	assert_int_equal(by_the_keeper(&k), VERDICT_UNKNOWN_SIGNER);
}

static void the_directory_is_asked_for_a_stranger(void **state)
{
	struct knock k = request_by(STRANGER, "192.0.2.7", NOW), again;

	(void)state;
	world.header.settings.openspa.directory = CONF_ASKED_SCRIPT;
	assert_int_equal(through(&k), VERDICT_ASKED);
	assert_int_equal(k.question, QUESTION_KEY);
	assert_int_equal(ledger_count(world.ledger), 0);
	assert_int_equal(world.replay.marks.used, 0);
	k.program_result.has_key = true;
	k.program_result.key = world.keys.client_public;
	k.holder = UNLISTED_HOLDER;
	again = k;
	assert_int_equal(by_the_keeper(&k), VERDICT_GRANTED);
	assert_int_equal(k.duration_ns, 30 * S);
	assert_int_equal(by_the_keeper(&again), VERDICT_REPLAYED);
}

static void another_key_than_the_signer_s(void **state)
{
	struct knock k = request_by(STRANGER, "192.0.2.7", NOW);

	(void)state;
	world.header.settings.openspa.directory = CONF_ASKED_SCRIPT;
	assert_int_equal(through(&k), VERDICT_ASKED);
	k.program_result.has_key = true;
	k.program_result.key = *rsa_key_public(world.keys.server);
	k.holder = UNLISTED_HOLDER;
	assert_int_equal(by_the_keeper(&k), VERDICT_UNKNOWN_SIGNER);
}

static void no_place_for_a_unlisted(void **state)
{
	struct knock k = request_by(STRANGER, "192.0.2.7", NOW);

	(void)state;
	world.header.settings.openspa.directory = CONF_ASKED_HELPER;
	assert_int_equal(through(&k), VERDICT_ASKED);
	k.program_result.has_key = true;
	k.program_result.key = world.keys.client_public;
	k.holder = DIRECTORY_NOBODY;
	assert_int_equal(by_the_keeper(&k), VERDICT_NO_MEMORY);
}

static void a_row_without_a_key_asks_too(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	world.header.settings.openspa.directory = CONF_ASKED_SCRIPT;
	memset(world.devices[0].modulus, 0, sizeof world.devices[0].modulus);
	assert_int_equal(through(&k), VERDICT_ASKED);
	assert_int_equal(k.question, QUESTION_KEY);
	k.program_result.has_key = true;
	k.program_result.key = world.keys.client_public;
	assert_int_equal(by_the_keeper(&k), VERDICT_GRANTED);
	assert_int_equal(k.holder, LISTED_HOLDER);
	assert_int_equal(k.duration_ns, 30 * S);
}

static void authorization_is_asked_last(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW), again = k;
	struct knock stale = request_by(LISTED, "192.0.2.7", NOW - 301 * S);
	struct knock nowhere = request_by(LISTED, "127.0.0.1", NOW);

	(void)state;
	world.header.settings.openspa.authorization = CONF_ASKED_SCRIPT;
	assert_int_equal(through(&stale), VERDICT_STALE);
	assert_int_equal(through(&nowhere), VERDICT_TARGET_REFUSED);
	assert_int_equal(through(&k), VERDICT_ASKED);
	assert_int_equal(k.question, QUESTION_DURATION);
	assert_int_equal(world.replay.marks.used, 0);
	k.program_result.duration_s = 77;
	assert_int_equal(by_the_keeper(&k), VERDICT_GRANTED);
	assert_int_equal(k.duration_ns, 77 * S);
	/* Who came before is not asked about again. */
	assert_int_equal(through(&again), VERDICT_REPLAYED);
}

static void the_same_request_twice_while_a_program_thinks(void **state)
{
	struct knock one = request_by(LISTED, "192.0.2.7", NOW), two = one;

	(void)state;
	world.header.settings.openspa.authorization = CONF_ASKED_SCRIPT;
	assert_int_equal(through(&one), VERDICT_ASKED);
	assert_int_equal(through(&two), VERDICT_ASKED);
	one.program_result.duration_s = two.program_result.duration_s = 30;
	assert_int_equal(by_the_keeper(&one), VERDICT_GRANTED);
	assert_int_equal(by_the_keeper(&two), VERDICT_REPLAYED);
}

static void revoked_while_a_program_thinks(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	world.header.settings.openspa.authorization = CONF_ASKED_SCRIPT;
	assert_int_equal(through(&k), VERDICT_ASKED);
	k.program_result.duration_s = 30;
	world.devices[0].revoked = true;
	assert_int_equal(by_the_keeper(&k), VERDICT_REVOKED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(a_listed_device_is_granted),
	    T(the_keeper_finds_the_holder_itself),
	    T(a_stranger_is_refused_at_the_door),
	    T(the_directory_is_asked_for_a_stranger),
	    T(another_key_than_the_signer_s),
	    T(no_place_for_a_unlisted),
	    T(a_row_without_a_key_asks_too),
	    T(authorization_is_asked_last),
	    T(the_same_request_twice_while_a_program_thinks),
	    T(revoked_while_a_program_thinks),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
