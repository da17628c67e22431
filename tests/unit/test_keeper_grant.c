/* From a knock that the doorman hands on to an open port, and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sodium.h>
#include <sys/socket.h>

#include "caught_log.h"
#include "keeper/sessions.h"
#include "keeper_bench.h"

#define HOME  "192.0.2.7"
#define AWAY  "198.51.100.9"
#define KNOCK (BENCH_KNOCK_S * 1000)

static void a_knock_opens_and_ends(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(CAROL)), 0);
	assert_string_equal(bench_shown(HOME, BENCH_AS(ALICE)), "alice");
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK);
	assert_int_equal(bench_sessions(SESSION_SEEN), 1);
	assert_true(bench_ticks());
	bench_pass_ms(KNOCK - 1);
	bench_tick();
	assert_int_equal(bench_session_ms("alice", HOME), 1);
	assert_int_equal(bench_sessions(SESSION_OPEN), 1);
	bench_pass_ms(1);
	assert_int_equal(bench_sessions(SESSION_OPEN), 0);
	assert_true(bench_ticks());
	bench_tick();
	assert_false(bench_ticks());
	assert_int_equal(grant_table_count(bench_keeper()->state.grants), 0);
	assert_int_equal(bench_sessions(SESSION_SEEN), 1);
	assert_int_equal(bench_given_back(), BENCH_NOT_BACK);
	assert_int_equal(bench_told(BENCH_AS(ALICE)), 0);
}

static void a_second_knock_extends(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_pass_ms(20000);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK);
	assert_int_equal(bench_sessions(SESSION_OPEN), 1);
}

/* Nothing else may be told to the firewall as new. */
static void what_is_closed_is_opened_as_new(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_fresh(), 1);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_knock(BOB, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_fresh(), 1);
	assert_int_equal(bench_knock(CAROL, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_fresh(), 2);
	bench_pass_ms(KNOCK);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_fresh(), 2); /* it may not have ended yet in the kernel */
	bench_pass_ms(KNOCK);
	bench_tick();
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_fresh(), 3);
	/* Together: the second one's finds the first one's. */
	bench_send(&(struct bench_knock){.by = ALICE, .source = AWAY});
	bench_send(&(struct bench_knock){.by = ALICE, .source = AWAY});
	bench_run();
	assert_int_equal(bench_fresh(), 3);
	assert_int_equal(bench_open_count(), 2);
}

/* The firewall's timers have not gone on: grants end in time all the same. */
static void a_sleep_prolongs_nothing(void **state)
{
	uint32_t installs = bench_installs();

	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_pass_ms(10000);
	assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
	bench_tick();
	assert_int_equal(bench_installs(), installs);
	bench_sleep_ms(KNOCK - 15000);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK - 10000); /* too long */
	bench_fail_installs(1, -ENOBUFS);
	bench_tick();
	bench_tick();
	assert_int_equal(bench_installs(), installs + 1);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), 5000);
	assert_int_equal(bench_open_ms(AWAY, BENCH_AS(CAROL)), 15000);
	bench_tick();
	assert_int_equal(bench_installs(), installs + 1);
	bench_sleep_ms(5000);
	bench_tick();
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), 0);
	assert_int_equal(bench_open_ms(AWAY, BENCH_AS(CAROL)), 10000);
	/* The last one ends in a sleep: nobody else would tell the firewall. */
	bench_sleep_ms(3600000);
	bench_tick();
	assert_int_equal(bench_open_count(), 0);
	assert_false(bench_ticks());
}

static void a_tenth_of_a_second_is_worth_while(void **state)
{
	uint32_t installs = bench_installs();

	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_sleep_ms(99);
	bench_tick();
	assert_int_equal(bench_installs(), installs);
	bench_sleep_ms(1);
	caught_log_begin(LOG_LEVEL_INFO);
	bench_tick();
	assert_non_null(strstr(caught_log_end(), "the machine has slept"));
	assert_int_equal(bench_installs(), installs + 1);
}

static void what_ends_is_logged(void **state)
{
	const char *text;

	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_pass_ms(KNOCK);
	caught_log_begin(LOG_LEVEL_INFO);
	bench_tick();
	text = caught_log_end();
	assert_non_null(strstr(text, "grant ended"));
	assert_non_null(strstr(text, "client=alice"));
	assert_non_null(strstr(text, "target=" HOME));
}

/* Short ones count together. */
static void many_short_sleeps(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	for (int i = 0; i < 1000; i++) {
		bench_sleep_ms(30);
		bench_tick();
	}
	assert_in_range(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK - 30000, KNOCK - 30000 + 100);
	assert_in_range(bench_installs(), 100, 400);
}

