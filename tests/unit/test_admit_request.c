/* The admission of OpenSPA requests, with and without programs to ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "admit/admit.h"
#include "admit/policy.h"
#include "admit/replay_file.h"
#include "base/secret.h"
#include "openspa_case.h"

#define S INT64_C(1000000000)

static const int64_t NOW = INT64_C(1795206902) * S;
static const uint8_t LISTED[DEVICE_UUID_BYTES] = {1}, STRANGER[DEVICE_UUID_BYTES] = {2};

enum { LISTED_HOLDER, UNLISTED_HOLDER, HOLDERS };

static struct {
	struct snapshot_header header;
	struct device devices[1];
	struct openspa_rule rules[1];
	struct cidr cidrs[1]; /* none is used; a mapped snapshot always has the place */
	struct snapshot snapshot;
	struct replay replay;
	struct grant_table *grants;
	struct budget budget;
} world;

/* Of all tests: to read them takes longer than most of these. */
static struct openspa_case keys;

static int read_keys(void **state)
{
	(void)state;
	openspa_case_open(&keys, 0);
	return 0;
}

static int close_keys(void **state)
{
	(void)state;
	openspa_case_close(&keys);
	return 0;
}

static int set_up(void **state)
{
	struct openspa_settings *settings = &world.header.settings.openspa;

	(void)state;
	memset(&world, 0, sizeof world);
	settings->enabled = true;
	settings->window_ns = 300 * S;
	settings->rules.count = 1;
	world.header.settings.client_quota = 2;
	world.rules[0] = (struct openspa_rule){.ports.last = UINT16_MAX, .duration_s = 30};
	memcpy(world.devices[0].uuid, LISTED, sizeof LISTED);
	memcpy(world.devices[0].modulus, keys.client_public.modulus, RSA_KEY_BYTES);
	memcpy(world.devices[0].exponent, keys.client_public.exponent, RSA_EXPONENT_BYTES);
	world.devices[0].rules.count = 1;
	world.devices[0].expires_ns = NEVER_NS;
	world.snapshot = (struct snapshot){.header = &world.header,
	    .settings = &world.header.settings,
	    .devices = world.devices,
	    .rules = world.rules,
	    .cidrs = world.cidrs,
	    .device_count = 1};
	world.grants = grant_table_new(16, HOLDERS);
	budget_init(&world.budget);
	return !replay_open_empty(&world.replay, HOLDERS, 60 * S) || world.grants == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	grant_table_free(world.grants);
	replay_close(&world.replay);
	return 0;
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static struct knock request_for(const uint8_t device[static DEVICE_UUID_BYTES], const char *target,
    int64_t stamp, uint8_t protocol, uint16_t port)
{
	struct openspa_request request = {.timestamp_s = stamp / S,
	    .ports = {protocol, 0, port, port},
	    .behind_nat = true,
	    .client_address = address(target),
	    .server_address = address("192.0.2.1")};
	struct knock k = {.packet.record = {.source = address("192.0.2.7"),
	                      .protocol = RECORD_OPENSPA,
	                      .size = OPENSPA_REQUEST_BYTES}};
	const struct rsa_public *server = rsa_key_public(keys.server);
	struct envelope_randomness randomness;

	memcpy(request.device, device, sizeof request.device);
	secret_random(request.nonce, sizeof request.nonce);
	envelope_randomness_fill(&randomness);
	assert_true(openspa_request_build(
	    k.packet.record.bytes, &request, keys.client, server, &randomness));
	return k;
}

static struct knock request_by(
    const uint8_t device[static DEVICE_UUID_BYTES], const char *target, int64_t stamp)
{
	return request_for(device, target, stamp, OPENSPA_TCP, 22);
}

static enum verdict at_the_door(struct knock *k)
{
	const struct codec_secrets secrets = {.openspa = keys.server};
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
	    .grants = world.grants,
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
		assert_memory_equal(&k.signer_key, &keys.client_public, sizeof k.signer_key);
	}
}

static void who_stands_in_no_row(void **state)
{
	struct device unlisted = policy_unlisted(&world.snapshot, STRANGER);

	(void)state;
	assert_memory_equal(unlisted.uuid, STRANGER, sizeof unlisted.uuid);
	assert_false(unlisted.revoked);
	assert_int_equal(unlisted.expires_ns, NEVER_NS);
}

/* Key, plain text, and what the signature is checked with. */
static void nothing_is_left_of_a_packet(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	assert_int_equal(through(&k), VERDICT_GRANTED);
	assert_false(sodium_is_zero((uint8_t *)&k.packet.proof, sizeof k.packet.proof));
	codec_wipe(&k.packet);
	assert_true(sodium_is_zero((uint8_t *)&k.packet.proof, sizeof k.packet.proof));
	assert_true(sodium_is_zero((uint8_t *)&k.packet.asked, sizeof k.packet.asked));
	assert_true(sodium_is_zero(k.packet.key, sizeof k.packet.key));
}

