/* What the keeper carries over from one configuration to the next, and from one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/uuid.h"
#include "keeper_bench.h"
#include "mapped_files.h"

#define HOME          "192.0.2.7"
#define AWAY          "198.51.100.9"
#define KNOCK         (BENCH_KNOCK_S * 1000)
#define SSH           BENCH_TCP(22, 22)
#define LAPTOP_NUMBER ((uint32_t)BENCH_CLIENTS + LAPTOP)

static const char STRANGER_NAME[] = "03000000-0000-0000-0000-000000000000";

/* Alice goes to the end, where Carol was. */
static void turn_clients(void)
{
	struct client *c = bench_config()->clients, first = c[0];

	memmove(c, c + 1, (BENCH_CLIENTS - 1) * sizeof *c);
	c[BENCH_CLIENTS - 1] = first;
}

static void leave_out_first_client(void)
{
	turn_clients();
	bench_config()->client_count--;
}

static void take_back_last_client(void)
{
	bench_config()->client_count++;
}

static int again(void)
{
	bench_send_again();
	bench_run();
	return bench_outcome();
}

static void grants_follow_their_holder(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
	bench_pass_ms(1000);
	turn_clients();
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK - 1000);
	assert_int_equal(bench_session_ms("carol", AWAY), KNOCK - 1000);
	assert_int_equal(bench_open_count(), 2);
	assert_string_equal(bench_shown(HOME, BENCH_AS(0)), "alice");
	assert_int_equal(bench_sessions(SESSION_SEEN), 2);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK);
	assert_int_equal(bench_sessions(SESSION_OPEN), 2);
}

static void openings_follow_their_device(void **state)
{
	struct bench_config *c = bench_config();

	(void)state;
	assert_int_equal(bench_request(PHONE, HOME, SSH), VERDICT_GRANTED);
	c->devices[0] = c->devices[1];
	c->device_count = 1;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, SSH), BENCH_RULE_S * 1000);
	assert_int_equal(bench_session_ms("phone", HOME), BENCH_RULE_S * 1000);
	assert_int_equal(again(), VERDICT_REPLAYED);
	c->device_count = 0;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 0);
	assert_int_equal(bench_grants(), 0);
}

/* By who they are, whether they keep their places, move together, or are mixed. */
static void what_was_seen_follows_its_holder(void **state)
{
	static const unsigned int orders[][5] = {{3, 0, 1, 2}, {3, 2, 0, 1}, {2, 1, 2}, {1, 2}};
	const struct bench_config whole = *bench_config();
	struct bench_config *c = bench_config();

	(void)state;
	for (size_t n = 0; n < sizeof orders / sizeof *orders; n++) {
		*c = whole;
		assert_int_equal(bench_configure(), 0);
		for (uint32_t i = 0; i < (uint32_t)BENCH_CLIENTS + BENCH_DEVICES; i++)
			bench_keeper()->state.seen[i].real_ns = i + 1;
		c->client_count = orders[n][0];
		for (uint32_t i = 0; i < c->client_count; i++)
			c->clients[i] = whole.clients[orders[n][i + 1]];
		assert_int_equal(bench_configure(), 0);
		for (uint32_t i = 0; i < c->client_count; i++)
			assert_int_equal(
			    bench_keeper()->state.seen[i].real_ns, orders[n][i + 1] + 1);
		for (uint32_t i = 0; i < BENCH_DEVICES; i++)
			assert_int_equal(bench_keeper()->state.seen[c->client_count + i].real_ns,
			    BENCH_CLIENTS + i + 1);
	}
}

static void who_may_not_any_more_loses_it(void **state)
{
	struct bench_config *c = bench_config();

	(void)state;
	for (int i = 0; i < BENCH_CLIENTS; i++)
		assert_int_equal(bench_knock((enum bench_client)i, HOME), VERDICT_GRANTED);
	c->clients[ALICE].revoked = true;
	c->clients[BOB].policy = 2; /* no ports */
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 1);
	assert_int_equal(bench_open_count(), 1);
	assert_int_equal(bench_session_ms("carol", HOME), KNOCK);
	c->client_count = 0;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 0);
	assert_int_equal(bench_open_count(), 0);
}

