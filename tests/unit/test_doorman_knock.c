/* A knock between doorman and keeper, and back: how often its seal is opened on the way, and what
 * the doorman learns from it. The keeper here is admit() at the far end of a channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "admit/replay_file.h"
#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"
#include "doorman/trial.h"
#include "key_order.h"

#define S         INT64_C(1000000000)
#define PLENTY    100000
#define WINDOW_NS (60 * S)

enum { ALICE, BOB, CAROL, DAVE, ERIN, STRANGER, CLIENTS = STRANGER };

static struct {
	struct snapshot_header header;
	struct client clients[CLIENTS];
	uint32_t order[CLIENTS];
	uint8_t secrets[STRANGER + 1][OPENME_SIGN_BYTES];
	struct policy policy;
	struct counters counters;
	struct replay replay;
	struct grant_table *grants;
	struct channel keeper; /* the keeper's end */
	struct doorman doorman;
	int openings;
	const uint8_t *hinter; /* the secret of whoever makes the hints; NULL: there are none */
} world;

bool __real_codec_open(struct codec_packet *p);
bool __wrap_codec_open(struct codec_packet *p);

bool __wrap_codec_open(struct codec_packet *p)
{
	world.openings++;
	return __real_codec_open(p);
}

static void open_doorman(struct doorman *d)
{
	int ends[2];

	assert_true(channel_pair(ends) && loop_open(&d->process.loop));
	d->keeper.channel = (struct channel){ends[0], ROLE_DOORMAN, ROLE_KEEPER};
	world.keeper = (struct channel){ends[1], ROLE_KEEPER, ROLE_DOORMAN};
	d->scan_timer.fd = timer_open();
	d->config = (struct snapshot){.header = &world.header,
	    .settings = &world.header.settings,
	    .clients = world.clients,
	    .by_key = world.order,
	    .policies = &world.policy,
	    .client_count = CLIENTS,
	    .policy_count = 1};
	sort_by_key(world.order, world.clients, CLIENTS);
	d->directory = directory_new(&d->config);
	d->secret = secret_alloc(OPENME_SECRET_BYTES);
	d->hands = secret_alloc(sizeof *d->hands);
	d->held = held_map(-1, 0);
	assert_true(
	    d->directory != NULL && d->secret != NULL && d->hands != NULL && d->held != NULL);
	report_init(&d->report, &world.counters);
	d->process.main.channel = (struct channel){-1, ROLE_DOORMAN, ROLE_MAIN}; /* hears nothing */
	strangers_init(&d->strangers, &d->process.main.channel, MESSAGE_DOORMAN_STRANGER);
	d->known_budget = rate_of(PLENTY, PLENTY);
	trial_queue_init(&d->hands->lane);
	assert_true(networks_open(&d->networks, -1));
	guess_limiter_init(&d->guess_limiter);
	secret_random(d->secret, OPENME_SECRET_BYTES);
	openme_server_public(world.header.settings.public_key, d->secret);
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	world.header.settings.replay_window_ns = WINDOW_NS;
	world.header.settings.client_quota = 9;
	world.policy.ports.count = 1;
	for (unsigned int i = 0; i <= STRANGER; i++) {
		uint8_t seed[OPENME_SECRET_BYTES] = {(uint8_t)(i + 1)};

		openme_client_expand(world.secrets[i], seed);
		if (i == STRANGER)
			break;
		memcpy(world.clients[i].public_key, world.secrets[i] + 32, CLIENT_KEY_BYTES);
		world.clients[i].expires_ns = NEVER_NS;
		world.clients[i].wildcard = true;
	}
	world.grants = grant_table_new(16, CLIENTS);
	open_doorman(&world.doorman);
	return !replay_open_empty(&world.replay, CLIENTS, WINDOW_NS) || world.grants == NULL;
}

static int tear_down(void **state)
{
	struct doorman *d = &world.doorman;

	(void)state;
	replay_close(&world.replay);
	grant_table_free(world.grants);
	networks_close(&d->networks);
	directory_free(d->directory);
	hint_table_free(d->hints.table);
	secret_free(d->hands);
	munmap(d->held, sizeof *d->held);
	secret_free(d->secret);
	close(d->scan_timer.fd);
	close(d->keeper.channel.fd);
	close(world.keeper.fd);
	return 0;
}

static struct addr the_source(void)
{
	struct addr source;

	assert_true(addr_parse(&source, "192.0.2.7"));
	return source;
}