static void the_keeper_finds_the_holder_itself(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	k.holder = UNLISTED_HOLDER;
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	assert_int_equal(k.holder, DIRECTORY_NOBODY);
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
	assert_int_equal(grant_table_count(world.grants), 0);
	assert_int_equal(world.replay.marks.used, 0);
	k.program_result.has_key = true;
	k.program_result.key = keys.client_public;
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
	k.program_result.key = *rsa_key_public(keys.server);
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
	k.program_result.key = keys.client_public;
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
	k.program_result.key = keys.client_public;
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

static void a_second_is_enough(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	world.header.settings.openspa.authorization = CONF_ASKED_SCRIPT;
	k.program_result.duration_s = 1;
	assert_int_equal(through(&k), VERDICT_GRANTED);
	assert_int_equal(k.duration_ns, S);
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

/* A place just behind the last of the keeper's. */
static void no_place_behind_the_last(void **state)
{
	struct knock k = request_by(STRANGER, "192.0.2.7", NOW);

	(void)state;
	world.header.settings.openspa.directory = CONF_ASKED_HELPER;
	assert_int_equal(through(&k), VERDICT_ASKED);
	k.program_result.has_key = true;
	k.program_result.key = keys.client_public;
	k.holder = HOLDERS;
	assert_int_equal(by_the_keeper(&k), VERDICT_NO_MEMORY);
	k.holder = HOLDERS - 1;
	assert_int_equal(by_the_keeper(&k), VERDICT_GRANTED);
}

/* What costs an RSA operation is rationed before it is done, for each source and for all. */
static void work_for_strangers_is_rationed(void **state)
{
	static const struct rate one = {.interval_ns = INT64_MAX, .burst = 1, .tokens = 1};
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	for (int i = 0; i < BUDGET_SOURCES; i++)
		world.budget.sources[i] = one;
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	memset(k.packet.key, 0, sizeof k.packet.key);
	assert_int_equal(at_the_door(&k), VERDICT_BUSY);
	for (size_t i = 0; i < sizeof k.packet.key; i++)
		assert_int_equal(k.packet.key[i], 0); /* not unsealed */
	/* What is not a request at all takes none of it. */
	budget_init(&world.budget);
	world.budget.all = (struct budget_time){.left_ns = 1, .most_ns = 1};
	k.packet.record.size--;
	assert_int_equal(at_the_door(&k), VERDICT_BAD_SIZE);
	assert_int_equal(world.budget.all.left_ns, 1);
	k.packet.record.size++;
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	/* What it took is known afterwards only, and missing from then on. */
	assert_true(world.budget.all.left_ns < 0);
	k.packet.record.source = address("198.51.100.1");
	assert_int_equal(at_the_door(&k), VERDICT_BUSY);
}

static void a_device_expires_as_a_client_does(void **state)
{
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	world.devices[0].expires_ns = NOW - 1;
	assert_int_equal(through(&k), VERDICT_EXPIRED);
	world.devices[0].expires_ns = NOW;
	assert_int_equal(through(&k), VERDICT_GRANTED);
}

static void protocols_of_one_family(void **state)
{
	static const struct {
		uint8_t protocol;
		enum verdict v4, v6;
	} cases[] = {
	    {OPENSPA_ICMP, VERDICT_GRANTED, VERDICT_NO_PORTS},
	    {OPENSPA_IPV4, VERDICT_GRANTED, VERDICT_NO_PORTS},
	    {OPENSPA_ICMPV6, VERDICT_NO_PORTS, VERDICT_GRANTED},
	};

	(void)state;
	world.header.settings.client_quota = 10;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct knock four = request_for(LISTED, "192.0.2.7", NOW, cases[i].protocol, 0);
		struct knock six = request_for(LISTED, "2001:db8::7", NOW, cases[i].protocol, 0);

		assert_int_equal(through(&four), cases[i].v4);
		assert_int_equal(through(&six), cases[i].v6);
	}
	/* Also where the source decides, and a program says yes to all. */
	world.header.settings.openspa.authorization = CONF_ASKED_SCRIPT;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct knock k = request_for(LISTED, "0.0.0.0", NOW, cases[i].protocol, 0);

		k.program_result.duration_s = 30;
		assert_int_equal(through(&k), cases[i].v4);
		k = request_for(LISTED, "::", NOW, cases[i].protocol, 0);
		k.packet.record.source = address("2001:db8::7");
		k.program_result.duration_s = 30;
		assert_int_equal(through(&k), cases[i].v6);
	}
}

static void what_no_rule_allows(void **state)
{
	struct knock good = request_for(LISTED, "192.0.2.7", NOW, OPENSPA_TCP, 22);
	struct knock bad = request_for(LISTED, "192.0.2.7", NOW, OPENSPA_TCP, 23);

	(void)state;
	world.rules[0] = (struct openspa_rule){{6, 0, 22, 22}, 30};
	assert_int_equal(through(&bad), VERDICT_NO_PORTS);
	assert_int_equal(world.replay.marks.used, 0);
	assert_int_equal(through(&good), VERDICT_GRANTED);
}