/* The moment itself is still allowed, here as in the admission. */
static void expiry_to_the_nanosecond(void **state)
{
	struct bench_config *c = bench_config();

	(void)state;
	c->clients[ALICE].expires_ns = c->devices[LAPTOP].expires_ns = BENCH_NOW_NS;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 2);
	bench_set_real(BENCH_NOW_NS + 1);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_EXPIRED);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_EXPIRED);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 0);
}

static void a_rule_that_is_gone_ends_what_it_allowed(void **state)
{
	struct bench_config *c = bench_config();

	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_request(LAPTOP, HOME, BENCH_TCP(22, 23)), VERDICT_GRANTED);
	c->devices[LAPTOP].rules = (struct span){2, 1}; /* 22 alone */
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, SSH), BENCH_RULE_S * 1000);
	assert_int_equal(bench_open_ms(HOME, BENCH_TCP(22, 23)), 0);
	/* What a program said yes to is not asked again by our rules. */
	c->settings.openspa.authorization = CONF_ASKED_SCRIPT;
	c->devices[LAPTOP].rules.count = 0;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, SSH), BENCH_RULE_S * 1000);
	c->devices[LAPTOP].revoked = true;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 0);
}

/* --- The guard against replays */

/* Every one's last packet, after every turn. */
static void nobody_is_let_in_twice(void **state)
{
	(void)state;
	for (int i = 0; i < BENCH_CLIENTS; i++) {
		assert_int_equal(bench_knock((enum bench_client)i, HOME), VERDICT_GRANTED);
		for (int turn = 0; turn < BENCH_CLIENTS; turn++) {
			assert_int_equal(again(), VERDICT_REPLAYED);
			turn_clients();
			assert_int_equal(bench_configure(), 0);
		}
	}
}

static void who_comes_back_is_remembered(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	leave_out_first_client();
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_configure(), 0); /* and again while he is away */
	take_back_last_client();
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(again(), VERDICT_REPLAYED);
}

/* A device's window is OpenSPA's. */
static void a_device_that_comes_back(void **state)
{
	struct bench_config *c = bench_config();

	(void)state;
	assert_int_equal(bench_request(PHONE, HOME, SSH), VERDICT_GRANTED);
	c->device_count = 1;
	assert_int_equal(bench_configure(), 0);
	bench_pass_ms(299000);
	c->device_count = 2;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(again(), VERDICT_REPLAYED);
}

/* --- Configurations that cannot be had */

static void what_the_firewall_refuses_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_config()->clients[ALICE].revoked = true;
	bench_fail_installs(1, -EPERM);
	assert_int_equal(bench_configure(), EPERM);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK);
	assert_int_equal(again(), VERDICT_REPLAYED);
	assert_int_equal(bench_knock(ALICE, AWAY), VERDICT_GRANTED);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 0);
}

static void an_unsound_one_changes_nothing(void **state)
{
	(void)state;
	bench_config()->clients[ALICE].policy = 99;
	assert_int_not_equal(bench_configure(), 0);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
}

/* --- Visitors: devices that only a program knows */

static void asks_for_keys(void)
{
	bench_config()->settings.openspa.directory = CONF_ASKED_SCRIPT;
	assert_int_equal(bench_configure(), 0);
}

static int visit(enum bench_device by, const char *source)
{
	struct bench_question q;

	assert_int_equal(bench_request(by, source, SSH), VERDICT_ASKED);
	assert_true(bench_runner_asked(&q));
	bench_runner_gives_key(&q, false);
	return bench_outcome();
}

