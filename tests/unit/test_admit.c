#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admit/admit.h"
#include "admit/replay_file.h"
#include "base/secret.h"
#include "key_order.h"

#define S INT64_C(1000000000)

static const int64_t NOW = INT64_C(1795206902) * S;

enum { ALICE, BOB, SOURCE_ONLY, LISTED, NO_WILDCARD, GONE, LATE, PORTLESS, CLIENTS };

static struct {
	struct snapshot_header header;
	struct client clients[CLIENTS];
	uint8_t secrets[CLIENTS][OPENME_SIGN_BYTES];
	struct policy policies[2];
	struct cidr networks[2]; /* of LISTED, and our own address */
	uint8_t server_secret[OPENME_SECRET_BYTES];
	uint32_t by_key[CLIENTS];
	struct snapshot snapshot;
	struct directory *directory;
	struct replay replay;
	struct grant_table *grants;
} world;

static struct addr address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	secret_random(world.server_secret, sizeof world.server_secret);
	openme_server_public(world.header.settings.public_key, world.server_secret);
	world.header.settings.replay_window_ns = 60 * S;
	world.header.settings.client_quota = 2;
	world.policies[0].ports.count = 1;
	cidr_parse(&world.networks[0], "203.0.113.0/24");
	cidr_parse(&world.networks[1], "198.51.100.99");
	world.header.settings.own_addresses = (struct span){1, 1};
	for (unsigned int i = 0; i < CLIENTS; i++) {
		uint8_t seed[OPENME_SECRET_BYTES] = {(uint8_t)(i + 1)};
		struct client *c = &world.clients[i];

		openme_client_expand(world.secrets[i], seed);
		memcpy(c->public_key, world.secrets[i] + 32, CLIENT_KEY_BYTES);
		c->name[0] = (char)('a' + i);
		c->expires_ns = NEVER_NS;
		c->targets = CONF_TARGETS_ANY;
		c->wildcard = true;
	}
	world.clients[SOURCE_ONLY].targets = CONF_TARGETS_SOURCE;
	world.clients[LISTED].targets = CONF_TARGETS_LIST;
	world.clients[LISTED].target_list.count = 1;
	world.clients[NO_WILDCARD].wildcard = false;
	world.clients[GONE].revoked = true;
	world.clients[LATE].expires_ns = NOW - 1;
	world.clients[PORTLESS].policy = 1;
	world.snapshot = (struct snapshot){.header = &world.header,
	    .settings = &world.header.settings,
	    .clients = world.clients,
	    .policies = world.policies,
	    .cidrs = world.networks,
	    .by_key = world.by_key,
	    .client_count = CLIENTS,
	    .policy_count = 2};
	sort_by_key(world.by_key, world.clients, CLIENTS);
	world.directory = directory_new(&world.snapshot);
	world.grants = grant_table_new(16, CLIENTS);
	return !replay_open_empty(&world.replay, CLIENTS, 60 * S) || world.directory == NULL ||
	       world.grants == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	directory_free(world.directory);
	grant_table_free(world.grants);
	replay_close(&world.replay);
	return 0;
}

static struct knock knock_by(int client, const char *target, const char *source, int64_t stamp)
{
	struct openme_ingredients in = {
	    .knock = {.timestamp_ns = stamp, .target = address(target)}};
	struct knock k = {.packet.record = {.source = address(source), .size = OPENME_PACKET_BYTES},
	    .holder = (uint32_t)client};

	memcpy(in.server_public, world.header.settings.public_key, sizeof in.server_public);
	memcpy(in.client_secret, world.secrets[client], sizeof in.client_secret);
	secret_random(in.ephemeral_secret, sizeof in.ephemeral_secret);
	secret_random(in.aead_nonce, sizeof in.aead_nonce);
	secret_random(in.knock.nonce, sizeof in.knock.nonce);
	assert_true(openme_seal(k.packet.record.bytes, &in));
	return k;
}

static enum verdict at_the_door(struct knock *k)
{
	const struct codec_secrets secrets = {.openme = world.server_secret};
	const struct admission a = {.side = ADMIT_DOORMAN,
	    .config = &world.snapshot,
	    .secrets = &secrets,
	    .directory = world.directory};

