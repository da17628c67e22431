/* Requests about which a program is asked, and what becomes of the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "caught_log.h"
#include "keeper_bench.h"

#define HOME   "192.0.2.7"
#define AWAY   "198.51.100.9"
#define SSH    BENCH_TCP(22, 22)
#define WEB    BENCH_TCP(443, 444)
#define RULE   (BENCH_RULE_S * 1000)
#define OF_ONE 16
#define OF_ALL 256

static struct bench_question question;

static void ask_for(enum conf_asked directory, enum conf_asked authorization)
{
	bench_config()->settings.openspa.directory = (uint8_t)directory;
	bench_config()->settings.openspa.authorization = (uint8_t)authorization;
	assert_int_equal(bench_configure(), 0);
}

static void asked_about(enum runner_task task, enum bench_device device)
{
	struct bench_question more;

	assert_true(bench_runner_asked(&question));
	assert_int_equal(question.task, task);
	assert_int_equal(question.about, device);
	assert_int_not_equal(question.ticket, 0);
	assert_false(bench_runner_asked(&more));
}

static void nobody_is_asked_where_all_is_ours_to_know(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, SSH), RULE);
	assert_int_equal(bench_told(SSH), BENCH_RULE_S);
	assert_int_equal(bench_told(SSH), 0);
	assert_string_equal(bench_shown(HOME, SSH), "laptop");
	assert_true(bench_session_is(SESSION_OPEN, "laptop", HOME, SSH));
	assert_true(bench_session_is(SESSION_SEEN, "laptop", HOME, BENCH_AS(ALICE)));
	assert_false(bench_runner_asked(&question));
	assert_false(bench_key_is_left());
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_UNKNOWN_SIGNER);
}

static void who_is_told(void **state)
{
	struct bench_request r = {.by = LAPTOP, .source = HOME, .target = AWAY, .what = SSH};

	(void)state;
	bench_config()->settings.openspa.answer = CONF_ANSWER_SOURCE_MATCHES;
	assert_int_equal(bench_configure(), 0);
	bench_send_request(&r);
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_told(SSH), 0);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_told(SSH), BENCH_RULE_S);
	bench_config()->settings.openspa.answer = CONF_ANSWER_NEVER;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_told(SSH), 0);
	/* Nor is anybody told of what was not opened. */
	bench_config()->settings.openspa.answer = CONF_ANSWER_ALWAYS;
	assert_int_equal(bench_configure(), 0);
	bench_fail_for(HOME, -28);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_FIREWALL_FAILED);
	assert_int_equal(bench_told(SSH), 0);
}

/* --- Keys */

static void a_key_is_asked_for(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	assert_int_equal(question.what.protocol, 0); /* what is not verified is not told */
	assert_int_equal(question.timestamp_s, 0);
	assert_int_equal(bench_grants(), 0);
	assert_true(bench_key_is_left()); /* in locked memory, until the answer is there */
	bench_runner_gives_key(&question, false);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, SSH), RULE);
	assert_int_equal(bench_told(SSH), BENCH_RULE_S);
	assert_false(bench_key_is_left());
}

static void a_key_that_did_not_sign(void **state)
{
	struct bench_request r = {.by = STRANGER, .source = HOME, .what = SSH, .other_key = true};

	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	bench_runner_gives_key(&question, true);
	assert_int_equal(bench_outcome(), VERDICT_UNKNOWN_SIGNER);
	bench_send_request(&r);
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	bench_runner_gives_key(&question, false);
	assert_int_equal(bench_outcome(), VERDICT_UNKNOWN_SIGNER);
	assert_int_equal(bench_open_count(), 0);
	assert_false(bench_key_is_left());
}

static void no_key_that_is_one(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	bench_runner_answers(&question, RUNNER_DONE); /* all zeros */
	assert_int_equal(bench_outcome(), VERDICT_PROGRAM_FAILED);
	assert_false(bench_key_is_left());
}