static void a_visitor_stays_over_a_reload(void **state)
{
	(void)state;
	asks_for_keys();
	assert_int_equal(visit(STRANGER, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_session_ms(STRANGER_NAME, HOME), BENCH_RULE_S * 1000);
	turn_clients();
	bench_config()->client_count--;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_session_ms(STRANGER_NAME, HOME), BENCH_RULE_S * 1000);
	assert_int_equal(bench_open_ms(HOME, SSH), BENCH_RULE_S * 1000);
	bench_send_again();
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_ASKED); /* whose key is asked first */
}

static void a_visitor_s_guard_stays_over_a_reload(void **state)
{
	struct bench_question q;

	(void)state;
	asks_for_keys();
	assert_int_equal(visit(STRANGER, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(again(), VERDICT_ASKED);
	assert_true(bench_runner_asked(&q));
	bench_runner_gives_key(&q, false);
	assert_int_equal(bench_outcome(), VERDICT_REPLAYED);
}

/* It is listed now: one holder, with its grant and its guard, and no visitor beside it. */
static void a_visitor_that_is_listed(void **state)
{
	struct bench_config *c = bench_config();
	struct device phone = c->devices[PHONE];
	struct bench_question q;

	(void)state;
	asks_for_keys();
	assert_int_equal(visit(STRANGER, HOME), VERDICT_GRANTED);
	c->devices[PHONE].uuid[0] = STRANGER + 1;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_session_ms("phone", HOME), BENCH_RULE_S * 1000);
	assert_int_equal(bench_session_ms(STRANGER_NAME, HOME), -1);
	assert_int_equal(again(), VERDICT_REPLAYED);
	/* And back: what it has used stays used. */
	c->devices[PHONE] = phone;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(again(), VERDICT_ASKED);
	assert_true(bench_runner_asked(&q));
	bench_runner_gives_key(&q, false);
	assert_int_equal(bench_outcome(), VERDICT_REPLAYED);
}

/* Once listed it is no visitor any more: with its row it is gone, wherever that stands. */
static void no_visitor_is_left_behind_a_row(void **state)
{
	struct bench_config *c = bench_config();
	const struct device laptop = c->devices[LAPTOP];

	(void)state;
	asks_for_keys();
	for (uint32_t count = 1; count <= BENCH_DEVICES; count++) {
		assert_int_equal(visit(STRANGER, HOME), VERDICT_GRANTED);
		c->device_count = count;
		c->devices[count - 1].uuid[0] = STRANGER + 1;
		assert_int_equal(bench_configure(), 0);
		assert_int_equal(bench_grants(), 1);
		c->device_count = 1;
		c->devices[LAPTOP] = laptop;
		assert_int_equal(bench_configure(), 0);
		assert_int_equal(bench_grants(), 0);
	}
}

static void visitors_go_with_the_program(void **state)
{
	(void)state;
	asks_for_keys();
	assert_int_equal(visit(STRANGER, HOME), VERDICT_GRANTED);
	bench_config()->settings.openspa.directory = CONF_ASKED_NATIVE;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 0);
	assert_int_equal(bench_open_count(), 0);
	assert_int_equal(again(), VERDICT_UNKNOWN_SIGNER);
}

/* Until no place is left for the next; the number of that one. */
static uint32_t fill_a_set(void)
{
	for (uint32_t number = 0;; number++) {
		uint32_t holder = bench_unlisted(number);

		if (holder == DIRECTORY_NOBODY)
			return number;
		keeper_state_admitted(&bench_keeper()->state, holder);
		bench_hold(holder, HOME, SSH);
		bench_keeper()->state.seen[holder].real_ns = BENCH_NOW_NS;
	}
}

/* Whoever has something open is not pushed out. */
static void only_who_has_nothing_left_makes_room(void **state)
{
	static const struct seen never;
	uint32_t next, place;

	(void)state;
	asks_for_keys();
	next = fill_a_set();
	bench_pass_ms(1);
	assert_int_equal(bench_unlisted(next), DIRECTORY_NOBODY);
	bench_pass_ms(BENCH_RULE_S * 1000);
	bench_tick();
	assert_int_equal(bench_grants(), 0);
	place = bench_unlisted(next);
	assert_int_not_equal(place, DIRECTORY_NOBODY);
	/* Nothing of who was there before is its own. */
	assert_memory_equal(&bench_keeper()->state.seen[place], &never, sizeof never);
}