	return admit(&a, k);
}

static enum verdict by_the_keeper(struct knock *k, int64_t now)
{
	const struct admission a = {.side = ADMIT_KEEPER,
	    .config = &world.snapshot,
	    .replay = &world.replay,
	    .grants = world.grants,
	    .now_ns = now};

	return admit(&a, k);
}

/* Both processes in turn; the doorman's guess is put right as its scan would. */
static enum verdict through(struct knock *k, uint32_t signer)
{
	enum verdict v = at_the_door(k);

	if (v != VERDICT_HANDED_ON)
		return v;
	k->holder = signer;
	return by_the_keeper(k, NOW);
}

static enum verdict verdict_of(int client, const char *target, const char *source, int64_t stamp)
{
	struct knock k = knock_by(client, target, source, stamp);

	return through(&k, (uint32_t)client);
}

static void wildcard_means_the_source(void **state)
{
	static const char *const sources[] = {"192.0.2.7", "2001:db8::7"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++) {
			struct knock k = knock_by(ALICE, j ? "0.0.0.0" : "::", sources[i], NOW);
			struct addr expected = address(sources[i]);

			assert_int_equal(through(&k, ALICE), VERDICT_GRANTED);
			assert_true(addr_equal(&k.target, &expected));
		}
	}
}

static void explicit_target_is_taken(void **state)
{
	struct knock k = knock_by(ALICE, "203.0.113.5", "192.0.2.7", NOW);
	struct addr expected = address("203.0.113.5");

	(void)state;
	assert_int_equal(through(&k, ALICE), VERDICT_GRANTED);
	assert_true(addr_equal(&k.target, &expected));
}