static void answers_that_are_none(void **state)
{
	static const struct {
		enum runner_outcome outcome;
		int for_key, for_duration;
	} cases[] = {
	    {RUNNER_REFUSED, VERDICT_UNKNOWN_SIGNER, VERDICT_NOT_AUTHORIZED},
	    {RUNNER_FAILED, VERDICT_PROGRAM_FAILED, VERDICT_PROGRAM_FAILED},
	    {RUNNER_TIMEOUT, VERDICT_PROGRAM_FAILED, VERDICT_PROGRAM_FAILED},
	    {RUNNER_BUSY, VERDICT_BUSY, VERDICT_BUSY},
	};

	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_SCRIPT);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
		asked_about(RUNNER_PUBLIC_KEY, STRANGER);
		bench_runner_answers(&question, cases[i].outcome);
		assert_int_equal(bench_outcome(), cases[i].for_key);
		assert_false(bench_key_is_left());
		assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
		asked_about(RUNNER_AUTHORIZE, LAPTOP);
		bench_runner_answers(&question, cases[i].outcome);
		assert_int_equal(bench_outcome(), cases[i].for_duration);
		assert_false(bench_key_is_left());
	}
	assert_int_equal(bench_open_count(), 0);
	assert_false(bench_stopped());
}

/* --- What the place of a batch held before */

static void a_key_of_another_is_not_used(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	bench_runner_gives_key(&question, false);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	/* It would verify by the key that the place has seen last. */
	assert_int_equal(bench_request(OTHER_STRANGER, HOME, WEB), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, OTHER_STRANGER);
	assert_int_equal(bench_open_ms(HOME, WEB), 0);
}

static void a_yes_to_another_is_not_used(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_runner_gives_seconds(&question, 77);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_request(PHONE, HOME, WEB), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, PHONE);
	assert_int_equal(bench_open_ms(HOME, WEB), 0);
}

static void a_knock_after_a_request(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_told(SSH), BENCH_RULE_S);
	assert_int_equal(bench_knock(CAROL, AWAY), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(AWAY, SSH), 0);
	assert_int_equal(bench_open_ms(AWAY, BENCH_AS(CAROL)), BENCH_KNOCK_S * 1000);
	assert_int_equal(bench_open_count(), 2);
	assert_int_equal(bench_told(SSH), 0);
}

static void both_kinds_in_one_batch(void **state)
{
	(void)state;
	bench_send(&(struct bench_knock){.by = ALICE, .source = HOME});
	bench_send_request(&(struct bench_request){.by = LAPTOP, .source = HOME, .what = SSH});
	bench_send(&(struct bench_knock){.by = BOB, .source = AWAY});
	bench_send_request(&(struct bench_request){.by = PHONE, .source = HOME, .what = SSH});
	bench_send_request(&(struct bench_request){.by = PHONE, .source = HOME, .what = WEB});
	bench_run();
	assert_int_equal(bench_counted(VERDICT_GRANTED), 5);
	assert_int_equal(bench_open_count(), 4); /* two devices share one opening */
	assert_int_equal(bench_sessions(SESSION_OPEN), 5);
}

/* The doorman's word for who it is counts for nothing. */
static void the_device_is_who_it_says_it_is(void **state)
{
	(void)state;
	for (uint32_t holder = 0; holder < (uint32_t)BENCH_CLIENTS + BENCH_DEVICES + 1; holder++) {
		bench_send_request(&(struct bench_request){
		    .by = PHONE, .source = HOME, .what = SSH, .holder = holder});
		bench_run();
		assert_int_equal(bench_outcome(), VERDICT_GRANTED);
		assert_int_equal(bench_sessions(SESSION_OPEN), 1);
		assert_int_equal(bench_session_ms("phone", HOME), RULE);
	}
}

static void a_shorter_opening_cuts_nothing(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	bench_config()->rules[0].duration_s = 10;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, SSH), RULE);
	assert_int_equal(bench_session_ms("laptop", HOME), RULE);
	assert_int_equal(bench_request(PHONE, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, SSH), RULE);
	assert_int_equal(bench_session_ms("phone", HOME), 10000);
	/* Other ports are another opening. */
	assert_int_equal(bench_request(PHONE, HOME, BENCH_TCP(22, 23)), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_TCP(22, 23)), 10000);
	assert_int_equal(bench_request(PHONE, HOME, BENCH_TCP(21, 22)), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_TCP(21, 22)), 10000);
	bench_flush();
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_ms(HOME, SSH), RULE);
	assert_int_equal(bench_open_ms(HOME, BENCH_TCP(22, 23)), 10000);
	assert_int_equal(bench_open_count(), 3);
}

/* --- Durations */