static void put_hint(struct openme_ingredients *in)
{
	uint8_t key[HINT_KEY_BYTES], random[HINT_RANDOM_BYTES], ephemeral[OPENME_PUBLIC_BYTES];

	secret_random(random, sizeof random);
	assert_true(hint_key_of_client(key, world.hinter, in->server_public));
	openme_server_public(ephemeral, in->ephemeral_secret);
	hint_make(in->knock.nonce, key, random, in->knock.timestamp_ns, in->knock.target.bytes,
	    ephemeral);
}

static struct knock knock_by(int client, int64_t stamp)
{
	struct openme_ingredients in = {.knock = {.timestamp_ns = stamp}};
	struct knock k = {.packet.record = {.source = the_source(), .size = OPENME_PACKET_BYTES}};

	memcpy(in.server_public, world.header.settings.public_key, sizeof in.server_public);
	memcpy(in.client_secret, world.secrets[client], sizeof in.client_secret);
	secret_random(in.ephemeral_secret, sizeof in.ephemeral_secret);
	secret_random(in.aead_nonce, sizeof in.aead_nonce);
	secret_random(in.knock.nonce, sizeof in.knock.nonce);
	if (world.hinter != NULL)
		put_hint(&in);
	assert_true(openme_seal(k.packet.record.bytes, &in));
	return k;
}

/* What the keeper says of the knock that the doorman has handed on, which is in *m then;
 * VERDICT_COUNT when there is none. */
static enum verdict judged(struct message *m)
{
	const struct admission a = {.side = ADMIT_KEEPER,
	    .config = &world.doorman.config,
	    .replay = &world.replay,
	    .grants = world.grants,
	    .now_ns = clock_real_ns()};
	struct knock k = {.holder = DIRECTORY_NOBODY};

	if (channel_receive(&world.keeper, m, PHASE_RUN) != CHANNEL_MESSAGE)
		return VERDICT_COUNT;
	k.packet.record = m->body.KNOCK.record;
	memcpy(k.packet.key, m->body.KNOCK.key, sizeof k.packet.key);
	k.holder = m->body.KNOCK.holder;
	return admit(&a, &k);
}

/* The whole way of a knock from one source, the searching included. */
static enum verdict through(int client, int64_t stamp)
{
	struct knock k = knock_by(client, stamp);
	struct message m;
	enum verdict v;

	world.openings = 0;
	doorman_take_in(&world.doorman, &k);
	v = judged(&m);
	if (v == VERDICT_WRONG_SIGNER && m.body.KNOCK.guessed != 0) {
		struct message_knock_back back = {.knock = m.body.KNOCK};

		doorman_take_back(&world.doorman, &back, NULL);
		v = judged(&m);
	}
	while (v == VERDICT_COUNT && world.doorman.hands->lane.waiting > 0) {
		doorman_try_keys(&world.doorman);
		v = judged(&m);
	}
	return v;
}

static void knocked_before(uint32_t client)
{
	struct addr source = the_source();

	directory_seen(world.doorman.directory, &source, client);
}

static uint32_t expected_next(void)
{
	struct addr source = the_source();

	return directory_guess(world.doorman.directory, &source);
}

static void a_right_guess_costs_two_openings(void **state)
{
	(void)state;
	knocked_before(ALICE);
	assert_int_equal(through(ALICE, clock_real_ns()), VERDICT_GRANTED);
	assert_int_equal(world.openings, 2);
}

/* One by the doorman, which keeps what it needs to know, and one for each look of the keeper. */
static void a_wrong_guess_costs_three(void **state)
{
	(void)state;
	knocked_before(BOB);
	knocked_before(ALICE);
	assert_int_equal(through(BOB, clock_real_ns()), VERDICT_GRANTED);
	assert_int_equal(world.openings, 3);
	assert_int_equal(through(ERIN, clock_real_ns()), VERDICT_GRANTED); /* by trying every key */
	assert_int_equal(world.openings, 3);
}

static void nobody_s_knock_costs_no_more(void **state)
{
	(void)state;
	knocked_before(ALICE);
	assert_int_equal(through(STRANGER, clock_real_ns()), VERDICT_COUNT);
	assert_int_equal(world.openings, 2);
	assert_int_equal(world.counters.verdicts[VERDICT_UNKNOWN_SIGNER], 1);
}

/* The source of a knock that came back is known from then on, if that was fresh. One that is not is
 * no reason to try every key. */