/* Half the time is configured meanwhile: what was promised stays, on both sides. */
static void a_shorter_grant_cuts_nothing(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_config()->settings.knock_timeout_ns = 10 * BENCH_S;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK);
	bench_pass_ms(KNOCK - 5000);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), 10000);
	assert_int_equal(bench_session_ms("alice", HOME), 10000);
}

/* Alice and Bob share one element: it lives as long as the longer of the two grants. */
static void those_who_share_do_not_cut_each_other(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_config()->settings.knock_timeout_ns = 10 * BENCH_S;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_knock(BOB, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(BOB)), KNOCK);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK);
	assert_int_equal(bench_session_ms("bob", HOME), 10000);
	/* Carol's ports are others, and another address is another element. */
	assert_int_equal(bench_knock(CAROL, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(CAROL)), 10000);
	assert_int_equal(bench_knock(BOB, AWAY), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(AWAY, BENCH_AS(BOB)), 10000);
	assert_int_equal(bench_open_count(), 3);
	/* And so when the rules are put back. */
	bench_flush();
	bench_config()->settings.client_quota++;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 3);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(BOB)), KNOCK);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(CAROL)), 10000);
}

/* Whoever was there first, and by whichever of the two the rules are put back. */
static void what_is_shared_is_put_back_for_the_longer(void **state)
{
	static const enum bench_client first[] = {ALICE, BOB};

	(void)state;
	for (int i = 0; i < 2; i++) {
		bench_config()->settings.knock_timeout_ns = BENCH_KNOCK_S * BENCH_S;
		assert_int_equal(bench_configure(), 0);
		assert_int_equal(bench_knock(first[i], HOME), VERDICT_GRANTED);
		bench_config()->settings.knock_timeout_ns = 10 * BENCH_S;
		assert_int_equal(bench_configure(), 0);
		assert_int_equal(bench_knock(first[1 - i], HOME), VERDICT_GRANTED);
		bench_flush();
		assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
		assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
		bench_flush();
		assert_int_equal(bench_configure(), 0);
		assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
		bench_pass_ms(KNOCK);
		bench_tick();
	}
}

/* The table is gone through from its beginning: here, when it is put back and when it is carried
 * over. */
static void the_first_of_the_table(void **state)
{
	(void)state;
	bench_hold(ALICE, HOME, BENCH_AS(ALICE));
	bench_flush();
	assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
	assert_true(bench_open_ms(HOME, BENCH_AS(ALICE)) > 0);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_grants(), 2);
	bench_hold(CAROL, HOME, BENCH_AS(CAROL));
	bench_pass_ms(BENCH_RULE_S * 1000);
	bench_tick();
	assert_int_equal(bench_grants(), 1);
	assert_int_equal(bench_session_ms("carol", HOME), -1);
}

#define SHARED           300 /* grants behind one address: some ten messages */
#define SHARED_TCP(port) BENCH_TCP((uint16_t)(port), (uint16_t)(port))

static void hold_shared(unsigned int first, unsigned int last)
{
	for (unsigned int port = first; port <= last; port++)
		bench_hold((uint32_t)BENCH_CLIENTS + LAPTOP, HOME, SHARED_TCP(port));
}

static void all_of_one_address_are_shown(void **state)
{
	(void)state;
	hold_shared(1, SHARED);
	assert_int_equal(bench_sessions(SESSION_OPEN), SHARED);
}

struct shared {
	size_t shown;
	uint8_t times[2 * SHARED + 1];
};

/* What was shown last goes, another comes, and now and then what would be shown next goes, too. */
static void count_and_change(const struct message_session *s, void *context)
{
	struct shared *shared = context;
	const unsigned int port = s->opening.ports.first;

	if (s->kind != SESSION_OPEN)
		return;
	assert_in_range(port, 1, SHARED);
	shared->times[port]++;
	shared->shown++;
	hold_shared(SHARED + port, SHARED + port);
	if (port % 10 == 0)
		bench_let_go((uint32_t)BENCH_CLIENTS + LAPTOP, HOME, SHARED_TCP(port));
	if (shared->shown % MESSAGE_SESSIONS_MOST == 0) {
		bench_let_go((uint32_t)BENCH_CLIENTS + LAPTOP, HOME, SHARED_TCP(port - 1));
		shared->times[port - 1] = 1; /* or never is right */
	}
}

static void grants_come_and_go_while_they_are_shown(void **state)
{
	static struct shared shared;

	(void)state;
	hold_shared(1, SHARED);
	bench_each_session(count_and_change, &shared);
	for (unsigned int port = 1; port <= SHARED; port++)
		assert_int_equal(shared.times[port], 1);
	assert_true(shared.shown < SHARED);
}