static void a_duration_is_asked_for(void **state)
{
	const struct addr client = bench_address(AWAY), server = bench_address("192.0.2.1");
	struct bench_request r = {
	    .by = LAPTOP, .source = HOME, .target = AWAY, .what = WEB, .from_nat = true};

	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_HELPER);
	bench_send_request(&r);
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	assert_int_equal(question.what.protocol, 6);
	assert_int_equal(question.what.first, 443);
	assert_int_equal(question.what.last, 444);
	assert_true(question.behind_nat);
	assert_true(addr_equal(&question.client, &client));
	assert_true(addr_equal(&question.server, &server));
	assert_int_equal(question.timestamp_s, BENCH_NOW_NS / BENCH_S);
	assert_int_equal(bench_grants(), 0);
	bench_runner_gives_seconds(&question, 77);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(AWAY, WEB), 77000);
	assert_int_equal(bench_told(WEB), 77);
	assert_false(bench_key_is_left());
	/* No seconds are a no. */
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_runner_gives_seconds(&question, 0);
	assert_int_equal(bench_outcome(), VERDICT_NOT_AUTHORIZED);
	assert_int_equal(bench_open_ms(HOME, SSH), 0);
}

static void first_the_key_and_then_the_duration(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_HELPER, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	bench_runner_gives_key(&question, false);
	assert_int_equal(bench_outcome(), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, STRANGER);
	assert_int_equal(bench_open_count(), 0);
	bench_runner_gives_seconds(&question, 5);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, SSH), 5000);
	assert_false(bench_key_is_left());
}

static void by_the_configuration_of_the_answer(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_config()->devices[LAPTOP].revoked = true;
	assert_int_equal(bench_configure(), 0);
	bench_runner_gives_seconds(&question, 5);
	assert_int_equal(bench_outcome(), VERDICT_REVOKED);
	assert_int_equal(bench_open_count(), 0);
}

static void too_late_for_the_window(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_pass_ms(300001);
	bench_runner_gives_seconds(&question, 5);
	assert_int_equal(bench_outcome(), VERDICT_STALE);
}

/* --- How many may wait */

static void the_same_request_waits_once(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_send_again();
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_REPLAYED);
	bench_runner_gives_seconds(&question, 5);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	bench_send_again();
	bench_run();
	assert_int_equal(bench_outcome(), VERDICT_REPLAYED);
	assert_false(bench_runner_asked(&question));
}

static int stranger_from(int number)
{
	char source[32];

	snprintf(source, sizeof source, "10.0.%d.%d", number / 200, number % 200 + 1);
	return bench_request(STRANGER, source, SSH);
}

static void strangers_share_by_source(void **state)
{
	static const char *const sources[] = {"2001:db8::1", "2001:db8::2"};

	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_SCRIPT);
	for (int i = 0; i < OF_ONE; i++)
		assert_int_equal(
		    bench_request(i % 2 == 0 ? STRANGER : OTHER_STRANGER, sources[i % 2], SSH),
		    VERDICT_ASKED);
	assert_int_equal(bench_request(STRANGER, sources[0], SSH), VERDICT_BUSY);
	assert_int_equal(bench_request(STRANGER, "2001:db8:0:1::1", SSH), VERDICT_ASKED);
	/* Whoever has signed does not pay for them. */
	assert_int_equal(bench_request(LAPTOP, sources[0], SSH), VERDICT_ASKED);
}

static void half_is_for_those_who_have_signed(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_SCRIPT);
	for (int i = 0; i < OF_ALL; i++)
		assert_int_equal(stranger_from(i), VERDICT_ASKED);
	assert_int_equal(stranger_from(OF_ALL), VERDICT_BUSY);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	assert_true(bench_runner_asked(&question));
	bench_runner_answers(&question, RUNNER_REFUSED);
	assert_int_equal(bench_outcome(), VERDICT_UNKNOWN_SIGNER);
	assert_int_equal(stranger_from(OF_ALL), VERDICT_ASKED);
}

static void a_second_is_enough(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_runner_gives_seconds(&question, 1);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, SSH), 1000);
}

static void a_device_pays_for_itself(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT);
	for (int i = 0; i < OF_ONE; i++)
		assert_int_equal(
		    bench_request(LAPTOP, i % 2 == 0 ? HOME : AWAY, SSH), VERDICT_ASKED);
	assert_int_equal(bench_request(LAPTOP, "203.0.113.1", SSH), VERDICT_BUSY);
	assert_int_equal(bench_request(PHONE, HOME, SSH), VERDICT_ASKED);
}