static void a_source_is_remembered_for_fresh_knocks_only(void **state)
{
	struct addr source = the_source();

	(void)state;
	knocked_before(ALICE);
	assert_int_equal(through(DAVE, clock_real_ns() - 2 * WINDOW_NS), VERDICT_COUNT);
	assert_int_equal(world.counters.verdicts[VERDICT_STALE], 1);
	assert_int_equal(expected_next(), ALICE);
	knocked_before(DAVE);
	knocked_before(ALICE);
	assert_int_equal(through(DAVE, clock_real_ns() - 2 * WINDOW_NS), VERDICT_STALE);
	assert_int_equal(expected_next(), ALICE);
	assert_false(networks_known(&world.doorman.networks, &source));
	assert_int_equal(through(DAVE, clock_real_ns()), VERDICT_GRANTED);
	assert_int_equal(expected_next(), DAVE);
	assert_true(networks_known(&world.doorman.networks, &source));
}

/* --- Hints */

/* The doorman has all keys. */
static void hints_are_understood(void)
{
	const struct snapshot *config = &world.doorman.config;
	struct hint_keys *keys;
	int fd = hint_keys_create(CLIENTS, &keys);

	assert_true(fd >= 0);
	for (int i = 0; i < CLIENTS; i++)
		assert_true(hint_key_of_server(keys->keys[i], world.doorman.secret,
		    config->settings->public_key, config->clients[i].public_key));
	hint_keys_publish(keys, CLIENTS);
	world.doorman.hints.table = hint_table_new(config, fd);
	assert_non_null(world.doorman.hints.table);
	while (hint_table_work(world.doorman.hints.table, CLIENTS, clock_real_ns()))
		;
	hint_keys_unmap(keys);
	close(fd);
}

/* From where nobody or another one is known: neither guessed wrong nor searched for. */
static void a_hint_costs_two_openings(void **state)
{
	(void)state;
	hints_are_understood();
	world.hinter = world.secrets[CAROL];
	assert_int_equal(through(CAROL, clock_real_ns()), VERDICT_GRANTED);
	assert_int_equal(world.openings, 2);
	knocked_before(ALICE);
	assert_int_equal(through(CAROL, clock_real_ns()), VERDICT_GRANTED);
	assert_int_equal(world.openings, 2);
	assert_int_equal(world.doorman.hands->lane.arrivals, 0);
}

/* No other key is tried, and it is nobody's wrong guess. */
static void a_hint_that_was_not_signed_is_refused(void **state)
{
	struct addr source = the_source();

	(void)state;
	hints_are_understood();
	world.hinter = world.secrets[CAROL];
	for (int i = 0; i < 100; i++)
		assert_int_equal(through(BOB, clock_real_ns()), VERDICT_COUNT);
	assert_int_equal(world.counters.verdicts[VERDICT_UNKNOWN_SIGNER], 100);
	assert_int_equal(world.doorman.hands->lane.arrivals, 0);
	assert_false(
	    guess_limiter_too_many(&world.doorman.guess_limiter, &source, clock_boot_ns()));
}

/* Of somebody whose key is not known here, or from another day. */
static void a_hint_that_is_not_understood_is_none(void **state)
{
	(void)state;
	world.hinter = world.secrets[DAVE];
	assert_int_equal(through(DAVE, clock_real_ns()), VERDICT_GRANTED);
	hints_are_understood();
	world.hinter = world.secrets[STRANGER];
	assert_int_equal(through(ERIN, clock_real_ns()), VERDICT_GRANTED);
	assert_int_equal(through(STRANGER, clock_real_ns()), VERDICT_COUNT);
}

static void a_hint_tells_the_source_while_it_is_fresh(void **state)
{
	(void)state;
	hints_are_understood();
	knocked_before(ALICE);
	world.hinter = world.secrets[DAVE];
	assert_int_equal(through(DAVE, clock_real_ns() - 2 * WINDOW_NS), VERDICT_STALE);
	assert_int_equal(expected_next(), ALICE);
	assert_int_equal(through(DAVE, clock_real_ns()), VERDICT_GRANTED);
	assert_int_equal(expected_next(), DAVE);
}

/* A knock that has left the trial queue leaves nothing behind there. */
static void slots_are_wiped(void **state)
{
	static const struct trial_slot empty;

	(void)state;
	knocked_before(ALICE);
	assert_int_equal(through(ERIN, clock_real_ns()), VERDICT_GRANTED);
	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++)
		assert_memory_equal(&world.doorman.hands->lane.slots[i], &empty, sizeof empty);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(a_right_guess_costs_two_openings),
	    T(a_wrong_guess_costs_three),
	    T(nobody_s_knock_costs_no_more),
	    T(a_source_is_remembered_for_fresh_knocks_only),
	    T(slots_are_wiped),
	    T(a_hint_costs_two_openings),
	    T(a_hint_that_was_not_signed_is_refused),
	    T(a_hint_that_is_not_understood_is_none),
	    T(a_hint_tells_the_source_while_it_is_fresh),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