static void unusable_targets_are_refused(void **state)
{
	static const char *const bad[] = {"127.0.0.1", "::1", "255.255.255.255", "fe80::1",
	    "224.0.0.1", "ff02::1", "0.1.2.3", "240.0.0.1", "198.51.100.99"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(
		    verdict_of(ALICE, bad[i], "192.0.2.7", NOW), VERDICT_TARGET_REFUSED);
}

static void policy_of_targets(void **state)
{
	static const struct {
		int client;
		const char *target, *source;
		enum verdict expected;
	} cases[] = {
	    {SOURCE_ONLY, "::", "192.0.2.7", VERDICT_GRANTED},
	    {SOURCE_ONLY, "192.0.2.7", "192.0.2.7", VERDICT_GRANTED},
	    {SOURCE_ONLY, "192.0.2.8", "192.0.2.7", VERDICT_TARGET_REFUSED},
	    {LISTED, "203.0.113.9", "192.0.2.7", VERDICT_GRANTED},
	    {LISTED, "::", "203.0.113.10", VERDICT_GRANTED},
	    {LISTED, "::", "192.0.2.7", VERDICT_TARGET_REFUSED},
	    {LISTED, "203.0.114.1", "203.0.113.9", VERDICT_TARGET_REFUSED},
	    {ALICE, "::", "::", VERDICT_TARGET_REFUSED},
	    {ALICE, "::", "0.0.0.0", VERDICT_TARGET_REFUSED},
	    {NO_WILDCARD, "::", "192.0.2.7", VERDICT_WILDCARD_REFUSED},
	    {NO_WILDCARD, "0.0.0.0", "192.0.2.7", VERDICT_WILDCARD_REFUSED},
	    {NO_WILDCARD, "192.0.2.7", "192.0.2.7", VERDICT_GRANTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(verdict_of(cases[i].client, cases[i].target, cases[i].source, NOW),
		    cases[i].expected);
}

/* One that this build does not know allows nothing. */
static void an_unknown_policy_of_targets(void **state)
{
	(void)state;
	world.clients[ALICE].targets =
	    CONF_TARGETS_ANY + CONF_TARGETS_SOURCE + CONF_TARGETS_LIST + 1;
	assert_int_equal(verdict_of(ALICE, "192.0.2.7", "192.0.2.7", NOW), VERDICT_TARGET_REFUSED);
}

static void the_rest_of_the_policy(void **state)
{
	(void)state;
	assert_int_equal(verdict_of(GONE, "::", "192.0.2.7", NOW), VERDICT_REVOKED);
	assert_int_equal(verdict_of(LATE, "::", "192.0.2.7", NOW), VERDICT_EXPIRED);
	assert_int_equal(verdict_of(PORTLESS, "::", "192.0.2.7", NOW), VERDICT_NO_PORTS);
	world.clients[LATE].expires_ns = NOW;
	assert_int_equal(verdict_of(LATE, "::", "192.0.2.7", NOW), VERDICT_GRANTED);
}

static void window_at_the_keeper(void **state)
{
	static const struct {
		int64_t offset;
		enum verdict expected;
	} edges[] = {{60 * S, VERDICT_GRANTED}, {60 * S + 1, VERDICT_STALE},
	    {-60 * S, VERDICT_GRANTED}, {-60 * S - 1, VERDICT_STALE},
	    {INT64_MIN + NOW, VERDICT_STALE}};

	(void)state;
	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
		assert_int_equal(verdict_of(ALICE, "::", "192.0.2.7",
		                     (int64_t)((uint64_t)NOW + (uint64_t)edges[i].offset)),
		    edges[i].expected);
	assert_int_equal(verdict_of(ALICE, "::", "192.0.2.7", INT64_MIN), VERDICT_STALE);
	assert_int_equal(verdict_of(ALICE, "::", "192.0.2.7", INT64_MAX), VERDICT_STALE);
}

static void replay_is_refused_from_anywhere(void **state)
{
	struct knock k = knock_by(ALICE, "::", "192.0.2.7", NOW);

	(void)state;
	assert_int_equal(through(&k, ALICE), VERDICT_GRANTED);
	assert_int_equal(through(&k, ALICE), VERDICT_REPLAYED);
	k.packet.record.source = address("198.51.100.1");
	assert_int_equal(through(&k, ALICE), VERDICT_REPLAYED);
}

/* Another client that strips the signature and signs the same inside burns only its own nonce. */
static void nobody_burns_a_nonce_of_others(void **state)
{
	struct knock alice = knock_by(ALICE, "::", "192.0.2.7", NOW), copy = alice;
	struct openme_ingredients in = {.knock = {.timestamp_ns = NOW, .target = address("::")}};

	(void)state;
	assert_int_equal(at_the_door(&copy), VERDICT_HANDED_ON);
	memcpy(in.server_public, world.header.settings.public_key, sizeof in.server_public);
	memcpy(in.client_secret, world.secrets[BOB], sizeof in.client_secret);
	memcpy(in.knock.nonce, copy.packet.asked.nonce, sizeof in.knock.nonce);
	secret_random(in.ephemeral_secret, sizeof in.ephemeral_secret);
	assert_true(openme_seal(copy.packet.record.bytes, &in));
	assert_int_equal(through(&copy, BOB), VERDICT_GRANTED);
	assert_int_equal(through(&alice, ALICE), VERDICT_GRANTED);
}

/* What is refused must leave the guard as it was. */
static void refused_packets_are_not_remembered(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct knock k = knock_by(ALICE, "::", "192.0.2.7", NOW);

		assert_int_equal(through(&k, BOB), VERDICT_WRONG_SIGNER);
		verdict_of(ALICE, "127.0.0.1", "192.0.2.7", NOW);
		verdict_of(ALICE, "::", "192.0.2.7", NOW + 61 * S);
		verdict_of(GONE, "::", "192.0.2.7", NOW);
		verdict_of(LATE, "::", "192.0.2.7", NOW);
	}
	assert_int_equal(world.replay.marks.used, 0);
}

static void quota_counts_addresses(void **state)
{
	struct addr first = address("192.0.2.1"), second = address("192.0.2.2");

	(void)state;
	assert_non_null(
	    grant_table_add(world.grants, &(struct opening){.address = first, .holder = ALICE}));
	assert_int_equal(verdict_of(ALICE, "::", "192.0.2.2", NOW), VERDICT_GRANTED);
	assert_non_null(
	    grant_table_add(world.grants, &(struct opening){.address = second, .holder = ALICE}));
	assert_int_equal(verdict_of(ALICE, "::", "192.0.2.3", NOW), VERDICT_OVER_QUOTA);
	assert_int_equal(verdict_of(ALICE, "::", "192.0.2.2", NOW), VERDICT_GRANTED);
	assert_int_equal(verdict_of(BOB, "::", "192.0.2.3", NOW), VERDICT_GRANTED);
}

/* The keeper by itself, as a doorman that has been taken over would see it. */
static void keeper_believes_nobody(void **state)
{
	struct knock good = knock_by(ALICE, "::", "192.0.2.7", NOW), k = good;

	(void)state;
	assert_int_equal(at_the_door(&good), VERDICT_HANDED_ON);
	k.holder = ALICE; /* no key */
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_BAD_SEAL);
	k = good;
	k.holder = BOB;
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_WRONG_SIGNER);
	k.holder = CLIENTS;
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_WRONG_SIGNER);
	k.holder = DIRECTORY_NOBODY;
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_WRONG_SIGNER);
	k = good;
	k.holder = ALICE;
	k.packet.record.size--;
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_BAD_SIZE);
	k = good;
	k.holder = ALICE;
	/* What the doorman says it read, or what stood there before, is not used. */
	memset(&k.packet.asked, 0xff, sizeof k.packet.asked);
	k.target = address("198.51.100.66");
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_GRANTED);
	assert_true(addr_equal(&k.target, &k.packet.record.source));
	assert_int_equal(k.packet.asked.ports.protocol, 0);
	assert_int_equal(k.packet.asked.ports.last, 0);
	assert_false(k.packet.asked.behind_nat);
}