/* Whatever number a desk goes on with: no more than there is, and nobody is disturbed. */
static void any_cursor_is_answered(void **state)
{
	static const uint32_t cursors[] = {1, 2, 3, RULES_MOST + 2, RULES_MOST + 20, UINT32_MAX};

	(void)state;
	hold_shared(1, 5);
	for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
		struct message_sessions m = {0};

		keeper_sessions(bench_keeper(), cursors[i], &m);
		assert_int_equal(m.count, 0);
		assert_int_equal(m.next, 0);
	}
	assert_int_equal(bench_sessions(SESSION_OPEN), 5);
}

/* As it is where no configuration names a program. */
static void without_any_program(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, BENCH_TCP(22, 22)), VERDICT_GRANTED);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_config()->devices[LAPTOP].revoked = true;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_request(PHONE, HOME, BENCH_TCP(22, 22)), VERDICT_GRANTED);
	bench_pass_ms(KNOCK);
	bench_tick();
	assert_int_equal(bench_grants(), 0);
	assert_false(bench_ticks());
	bench_stop(false);
	assert_true(bench_stopped());
	assert_int_equal(bench_removals(), 1);
}

static void rules_that_are_gone_are_put_back(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_flush();
	assert_int_equal(bench_open_count(), 0);
	assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
	assert_int_equal(bench_open_ms(AWAY, BENCH_AS(CAROL)), KNOCK);
	assert_int_equal(bench_installs(), 2);
}

/* Once, and no more: a firewall that goes on saying so is broken. */
static void rules_that_stay_gone(void **state)
{
	uint32_t changes = bench_changes();

	(void)state;
	bench_fail_next(2, -ENOENT);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_FIREWALL_FAILED);
	assert_int_equal(bench_changes() - changes, 2);
	assert_int_equal(bench_open_count(), 0);
	assert_int_equal(bench_sessions(SESSION_OPEN), 0);
	bench_fail_next(1, -ENOENT);
	bench_fail_installs(1, -EPERM);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_FIREWALL_FAILED);
	assert_int_equal(bench_changes() - changes, 3);
}

static void other_failures_put_nothing_back(void **state)
{
	(void)state;
	bench_fail_next(1, -ENOSPC);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_FIREWALL_FAILED);
	assert_int_equal(bench_installs(), 1);
	assert_int_equal(bench_sessions(SESSION_OPEN) + bench_sessions(SESSION_SEEN), 0);
}

static void send_three(void)
{
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	bench_send(&(struct bench_knock){.by = BOB, .source = AWAY});
	bench_send(&(struct bench_knock){.by = CAROL, .source = HOME});
	bench_run();
}

static void what_waits_together_goes_together(void **state)
{
	uint32_t changes = bench_changes();

	(void)state;
	send_three();
	assert_int_equal(bench_changes() - changes, 1);
	assert_int_equal(bench_counted(VERDICT_GRANTED), 3);
	assert_int_equal(bench_open_count(), 3);
	assert_int_equal(bench_sessions(SESSION_OPEN), 3);
}

static void one_that_fails_takes_no_others_with_it(void **state)
{
	uint32_t changes = bench_changes();

	(void)state;
	bench_fail_for(AWAY, -ENOSPC);
	send_three();
	assert_int_equal(bench_changes() - changes, 4);
	assert_int_equal(bench_counted(VERDICT_GRANTED), 2);
	assert_int_equal(bench_counted(VERDICT_FIREWALL_FAILED), 1);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(CAROL)), KNOCK);
	assert_int_equal(bench_session_ms("bob", AWAY), -1);
	/* What fails twice has failed: each was tried once together and once alone. */
	bench_fail_next(8, -ENOSPC);
	send_three();
	assert_int_equal(bench_changes() - changes, 8);
	assert_int_equal(bench_counted(VERDICT_FIREWALL_FAILED), 4);
}

/* Also of two, and when all fail that fit in. */
static void the_least_and_the_most_that_fail_together(void **state)
{
	char from[32];

	(void)state;
	bench_fail_for(AWAY, -ENOSPC);
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	bench_send(&(struct bench_knock){.by = BOB, .source = AWAY});
	bench_run();
	assert_int_equal(bench_counted(VERDICT_GRANTED), 1);
	assert_int_equal(bench_counted(VERDICT_FIREWALL_FAILED), 1);
	bench_config()->settings.client_quota = KEEPER_BATCH;
	assert_int_equal(bench_configure(), 0);
	bench_fail_for(NULL, 0);
	bench_fail_next(KEEPER_BATCH + 1, -ENOSPC);
	for (int i = 0; i < KEEPER_BATCH; i++) {
		snprintf(from, sizeof from, "192.0.2.%d", 100 + i);
		bench_send(&(struct bench_knock){.by = CAROL, .source = from});
	}
	bench_run();
	assert_int_equal(bench_counted(VERDICT_FIREWALL_FAILED), 1 + KEEPER_BATCH);
	assert_int_equal(bench_grants(), 1);
}