/* Of all who have something open the one who has not. */
static void the_right_one_makes_room(void **state)
{
	uint32_t next, holder = 0, place = DIRECTORY_NOBODY;

	(void)state;
	asks_for_keys();
	next = fill_a_set();
	for (uint32_t i = 0; i < next && place == DIRECTORY_NOBODY; i++) {
		holder = bench_unlisted(i);
		bench_let_go(holder, HOME, SSH);
		place = bench_unlisted(next);
		if (place == DIRECTORY_NOBODY)
			bench_hold(holder, HOME, SSH);
	}
	assert_int_not_equal(place, DIRECTORY_NOBODY);
	assert_int_equal(place, holder);
}

/* What is open follows the ports that its client has now. */
static void other_ports_for_the_same_client(void **state)
{
	const struct addr home = bench_address(HOME);
	const struct grant *g;

	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_set_real(BENCH_NOW_NS + BENCH_S);
	bench_config()->clients[ALICE].policy = bench_config()->clients[CAROL].policy;
	assert_int_equal(bench_configure(), 0);
	g = grant_table_at(bench_keeper()->state.grants, &home);
	assert_non_null(g);
	assert_int_equal(g->opened_real_ns, BENCH_NOW_NS);
	assert_int_equal(bench_keeper()->state.seen[ALICE].real_ns, BENCH_NOW_NS);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(CAROL)), KNOCK);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(BOB)), 0);
}

/* Whatever there is no memory for: the next one is refused, and the one in force stays. */
static void a_reload_without_memory_changes_nothing(void **state)
{
	size_t nth = 1;

	(void)state;
	asks_for_keys();
	assert_int_equal(visit(STRANGER, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_knock(ALICE, AWAY), VERDICT_GRANTED);
	for (; bench_configure_short(nth) != 0; nth++) {
		assert_int_equal(bench_grants(), 2);
		assert_int_equal(bench_session_ms("alice", AWAY), KNOCK);
		assert_int_equal(bench_session_ms(STRANGER_NAME, HOME), BENCH_RULE_S * 1000);
	}
	assert_in_range(nth, 9, 40);
	assert_int_equal(bench_grants(), 2);
	assert_int_equal(bench_open_ms(AWAY, BENCH_AS(ALICE)), KNOCK);
}

/* However often it is reloaded, and whether it is taken or not. */
static void one_snapshot_is_mapped(void **state)
{
	unsigned int first = mapped_files("postern-snapshot");

	(void)state;
	assert_int_equal(first, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bench_configure(), 0);
		assert_int_not_equal(bench_configure_short(1), 0);
		bench_fail_installs(1, -ENOBUFS);
		assert_int_not_equal(bench_configure(), 0);
	}
	assert_int_equal(mapped_files("postern-snapshot"), first);
}

static void the_guard_has_a_window_for_each_kind(void **state)
{
	const struct replay *guard = &bench_keeper()->replay;

	(void)state;
	assert_int_equal(guard->window_ns[REPLAY_CLIENT], 60 * BENCH_S);
	assert_int_equal(guard->window_ns[REPLAY_DEVICE], 300 * BENCH_S);
	bench_config()->settings.replay_window_ns = 61 * BENCH_S;
	bench_config()->settings.openspa.window_ns = 301 * BENCH_S;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(guard->window_ns[REPLAY_CLIENT], 61 * BENCH_S);
	assert_int_equal(guard->window_ns[REPLAY_DEVICE], 301 * BENCH_S);
}