/* That a signature was verified is for this admission to say, not for the one before. */
static void verified_is_said_anew(void **state)
{
	struct knock k = knock_by(ALICE, "::", "192.0.2.7", NOW);

	(void)state;
	k.verified = true;
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	assert_false(k.verified);
	k.holder = ALICE;
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_GRANTED);
	assert_true(k.verified);
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_REPLAYED);
	assert_true(k.verified);
	k.holder = BOB;
	assert_int_equal(by_the_keeper(&k, NOW), VERDICT_WRONG_SIGNER);
	assert_false(k.verified);
}

struct watched {
	size_t count;
	enum check last;
	bool last_passed;
};

static void watch(void *context, enum check check, bool passed, const struct knock *k)
{
	struct watched *w = context;

	(void)k;
	if (w->count++ > 0) {
		assert_true(w->last_passed); /* the one that fails is the last */
		assert_true(check > w->last);
	}
	w->last = check;
	w->last_passed = passed;
}

/* The checks come in the order of their table, and nothing comes behind the one that fails. */
static void who_watches_sees_each_check(void **state)
{
	static const struct {
		uint32_t holder;
		const char *target;
		int64_t stamp;
		enum check last;
		enum verdict verdict;
	} cases[] = {
	    {BOB, "::", 0, CHECK_SIGNATURE, VERDICT_WRONG_SIGNER},
	    {ALICE, "::", -61 * S, CHECK_TIME, VERDICT_STALE},
	    {GONE, "::", 0, CHECK_REVOKED, VERDICT_REVOKED},
	    {LATE, "::", 0, CHECK_EXPIRY, VERDICT_EXPIRED},
	    {PORTLESS, "::", 0, CHECK_PORTS, VERDICT_NO_PORTS},
	    {NO_WILDCARD, "::", 0, CHECK_TARGET, VERDICT_WILDCARD_REFUSED},
	    {ALICE, "127.0.0.1", 0, CHECK_TARGET, VERDICT_TARGET_REFUSED},
	    {ALICE, "::", 0, CHECK_QUOTA, VERDICT_GRANTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int signer = cases[i].holder == BOB ? ALICE : (int)cases[i].holder;
		struct knock k =
		    knock_by(signer, cases[i].target, "192.0.2.7", NOW + cases[i].stamp);
		struct watched w = {0};
		const struct admission a = {.side = ADMIT_KEEPER,
		    .config = &world.snapshot,
		    .replay = &world.replay,
		    .grants = world.grants,
		    .now_ns = NOW,
		    .trace = watch,
		    .trace_context = &w};

		assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
		k.holder = cases[i].holder;
		assert_int_equal(admit(&a, &k), cases[i].verdict);
		assert_int_equal(w.last, cases[i].last);
		assert_int_equal(w.last_passed, cases[i].verdict == VERDICT_GRANTED);
	}
}

/* Behind the last client there may be something that looks like one. */
static void only_as_many_as_there_are(void **state)
{
	struct knock k = knock_by(CLIENTS - 2, "::", "192.0.2.7", NOW);

	(void)state;
	world.snapshot.client_count = CLIENTS - 2;
	assert_int_equal(through(&k, CLIENTS - 2), VERDICT_WRONG_SIGNER);
	assert_int_equal(world.replay.marks.used, 0);
	world.snapshot.client_count = CLIENTS - 1;
	world.clients[CLIENTS - 2].expires_ns = NEVER_NS;
	assert_int_equal(through(&k, CLIENTS - 2), VERDICT_GRANTED);
}

/* The moment itself is still allowed. */
static void expiry_to_the_nanosecond(void **state)
{
	(void)state;
	world.clients[LATE].expires_ns = NOW;
	assert_int_equal(verdict_of(LATE, "::", "192.0.2.7", NOW), VERDICT_GRANTED);
	world.clients[LATE].expires_ns = NOW - 1;
	assert_int_equal(verdict_of(LATE, "::", "192.0.2.7", NOW), VERDICT_EXPIRED);
}

static void noise_is_screened_first(void **state)
{
	struct knock good = knock_by(ALICE, "::", "192.0.2.7", NOW), k;

	(void)state;
	for (uint16_t size = 0; size <= RECORD_BYTES_MAX + 1; size++) {
		k = good;
		k.packet.record.size = size;
		if (size != OPENME_PACKET_BYTES)
			assert_int_equal(at_the_door(&k), VERDICT_BAD_SIZE);
	}
	k = good;
	k.packet.record.bytes[0] = 2;
	assert_int_equal(at_the_door(&k), VERDICT_BAD_VERSION);
	k = good;
	k.packet.record.bytes[32] |= 0x80;
	assert_int_equal(at_the_door(&k), VERDICT_MALFORMED);
	k = good;
	k.packet.record.bytes[164] |= 0xf0;
	assert_int_equal(at_the_door(&k), VERDICT_MALFORMED);
	k = good;
	memset(k.packet.record.bytes + 1, 0, 32);
	assert_int_equal(at_the_door(&k), VERDICT_BAD_KEY);
	k = good;
	k.packet.record.bytes[60] ^= 1;
	assert_int_equal(at_the_door(&k), VERDICT_BAD_SEAL);
}

static void guesses_follow_the_source(void **state)
{
	struct knock k = knock_by(BOB, "::", "192.0.2.7", NOW);

	(void)state;
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	assert_int_equal(k.holder, DIRECTORY_NOBODY);
	directory_seen(world.directory, &k.packet.record.source, BOB);
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	assert_int_equal(k.holder, BOB);
	k.packet.record.source = address("192.0.2.8");
	assert_int_equal(at_the_door(&k), VERDICT_HANDED_ON);
	assert_int_equal(k.holder, DIRECTORY_NOBODY);
}

static void a_source_has_a_few_recent_clients(void **state)
{
	struct addr v4 = address("192.0.2.7"), v6 = address("2001:db8::7");
	struct addr other = address("2001:db8::8"), far = address("2001:db8:0:1::7");
	uint32_t found[DIRECTORY_RECENT];

	(void)state;
	assert_int_equal(directory_recent(world.directory, &v4, found), 0);
	directory_seen(world.directory, &v4, BOB);
	directory_seen(world.directory, &v4, ALICE);
	directory_seen(world.directory, &v4, ALICE);
	assert_int_equal(directory_recent(world.directory, &v4, found), 2);
	assert_int_equal(found[0], ALICE);
	assert_int_equal(found[1], BOB);
	directory_seen(world.directory, &v4, BOB);
	assert_int_equal(directory_recent(world.directory, &v4, found), 2);
	assert_int_equal(found[0], BOB);
	assert_int_equal(found[1], ALICE);
	for (uint32_t i = 0; i < 2 * DIRECTORY_RECENT; i++)
		directory_seen(world.directory, &v4, i % CLIENTS);
	assert_int_equal(directory_recent(world.directory, &v4, found),
	    CLIENTS < DIRECTORY_RECENT ? CLIENTS : DIRECTORY_RECENT);
	directory_seen(world.directory, &v6, BOB);
	assert_int_equal(directory_guess(world.directory, &other), BOB);
	assert_int_equal(directory_guess(world.directory, &far), DIRECTORY_NOBODY);
}

static struct addr numbered(uint32_t number)
{
	struct addr source = address("10.0.0.0");

	source.bytes[14] = (uint8_t)(number >> 8);
	source.bytes[15] = (uint8_t)number;
	return source;
}

/* With the same hash in each, somebody could choose sources that push out those of others. */
static void nobody_knows_who_pushes_out_whom(void **state)
{
	struct directory *other = directory_new(&world.snapshot);
	uint32_t differ = 0;

	(void)state;
	assert_non_null(other);
	for (uint32_t i = 0; i < 8000; i++) {
		struct addr source = numbered(i);

		directory_seen(world.directory, &source, BOB);
		directory_seen(other, &source, BOB);
	}
	for (uint32_t i = 0; i < 8000; i++) {
		struct addr source = numbered(i);

		differ +=
		    directory_guess(world.directory, &source) != directory_guess(other, &source);
	}
	directory_free(other);
	assert_true(differ > 1000);
}

/* Of a thousand about five are pushed out by others; it would be a hundred if each source had one
 * place only to be. */
static void sources_keep_their_clients(void **state)
{
	int lost = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct addr source = numbered(i);

		directory_seen(world.directory, &source, i % CLIENTS);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		struct addr source = numbered(i);

		lost += directory_guess(world.directory, &source) != i % CLIENTS;
	}
	assert_true(lost < 40);
}