/* The first of two knocks fails, and the grant that both are for stands by the second. */
static void two_for_the_same_grant(void **state)
{
	(void)state;
	bench_fail_next(2, -ENOSPC);
	for (int i = 0; i < 2; i++)
		bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	bench_run();
	assert_int_equal(bench_counted(VERDICT_FIREWALL_FAILED), 1);
	assert_int_equal(bench_counted(VERDICT_GRANTED), 1);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK);
	/* And the other way round. */
	bench_fail_for(AWAY, -ENOSPC);
	for (int i = 0; i < 2; i++)
		bench_send(&(struct bench_knock){.by = ALICE, .source = AWAY});
	bench_run();
	assert_int_equal(bench_counted(VERDICT_FIREWALL_FAILED), 3);
	assert_int_equal(bench_session_ms("alice", AWAY), -1);
	assert_int_equal(bench_grants(), 1);
}

/* What waits for the firewall counts for the quota. */
static void the_quota_holds_within_a_batch(void **state)
{
	static const char *const from[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
	uint32_t changes;

	(void)state;
	bench_config()->settings.client_quota = 2;
	assert_int_equal(bench_configure(), 0);
	changes = bench_changes();
	for (int i = 0; i < 3; i++)
		bench_send(&(struct bench_knock){.by = ALICE, .source = from[i]});
	bench_run();
	assert_int_equal(bench_counted(VERDICT_GRANTED), 2);
	assert_int_equal(bench_counted(VERDICT_OVER_QUOTA), 1);
	assert_int_equal(bench_changes() - changes, 1);
}

static void send_request(enum bench_device by, uint16_t port)
{
	bench_send_request(
	    &(struct bench_request){.by = by, .source = HOME, .what = BENCH_TCP(port, port)});
}

/* Requests as well as knocks, whoever they are from. */
static void requests_go_together_too(void **state)
{
	uint32_t changes;

	(void)state;
	bench_config()->settings.client_quota = 2;
	assert_int_equal(bench_configure(), 0);
	changes = bench_changes();
	send_request(LAPTOP, 22);
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	send_request(PHONE, 22);
	send_request(LAPTOP, 23);
	send_request(LAPTOP, 24);
	bench_run();
	assert_int_equal(bench_changes() - changes, 1);
	assert_int_equal(bench_counted(VERDICT_GRANTED), 4);
	assert_int_equal(bench_counted(VERDICT_OVER_QUOTA), 1);
	assert_int_equal(bench_open_count(), 3);
	assert_int_equal(bench_sessions(SESSION_OPEN), 4);
}

/* The same for as long as the longer one, though both come in one transaction. */
static void who_comes_together_does_not_cut_the_other(void **state)
{
	(void)state;
	bench_config()->devices[PHONE].rules = (struct span){1, 1};
	assert_int_equal(bench_configure(), 0);
	send_request(PHONE, 22);
	send_request(LAPTOP, 22);
	bench_run();
	assert_int_equal(bench_counted(VERDICT_GRANTED), 2);
	assert_int_equal(bench_open_ms(HOME, BENCH_TCP(22, 22)), 90000);
	assert_int_equal(bench_session_ms("laptop", HOME), BENCH_RULE_S * 1000);
}

/* Each is told of its own, in their order: those of a transaction together, one alone at once. */
static void what_was_granted_is_told_together(void **state)
{
	const unsigned int before = bench_tellings();

	(void)state;
	bench_config()->settings.client_quota = 100;
	assert_int_equal(bench_configure(), 0);
	for (uint16_t port = 0; port < 20; port++)
		send_request(LAPTOP, (uint16_t)(1000 + port));
	bench_run();
	assert_int_equal(bench_counted(VERDICT_GRANTED), 20);
	assert_int_equal(bench_tellings() - before, 3); /* 8, 8 and 4 */
	for (uint16_t port = 1000; port < 1020; port++)
		assert_int_equal(bench_told(BENCH_TCP(port, port)), BENCH_RULE_S);
	assert_int_equal(bench_told(BENCH_TCP(1020, 1020)), 0);
	send_request(LAPTOP, 22);
	bench_run();
	assert_int_equal(bench_told(BENCH_TCP(22, 22)), BENCH_RULE_S);
	assert_int_equal(bench_tellings() - before, 4);
}

/* Of what the firewall refuses nothing is left: neither in the table nor for the quota. */
static void what_was_refused_counts_no_more(void **state)
{
	(void)state;
	bench_config()->settings.client_quota = 1;
	assert_int_equal(bench_configure(), 0);
	bench_fail_for(AWAY, -ENOSPC);
	assert_int_equal(bench_knock(ALICE, AWAY), VERDICT_FIREWALL_FAILED);
	assert_int_equal(bench_grants(), 0);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	/* And what stood before stands as before. */
	bench_fail_for(HOME, -ENOSPC);
	bench_pass_ms(1000);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_FIREWALL_FAILED);
	assert_int_equal(bench_session_ms("alice", HOME), KNOCK - 1000);
	bench_fail_for(NULL, 0);
	bench_flush();
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK - 1000);
}