static void nobody_behind_the_last_holder(void **state)
{
	const struct keeper_state *k = &bench_keeper()->state;
	struct opening o = {.ports = {6, 0, 22, 22}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		o.holder = keeper_state_holders(k) - 1;
		assert_int_equal(keeper_state_may_hold(k, &o, BENCH_NOW_NS), i == 0);
		o.holder++;
		assert_false(keeper_state_may_hold(k, &o, BENCH_NOW_NS));
		asks_for_keys();
	}
}

/* Nor may a visitor keep what no rule allows any more. */
static void a_rule_for_visitors_that_is_gone(void **state)
{
	(void)state;
	asks_for_keys();
	assert_int_equal(visit(STRANGER, HOME), VERDICT_GRANTED);
	bench_config()->settings.openspa.rules = (struct span){2, 1};
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, SSH), BENCH_RULE_S * 1000);
	bench_config()->rules[2].duration_s = 1;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, SSH), BENCH_RULE_S * 1000);
	bench_config()->settings.openspa.rules = (struct span){0, 0};
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, SSH), 0);
	assert_int_equal(bench_grants(), 0);
}

/* Behind the last client there may be something that looks like one. */
static void only_clients_have_policies(void **state)
{
	static const struct client clients[] = {{.policy = 1}, {.policy = 2}};
	const struct keeper_state k = {.config = {.clients = clients, .client_count = 1}};

	(void)state;
	assert_int_equal(keeper_state_policy(&k, 0), 1);
	assert_int_equal(keeper_state_policy(&k, 1), 0);
}

/* Its number is the one behind the last that is listed. */
static void the_first_of_the_visitors(void **state)
{
	const uint32_t known = (uint32_t)BENCH_CLIENTS + BENCH_DEVICES;
	char name[UUID_TEXT_BYTES];
	uint32_t number = 0;

	(void)state;
	asks_for_keys();
	while (bench_unlisted(number) != known)
		number++;
	uuid_text(name, bench_keeper()->state.unlisted->places[0].uuid);
	keeper_state_admitted(&bench_keeper()->state, known);
	bench_hold(known, HOME, SSH);
	assert_int_equal(bench_session_ms(name, HOME), BENCH_RULE_S * 1000);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_session_ms(name, HOME), BENCH_RULE_S * 1000);
	assert_int_equal(bench_open_ms(HOME, SSH), BENCH_RULE_S * 1000);
	assert_true(bench_keeper()->state.unlisted->places[0].admitted); /* its place is its own */
	bench_config()->device_count--;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_session_ms(name, HOME), BENCH_RULE_S * 1000);
}

static void numbers_below_the_visitors(void **state)
{
	(void)state;
	asks_for_keys();
	assert_true(bench_unlisted(1) >= (uint32_t)BENCH_CLIENTS + BENCH_DEVICES);
	assert_true(bench_unlisted(1) < keeper_state_holders(&bench_keeper()->state));
	assert_string_equal(keeper_state_name(&bench_keeper()->state, LAPTOP_NUMBER), "laptop");
	assert_string_equal(keeper_state_name(&bench_keeper()->state, LAPTOP_NUMBER + 1), "phone");
	assert_string_equal(keeper_state_name(&bench_keeper()->state, CAROL), "carol");
}

/* --- What a predecessor left */

static void what_was_left_is_taken_over(void **state)
{
	(void)state;
	bench_left_before("alice", HOME, BENCH_AS(ALICE), 5000);
	bench_left_before("laptop", HOME, SSH, 6000);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 2);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), 5000);
	assert_int_equal(bench_open_ms(HOME, SSH), 6000);
	assert_int_equal(bench_session_ms("alice", HOME), 5000);
	assert_int_equal(bench_session_ms("laptop", HOME), 6000);
	assert_true(bench_ticks());
	bench_pass_ms(6000);
	bench_tick();
	assert_int_equal(bench_grants(), 0);
	/* At the first configuration alone. */
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 0);
}