static uint16_t duration_of(uint8_t protocol, uint16_t first, uint16_t last)
{
	const struct asked asked = {
	    .target = address("192.0.2.7"), .ports = {protocol, 0, first, last}};

	return policy_duration(&world.snapshot, &world.devices[0], &asked);
}

/* Both ends of a rule belong to it, and the first rule that fits decides. */
static void the_ends_of_a_rule(void **state)
{
	static const struct openspa_rule rules[] = {{{6, 0, 100, 200}, 10}, {{17, 0, 100, 200}, 20},
	    {{1, 0, 0, 0}, 30}, {{6, 0, 150, 300}, 40}, {{58, 0, 0, 0}, 50}};

	(void)state;
	world.snapshot.rules = rules;
	world.devices[0].rules.count = 5;
	assert_int_equal(duration_of(6, 100, 100), 10);
	assert_int_equal(duration_of(6, 100, 200), 10);
	assert_int_equal(duration_of(6, 200, 200), 10);
	assert_int_equal(duration_of(6, 99, 200), 0);
	assert_int_equal(duration_of(6, 99, 99), 0);
	assert_int_equal(duration_of(6, 100, 201), 0);
	assert_int_equal(duration_of(6, 150, 201), 40);
	assert_int_equal(duration_of(6, 300, 300), 40);
	assert_int_equal(duration_of(6, 300, 301), 0);
	assert_int_equal(duration_of(17, 100, 200), 20);
	assert_int_equal(duration_of(17, 150, 300), 0);
	assert_int_equal(duration_of(1, 0, 0), 30);
	assert_int_equal(duration_of(4, 0, 0), 0);
	assert_int_equal(duration_of(58, 0, 0), 0); /* not for an address of that family */
	world.devices[0].rules.count = 1;
	assert_int_equal(duration_of(17, 100, 200), 0);
	assert_int_equal(duration_of(1, 0, 0), 0);
}

static void meant_for_this_server(void **state)
{
	static struct cidr networks[1];
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);

	(void)state;
	assert_true(cidr_parse(&networks[0], "192.0.2.2"));
	world.snapshot.cidrs = networks;
	world.header.settings.openspa.server_addresses = (struct span){0, 1};
	assert_int_equal(through(&k), VERDICT_WRONG_SERVER);
	assert_true(cidr_parse(&networks[0], "192.0.2.1"));
	assert_int_equal(through(&k), VERDICT_GRANTED);
}

static void each_opening_counts_for_the_quota(void **state)
{
	const struct ports what[] = {{6, 0, 22, 22}, {6, 0, 22, 23}};
	const struct addr target = address("192.0.2.7");
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);
	struct knock other = request_for(LISTED, "192.0.2.7", NOW, OPENSPA_TCP, 23);

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_non_null(grant_table_add(world.grants,
		    &(struct opening){
		        .address = target, .ports = what[i], .holder = LISTED_HOLDER}));
	assert_int_equal(through(&k), VERDICT_GRANTED); /* it is there already */
	assert_int_equal(through(&other), VERDICT_OVER_QUOTA);
}

static void what_cannot_be_opened(void **state)
{
	static const struct codec_secrets none;
	struct knock k = request_by(LISTED, "192.0.2.7", NOW);
	const struct admission without_key = {.side = ADMIT_DOORMAN,
	    .config = &world.snapshot,
	    .secrets = &none,
	    .budget = &world.budget};

	(void)state;
	assert_int_equal(admit(&without_key, &k), VERDICT_BAD_KEY);
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	k.packet.key[0] ^= 1;
	assert_int_equal(by_the_keeper(&k), VERDICT_BAD_SEAL);
	k.packet.key[0] ^= 1;
	assert_int_equal(by_the_keeper(&k), VERDICT_GRANTED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(a_listed_device_is_granted),
	    T(who_stands_in_no_row),
	    T(nothing_is_left_of_a_packet),
	    T(the_keeper_finds_the_holder_itself),
	    T(a_stranger_is_refused_at_the_door),
	    T(the_directory_is_asked_for_a_stranger),
	    T(another_key_than_the_signer_s),
	    T(no_place_for_a_unlisted),
	    T(a_row_without_a_key_asks_too),
	    T(authorization_is_asked_last),
	    T(a_second_is_enough),
	    T(the_same_request_twice_while_a_program_thinks),
	    T(revoked_while_a_program_thinks),
	    T(no_place_behind_the_last),
	    T(what_cannot_be_opened),
	    T(work_for_strangers_is_rationed),
	    T(a_device_expires_as_a_client_does),
	    T(protocols_of_one_family),
	    T(what_no_rule_allows),
	    T(the_ends_of_a_rule),
	    T(meant_for_this_server),
	    T(each_opening_counts_for_the_quota),
	};

	return secret_init() ? cmocka_run_group_tests(tests, read_keys, close_keys) : 1;
}