/* Nor is anybody who shares it given what another was refused. */
static void what_was_refused_prolongs_nothing(void **state)
{
	(void)state;
	bench_config()->devices[PHONE].rules = (struct span){1, 1};
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_request(PHONE, HOME, BENCH_TCP(22, 22)), VERDICT_GRANTED);
	bench_pass_ms(50000);
	bench_fail_for(HOME, -ENOSPC);
	assert_int_equal(bench_request(PHONE, HOME, BENCH_TCP(22, 22)), VERDICT_FIREWALL_FAILED);
	bench_fail_for(NULL, 0);
	assert_int_equal(bench_request(LAPTOP, HOME, BENCH_TCP(22, 22)), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_TCP(22, 22)), 40000);
}

/* What would be in nobody's sight is not opened. */
static void a_full_table_opens_nothing(void **state)
{
	char address[40];

	(void)state;
	for (unsigned int i = 0; i < 65536; i++) {
		snprintf(address, sizeof address, "2001:db8::%x", i);
		bench_hold(ALICE, address, BENCH_AS(ALICE));
	}
	assert_int_equal(bench_knock(BOB, HOME), VERDICT_NO_MEMORY);
	assert_int_equal(bench_open_count(), 0);
	bench_pass_ms(BENCH_RULE_S * 1000);
	bench_tick();
	assert_int_equal(bench_knock(BOB, HOME), VERDICT_GRANTED);
}

static void more_than_a_batch_holds(void **state)
{
	char from[32];

	(void)state;
	bench_config()->settings.client_quota = 100;
	assert_int_equal(bench_configure(), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(from, sizeof from, "192.0.2.%d", i + 1);
		bench_send(&(struct bench_knock){
		    .by = (enum bench_client)(i % BENCH_CLIENTS), .source = from});
	}
	bench_run();
	assert_int_equal(bench_counted(VERDICT_GRANTED), 100);
	assert_int_equal(bench_open_count(), 100);
	assert_int_equal(bench_sessions(SESSION_OPEN), 100);
}

/* --- What the doorman gets back */

static void a_wrong_guess_is_given_back(void **state)
{
	(void)state;
	bench_send(&(struct bench_knock){
	    .by = ALICE, .source = HOME, .passed_off = true, .holder = BOB, .guessed = true});
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_WRONG_SIGNER);
	assert_int_equal(bench_given_back(), BENCH_WRONG_GUESS);
	assert_int_equal(bench_given_back(), BENCH_NOT_BACK);
	assert_int_equal(bench_open_count(), 0);
}

/* A doorman that has tried the key and says so wrongly would have it back for ever. */
static void what_was_not_guessed_is_not_given_back(void **state)
{
	(void)state;
	bench_send(
	    &(struct bench_knock){.by = ALICE, .source = HOME, .passed_off = true, .holder = BOB});
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_WRONG_SIGNER);
	assert_int_equal(bench_given_back(), BENCH_NOT_BACK);
	/* Nor what was guessed right and refused for another reason. */
	bench_send(
	    &(struct bench_knock){.by = ALICE, .source = HOME, .guessed = true, .stamped_s = -61});
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_STALE);
	assert_int_equal(bench_given_back(), BENCH_NOT_BACK);
}

static void numbers_of_nobody(void **state)
{
	static const uint32_t numbers[] = {BENCH_CLIENTS, BENCH_CLIENTS + 1,
	    (uint32_t)BENCH_CLIENTS + BENCH_DEVICES, DIRECTORY_NOBODY};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		bench_send(&(struct bench_knock){
		    .by = ALICE, .source = HOME, .passed_off = true, .holder = numbers[i]});
		bench_run();
		assert_int_equal(bench_outcome(), VERDICT_WRONG_SIGNER);
	}
	/* The last one there is. */
	assert_int_equal(bench_knock(CAROL, HOME), VERDICT_GRANTED);
}