static void what_nobody_may_have_is_not(void **state)
{
	struct bench_config *c = bench_config();

	(void)state;
	c->clients[BOB].revoked = true;
	c->devices[PHONE].expires_ns = BENCH_NOW_NS - 1;
	bench_left_before("dave", HOME, BENCH_AS(ALICE), 5000);
	bench_left_before("bob", HOME, BENCH_AS(BOB), 5000);
	bench_left_before("alice", HOME, BENCH_AS(CAROL), 5000); /* other ports than hers */
	bench_left_before("alice", HOME, SSH, 5000);             /* as if she were a device */
	bench_left_before("laptop", HOME, BENCH_AS(ALICE), 5000);
	bench_left_before("phone", HOME, SSH, 5000);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 0);
	assert_int_equal(bench_open_count(), 0);
}

/* Ports that scripts open are not ours to hold open. */
static void openings_are_not_taken_over_for_scripts(void **state)
{
	(void)state;
	bench_config()->settings.openspa.firewall = CONF_ASKED_SCRIPT;
	bench_left_before("laptop", HOME, SSH, 5000);
	bench_left_before("alice", HOME, BENCH_AS(ALICE), 5000);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 1);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), 5000);
}

/* No more: the kernel would refuse it, with everything else in the same change. */
static void as_many_grants_as_a_set_holds(void **state)
{
	struct grant_table *grants = bench_keeper()->state.grants;

	(void)state;
	for (uint32_t i = 0; i < 65536; i++) {
		const struct opening o = {
		    .address = {{0x20, 1, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}},
		    .holder = ALICE,
		    .until_ns = INT64_MAX};

		assert_non_null(grant_table_add(grants, &o));
	}
	assert_int_equal(bench_knock(BOB, "192.0.2.7"), VERDICT_NO_MEMORY);
	assert_int_equal(bench_changes(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    BENCH_TEST(grants_follow_their_holder),
	    BENCH_TEST(openings_follow_their_device),
	    BENCH_TEST(what_was_seen_follows_its_holder),
	    BENCH_TEST(who_may_not_any_more_loses_it),
	    BENCH_TEST(expiry_to_the_nanosecond),
	    BENCH_TEST(a_rule_that_is_gone_ends_what_it_allowed),
	    BENCH_TEST(nobody_is_let_in_twice),
	    BENCH_TEST(who_comes_back_is_remembered),
	    BENCH_TEST(a_device_that_comes_back),
	    BENCH_TEST(what_the_firewall_refuses_changes_nothing),
	    BENCH_TEST(an_unsound_one_changes_nothing),
	    BENCH_TEST(a_visitor_stays_over_a_reload),
	    BENCH_TEST(a_visitor_s_guard_stays_over_a_reload),
	    BENCH_TEST(a_visitor_that_is_listed),
	    BENCH_TEST(no_visitor_is_left_behind_a_row),
	    BENCH_TEST(visitors_go_with_the_program),
	    BENCH_TEST(as_many_grants_as_a_set_holds),
	    BENCH_TEST(only_who_has_nothing_left_makes_room),
	    BENCH_TEST(the_right_one_makes_room),
	    BENCH_TEST(the_first_of_the_visitors),
	    BENCH_TEST(other_ports_for_the_same_client),
	    BENCH_TEST(a_reload_without_memory_changes_nothing),
	    BENCH_TEST(one_snapshot_is_mapped),
	    BENCH_TEST(the_guard_has_a_window_for_each_kind),
	    BENCH_TEST(nobody_behind_the_last_holder),
	    BENCH_TEST(a_rule_for_visitors_that_is_gone),
	    cmocka_unit_test(only_clients_have_policies),
	    BENCH_TEST(numbers_below_the_visitors),
	    BENCH_TEST_NEW(what_was_left_is_taken_over),
	    BENCH_TEST_NEW(what_nobody_may_have_is_not),
	    BENCH_TEST_NEW(openings_are_not_taken_over_for_scripts),
	};

	return cmocka_run_group_tests(tests, bench_group_setup, NULL);
}