/* The struct that a directory was made from may go; what it maps stays. */
static void guesses_outlive_where_the_snapshot_stood(void **state)
{
	struct addr source = address("192.0.2.7");
	struct snapshot passing = world.snapshot;
	struct directory *first = directory_new(&passing), *second;
	uint32_t recent[DIRECTORY_RECENT];

	(void)state;
	assert_non_null(first);
	directory_seen(first, &source, ALICE);
	directory_seen(first, &source, BOB);
	memset(&passing, 0xff, sizeof passing);
	second = directory_new(&world.snapshot);
	assert_non_null(second);
	directory_carry(second, first);
	assert_int_equal(directory_guess(first, &source), BOB);
	assert_int_equal(directory_recent(second, &source, recent), 2);
	assert_int_equal(recent[0], BOB);
	assert_int_equal(recent[1], ALICE);
	directory_free(first);
	directory_free(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(wildcard_means_the_source),
	    TEST(explicit_target_is_taken),
	    TEST(unusable_targets_are_refused),
	    TEST(policy_of_targets),
	    TEST(an_unknown_policy_of_targets),
	    TEST(the_rest_of_the_policy),
	    TEST(window_at_the_keeper),
	    TEST(replay_is_refused_from_anywhere),
	    TEST(nobody_burns_a_nonce_of_others),
	    TEST(refused_packets_are_not_remembered),
	    TEST(quota_counts_addresses),
	    TEST(keeper_believes_nobody),
	    TEST(verified_is_said_anew),
	    TEST(who_watches_sees_each_check),
	    TEST(only_as_many_as_there_are),
	    TEST(expiry_to_the_nanosecond),
	    TEST(noise_is_screened_first),
	    TEST(guesses_follow_the_source),
	    TEST(a_source_has_a_few_recent_clients),
	    TEST(sources_keep_their_clients),
	    TEST(nobody_knows_who_pushes_out_whom),
	    TEST(guesses_outlive_where_the_snapshot_stood),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