static void another_generation_is_given_back_unjudged(void **state)
{
	(void)state;
	assert_int_equal(bench_configure(), 0);
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME, .old_config = true});
	bench_run();
	assert_int_equal(bench_outcome(), BENCH_NOTHING);
	assert_int_equal(bench_given_back(), BENCH_OLD_CONFIG);
	assert_false(bench_key_is_left());
	assert_int_equal(bench_open_count(), 0);
	/* Unjudged: the same one is good afterwards. */
	bench_send_again();
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
}

static void before_there_is_a_configuration(void **state)
{
	(void)state;
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	bench_run();
	assert_int_equal(bench_given_back(), BENCH_OLD_CONFIG);
	assert_int_equal(bench_changes(), 0);
	bench_tick();
	assert_int_equal(bench_sessions(SESSION_OPEN), 0);
	assert_false(bench_stopped());
}

/* A doorman that takes nothing back loses it, and nobody waits for it. */
static void a_doorman_that_does_not_listen(void **state)
{
	uint32_t lost = 0;

	(void)state;
	for (int i = 0; i < 5000 && lost == 0; i++) {
		bench_send(&(struct bench_knock){.by = ALICE,
		    .source = HOME,
		    .passed_off = true,
		    .holder = BOB,
		    .guessed = true});
		bench_run();
		lost = bench_counted(VERDICT_BUSY);
	}
	assert_int_equal(lost, 1);
	assert_false(bench_stopped());
}

static void no_key_is_left(void **state)
{
	static const struct bench_knock knocks[] = {
	    {.by = ALICE, .source = HOME},
	    {.by = ALICE, .source = HOME, .passed_off = true, .holder = BOB, .guessed = true},
	    {.by = ALICE, .source = HOME, .old_config = true},
	    {.by = ALICE, .source = HOME, .wrong_key = true},
	    {.by = ALICE, .source = HOME, .target = "127.0.0.1"},
	};
	static const struct asked nothing;

	(void)state;
	assert_int_equal(bench_configure(), 0);
	for (size_t i = 0; i < sizeof knocks / sizeof *knocks; i++) {
		bench_send(&knocks[i]);
		assert_false(bench_key_on_stack());
		assert_false(bench_key_is_left());
		assert_memory_equal(
		    &bench_keeper()->batch[0].knock.packet.asked, &nothing, sizeof nothing);
	}
}

/* Not without what it needs: main is told at once. */
static void no_start_by_halves(void **state)
{
	static const size_t needed[] = {
	    FD_KEEPER_COUNTERS, FD_REPLAY, FD_DOORMAN, FD_DESK, FD_RULE_JOURNAL};

	(void)state;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		assert_false(bench_begins_without(needed[i]));
}

/* --- The rule set as a whole */

static void repaired_until_it_works(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_false(bench_repair());
	bench_flush();
	bench_fail_installs(2, -EPERM);
	bench_keeper()->watch.ready(bench_keeper());
	assert_true(bench_repair());
	assert_int_equal(bench_open_count(), 0);
	caught_log_begin(LOG_LEVEL_WARN);
	assert_true(bench_repair());
	assert_non_null(strstr(caught_log_end(), "somebody changed our rules"));
	assert_false(bench_repair());
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
	/* What is as it was is left alone. */
	bench_keeper()->watch.ready(bench_keeper());
	assert_int_equal(bench_installs(), 2);
}

static uint64_t counts(enum counted what)
{
	return bench_keeper()->report.counters->counts[what];
}

static uint64_t opened_within(size_t limit)
{
	return bench_keeper()->report.counters->opened_within[limit];
}

static void grants_and_the_firewall_are_counted(void **state)
{
	(void)state;
	assert_int_equal(counts(COUNT_FIREWALL), 1);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
	assert_int_equal(counts(COUNT_GRANTS), 2);
	assert_int_equal(counts(COUNT_GRANTS_OPENED), 2);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(counts(COUNT_GRANTS), 2);
	bench_flush();
	bench_fail_installs(1, -EPERM);
	bench_keeper()->watch.ready(bench_keeper());
	assert_int_equal(counts(COUNT_FIREWALL), 0);
	assert_int_equal(counts(COUNT_FIREWALL_REPAIRS), 0);
	assert_true(bench_repair());
	assert_int_equal(counts(COUNT_FIREWALL), 1);
	assert_int_equal(counts(COUNT_FIREWALL_REPAIRS), 1);
	bench_pass_ms(KNOCK + 1000);
	bench_tick();
	assert_int_equal(counts(COUNT_GRANTS), 0);
	assert_int_equal(counts(COUNT_GRANTS_OPENED), 2);
}

/* A change of the configuration that fails leaves the rules of before. */
static void a_refused_configuration_is_no_loss_of_rules(void **state)
{
	(void)state;
	bench_fail_installs(1, -EPERM);
	assert_int_not_equal(bench_configure(), 0);
	assert_int_equal(counts(COUNT_FIREWALL), 1);
}