/* --- Odd answers */

static void what_was_not_asked_is_not_answered(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	question.ticket++;
	caught_log_begin(LOG_LEVEL_ERROR);
	bench_runner_gives_key(&question, false);
	assert_non_null(strstr(caught_log_end(), "the runner answered what was not asked"));
	assert_true(bench_stopped());
	assert_int_equal(bench_open_count(), 0);
	assert_int_equal(bench_removals(), 0);
}

/* No ticket is what a free place has. */
static void no_ticket_at_all(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	question.ticket = 0;
	bench_runner_gives_key(&question, false);
	assert_true(bench_stopped());
}

static void an_answer_counts_once(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_runner_gives_seconds(&question, 5);
	assert_false(bench_stopped());
	bench_runner_gives_seconds(&question, 5);
	assert_true(bench_stopped());
}

static void tickets_go_round(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	bench_keeper()->questions.last_ticket = UINT32_MAX;
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_PUBLIC_KEY, STRANGER);
	assert_int_equal(question.ticket, 1);
	bench_runner_gives_key(&question, false);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
}

/* It has more to do than it takes: nobody waits for it, and nobody is told that it has gone. */
static void a_runner_that_does_not_listen(void **state)
{
	int waiting = 0;

	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	bench_make_narrow(&bench_keeper()->questions.runner.channel, 1);
	while (stranger_from(waiting) == VERDICT_ASKED)
		waiting++;
	assert_in_range(waiting, 1, OF_ALL - 1);
	assert_int_equal(bench_counted(VERDICT_BUSY), 1);
	assert_false(bench_stopped());
	assert_true(bench_runner_asked(&question));
	bench_runner_gives_key(&question, false);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(stranger_from(waiting), VERDICT_ASKED);
}

static void a_runner_that_ends(void **state)
{
	(void)state;
	bench_runner_ends();
	assert_true(bench_stopped());
	assert_int_equal(bench_removals(), 0);
}

/* Gone, and the keeper has not been told yet. */
static void a_runner_that_cannot_be_asked(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	assert_int_equal(shutdown(bench_keeper()->questions.runner.channel.fd, SHUT_WR), 0);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_BUSY);
	assert_int_equal(bench_counted(VERDICT_BUSY), 1);
	assert_true(bench_stopped());
	assert_int_equal(bench_removals(), 0);
}

/* As it is where no program makes rules. */
static void one_runner_without_the_other(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_SCRIPT);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_ASKED);
	asked_about(RUNNER_AUTHORIZE, LAPTOP);
	bench_runner_gives_seconds(&question, 5);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
}

/* Set up without one, and configured as if there were. */
static void nobody_there_to_ask(void **state)
{
	(void)state;
	ask_for(CONF_ASKED_SCRIPT, CONF_ASKED_NATIVE);
	assert_int_equal(bench_request(STRANGER, HOME, SSH), VERDICT_PROGRAM_FAILED);
}

/* --- firewall: none */

static void a_dry_run_says_what_it_would_open(void **state)
{
	const char *text;

	(void)state;
	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_told(SSH), BENCH_RULE_S);
	assert_int_equal(bench_knock(ALICE, AWAY), VERDICT_GRANTED);
	assert_int_equal(bench_configure(), 0);
	text = caught_log_end();
	assert_non_null(strstr(text, "would put these rules in place"));
	assert_non_null(strstr(text, "address=192.0.2.7 protocol=6 ports=22-22 timeout=30000ms"));
	assert_non_null(strstr(text, "owner=laptop"));
	assert_non_null(strstr(text, "address=198.51.100.9 policy=0 timeout=60000ms owner=alice"));
	/* The next rule set holds it, as it would. */
	assert_non_null(strstr(text, "would keep open address=192.0.2.7 protocol=6 ports=22-22"));
	assert_int_equal(bench_session_ms("laptop", HOME), RULE);
	bench_pass_ms(RULE);
	bench_tick();
	assert_int_equal(bench_grants(), 1);
}