static void times_go_to_their_limit(void **state)
{
	struct counters *c = bench_keeper()->report.counters;

	(void)state;
	memset(c, 0, sizeof *c);
	counters_opened(c, 500000);
	counters_opened(c, 500001);
	counters_opened(c, INT64_MIN);
	counters_opened(c, 10 * NS_PER_SECOND);
	counters_opened(c, 10 * NS_PER_SECOND + 1);
	counters_opened(c, INT64_MAX);
	assert_int_equal(opened_within(0), 2);
	assert_int_equal(opened_within(1), 1);
	assert_int_equal(opened_within(OPEN_LIMITS - 1), 1);
	assert_int_equal(opened_within(OPEN_LIMITS), 2);
	assert_int_equal(counts(COUNT_OPEN_NS), 500000 + 500001 + (20 + 3600) * NS_PER_SECOND + 1);
}

/* No element is made of what has less than a millisecond left: the kernel takes 0 for "for ever".
 */
static void what_has_no_time_left_is_not_put_back(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
	bench_pass_ms(KNOCK - 1);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 2);
	bench_pass_ms(1);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 0);
	assert_false(bench_change_was_odd());
}

static void repaired_only_while_there_are_rules(void **state)
{
	(void)state;
	bench_repair_now();
	bench_tick();
	assert_int_equal(bench_installs(), 0);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_installs(), 1);
	bench_repair_now();
	assert_int_equal(bench_installs(), 2);
	assert_true(bench_timers_are_read());
	assert_int_equal(bench_installs(), 3);
	bench_stop(false);
	bench_repair_now();
	assert_int_equal(bench_installs(), 3);
}

/* Four times as long as a page took is for the knocks, within limits. */
static void the_desk_waits_its_turn(void **state)
{
	(void)state;
	assert_int_equal(bench_desk_pause(0), 200000);
	assert_int_equal(bench_desk_pause(50000), 200000);
	assert_int_equal(bench_desk_pause(50001), 200004);
	assert_int_equal(bench_desk_pause(25000000), 100000000);
	assert_int_equal(bench_desk_pause(25000001), 100000000);
	assert_false(bench_desk_is_heard());
	assert_true(bench_timers_are_read());
	assert_true(bench_desk_is_heard());
	peer_close(&bench_keeper()->desk);
	assert_int_equal(bench_desk_pause(0), 0);
}

/* One that asks without end, and does not listen, holds up nobody. */
static void a_desk_that_does_not_listen(void **state)
{
	(void)state;
	bench_make_narrow(&bench_keeper()->desk.channel, sizeof(struct message_sessions));
	for (int i = 0; i < 100; i++) {
		struct message_cursor first = {0};

		keeper_take_sessions_wanted(bench_keeper(), &first, NULL);
	}
	assert_false(bench_stopped());
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
}

/* It has gone, and the keeper has not been told yet. */
static void a_desk_that_cannot_be_answered(void **state)
{
	(void)state;
	assert_int_equal(shutdown(bench_keeper()->desk.channel.fd, SHUT_WR), 0);
	assert_false(bench_desk_is_heard());
	assert_true(bench_stopped());
	assert_int_equal(bench_removals(), 0);
}

static const char *said_at_the_stop(void)
{
	caught_log_begin(LOG_LEVEL_ERROR);
	bench_stop(false);
	return caught_log_end();
}

static void stopping(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_string_equal(said_at_the_stop(), "");
	assert_true(bench_stopped());
	assert_int_equal(bench_removals(), 1);
}

/* Its doorman's successor begins with what comes after these. */
/* In the replay guard's file. */
static bool nothing_is_pending(void)
{
	const struct replay *r = &bench_keeper()->replay;

	return r->pending_begun == 0 &&
	       sodium_is_zero((const uint8_t *)r->header->pending, sizeof r->header->pending);
}

static void what_it_is_through_with_is_written_down(void **state)
{
	(void)state;
	assert_int_equal(bench_judged(), BENCH_JUDGED_BEFORE);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_judged(), BENCH_JUDGED_BEFORE + 1);
	assert_true(nothing_is_pending());
	bench_send_again();
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_REPLAYED);
	assert_int_equal(bench_judged(), BENCH_JUDGED_BEFORE + 2);
	bench_send(&(struct bench_knock){.by = ALICE, .source = AWAY, .old_config = true});
	bench_run();
	assert_int_equal(bench_judged(), BENCH_JUDGED_BEFORE + 3);
}

/* The doorman has handed it on, and the message to stop is read first. */
static void stopping_loses_no_knock(void **state)
{
	(void)state;
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	keeper_stop(bench_keeper(), true);
	assert_true(bench_stopped());
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
}

/* Whoever has the rules taken away is not to find them there again. */
static void stopping_for_good_opens_nothing(void **state)
{
	uint32_t installs = bench_installs();

	(void)state;
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	keeper_stop(bench_keeper(), false);
	assert_true(bench_stopped());
	assert_int_equal(bench_outcome(), BENCH_NOTHING);
	assert_int_equal(bench_installs(), installs);
	assert_int_equal(bench_open_count(), 0);
}

static void stopping_when_the_firewall_does_not_let_go(void **state)
{
	(void)state;
	bench_fail_removals(-EPERM);
	assert_non_null(strstr(said_at_the_stop(), "our rules could not be removed"));
	assert_true(bench_stopped());
}

static void stopping_with_rules_kept(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_stop(true);
	assert_true(bench_stopped());
	assert_int_equal(bench_removals(), 0);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), KNOCK);
}

static void a_doorman_that_ends_leaves_the_rules(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	bench_doorman_ends();
	assert_true(bench_stopped());
	assert_int_equal(bench_removals(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    BENCH_TEST(a_knock_opens_and_ends),
	    BENCH_TEST(a_second_knock_extends),
	    BENCH_TEST(what_is_closed_is_opened_as_new),
	    BENCH_TEST(a_sleep_prolongs_nothing),
	    BENCH_TEST(a_tenth_of_a_second_is_worth_while),
	    BENCH_TEST(what_ends_is_logged),
	    BENCH_TEST(many_short_sleeps),
	    BENCH_TEST(a_shorter_grant_cuts_nothing),
	    BENCH_TEST(those_who_share_do_not_cut_each_other),
	    BENCH_TEST(what_is_shared_is_put_back_for_the_longer),
	    BENCH_TEST(the_first_of_the_table),
	    BENCH_TEST(all_of_one_address_are_shown),
	    BENCH_TEST(grants_come_and_go_while_they_are_shown),
	    BENCH_TEST(any_cursor_is_answered),
	    cmocka_unit_test_setup_teardown(without_any_program, bench_setup_alone, bench_teardown),
	    BENCH_TEST(rules_that_are_gone_are_put_back),
	    BENCH_TEST(rules_that_stay_gone),
	    BENCH_TEST(other_failures_put_nothing_back),
	    BENCH_TEST(what_waits_together_goes_together),
	    BENCH_TEST(one_that_fails_takes_no_others_with_it),
	    BENCH_TEST(the_least_and_the_most_that_fail_together),
	    BENCH_TEST(two_for_the_same_grant),
	    BENCH_TEST(the_quota_holds_within_a_batch),
	    BENCH_TEST(requests_go_together_too),
	    BENCH_TEST(who_comes_together_does_not_cut_the_other),
	    BENCH_TEST(what_was_granted_is_told_together),
	    BENCH_TEST(what_was_refused_counts_no_more),
	    BENCH_TEST(what_was_refused_prolongs_nothing),
	    BENCH_TEST(a_full_table_opens_nothing),
	    BENCH_TEST(more_than_a_batch_holds),
	    BENCH_TEST(a_wrong_guess_is_given_back),
	    BENCH_TEST(what_was_not_guessed_is_not_given_back),
	    BENCH_TEST(numbers_of_nobody),
	    BENCH_TEST(another_generation_is_given_back_unjudged),
	    BENCH_TEST_NEW(before_there_is_a_configuration),
	    BENCH_TEST(a_doorman_that_does_not_listen),
	    BENCH_TEST(no_key_is_left),
	    BENCH_TEST(repaired_until_it_works),
	    BENCH_TEST(grants_and_the_firewall_are_counted),
	    BENCH_TEST(a_refused_configuration_is_no_loss_of_rules),
	    BENCH_TEST(times_go_to_their_limit),
	    BENCH_TEST(what_has_no_time_left_is_not_put_back),
	    cmocka_unit_test(no_start_by_halves),
	    BENCH_TEST_NEW(repaired_only_while_there_are_rules),
	    BENCH_TEST(the_desk_waits_its_turn),
	    BENCH_TEST(a_desk_that_does_not_listen),
	    BENCH_TEST(a_desk_that_cannot_be_answered),
	    BENCH_TEST(stopping),
	    BENCH_TEST(what_it_is_through_with_is_written_down),
	    BENCH_TEST(stopping_loses_no_knock),
	    BENCH_TEST(stopping_for_good_opens_nothing),
	    BENCH_TEST(stopping_when_the_firewall_does_not_let_go),
	    BENCH_TEST(stopping_with_rules_kept),
	    BENCH_TEST(a_doorman_that_ends_leaves_the_rules),
	};

	return cmocka_run_group_tests(tests, bench_group_setup, NULL);
}