static void late_answers(void **state)
{
	struct bench_question late[LATE_MOST];

	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_HELPER);
	caught_log_begin(LOG_LEVEL_ERROR);
	for (int i = 0; i < LATE_MOST; i++) {
		assert_int_equal(
		    bench_request(LAPTOP, HOME, BENCH_TCP(22, (uint16_t)(22 + i))), VERDICT_ASKED);
		assert_true(bench_runner_asked(&late[i]));
		assert_true(bench_keeper()->ticking);
		for (int tick = 0; tick < BENCH_PATIENCE_S; tick++)
			bench_tick();
		assert_true(bench_ticks());
		assert_int_equal(bench_outcome(), BENCH_NOTHING);
		bench_tick();
		assert_int_equal(bench_outcome(), VERDICT_PROGRAM_FAILED);
		assert_int_equal(bench_keeper()->questions.waiting, 0);
		assert_int_equal(bench_stopped(), i == LATE_MOST - 1);
	}
	assert_non_null(strstr(caught_log_end(), "the runner does not answer any more"));
	assert_int_equal(bench_counted(VERDICT_PROGRAM_FAILED), LATE_MOST);
}

/* What has come too late opens nothing, and is no reason to end. */
static void answered_late(void **state)
{
	struct bench_question late;

	(void)state;
	ask_for(CONF_ASKED_NATIVE, CONF_ASKED_HELPER);
	for (int i = 0; i < 2 * LATE_MOST; i++) {
		assert_int_equal(
		    bench_request(LAPTOP, HOME, BENCH_TCP(22, (uint16_t)(22 + i))), VERDICT_ASKED);
		assert_true(bench_runner_asked(&late));
		for (int tick = 0; tick <= BENCH_PATIENCE_S; tick++)
			bench_tick();
		assert_int_equal(bench_outcome(), VERDICT_PROGRAM_FAILED);
		bench_runner_gives_seconds(&late, 30);
		assert_int_equal(bench_outcome(), BENCH_NOTHING);
		assert_int_equal(bench_grants(), 0);
		assert_false(bench_stopped());
	}
	bench_tick();
	assert_false(bench_keeper()->ticking);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    BENCH_TEST(nobody_is_asked_where_all_is_ours_to_know),
	    BENCH_TEST(who_is_told),
	    BENCH_TEST(a_key_is_asked_for),
	    BENCH_TEST(a_key_that_did_not_sign),
	    BENCH_TEST(no_key_that_is_one),
	    BENCH_TEST(answers_that_are_none),
	    BENCH_TEST(a_key_of_another_is_not_used),
	    BENCH_TEST(a_yes_to_another_is_not_used),
	    BENCH_TEST(a_knock_after_a_request),
	    BENCH_TEST(both_kinds_in_one_batch),
	    BENCH_TEST(the_device_is_who_it_says_it_is),
	    BENCH_TEST(a_shorter_opening_cuts_nothing),
	    BENCH_TEST(a_duration_is_asked_for),
	    BENCH_TEST(first_the_key_and_then_the_duration),
	    BENCH_TEST(by_the_configuration_of_the_answer),
	    BENCH_TEST(too_late_for_the_window),
	    BENCH_TEST(the_same_request_waits_once),
	    BENCH_TEST(strangers_share_by_source),
	    BENCH_TEST(half_is_for_those_who_have_signed),
	    BENCH_TEST(a_second_is_enough),
	    BENCH_TEST(a_device_pays_for_itself),
	    BENCH_TEST(what_was_not_asked_is_not_answered),
	    BENCH_TEST(no_ticket_at_all),
	    BENCH_TEST(an_answer_counts_once),
	    BENCH_TEST(tickets_go_round),
	    BENCH_TEST(a_runner_that_does_not_listen),
	    BENCH_TEST(a_runner_that_ends),
	    BENCH_TEST(a_runner_that_cannot_be_asked),
	    cmocka_unit_test_setup_teardown(
	        one_runner_without_the_other, bench_setup_asked, bench_teardown),
	    cmocka_unit_test_setup_teardown(nobody_there_to_ask, bench_setup_alone, bench_teardown),
	    BENCH_TEST(late_answers),
	    {"late_answers_to_the_millisecond", late_answers, bench_setup_impatient, bench_teardown,
	        NULL},
	    BENCH_TEST(answered_late),
	    cmocka_unit_test_setup_teardown(
	        a_dry_run_says_what_it_would_open, bench_setup_dry, bench_teardown),
	};

	return cmocka_run_group_tests(tests, bench_group_setup, NULL);
}
