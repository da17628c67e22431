/* Ports that a script opens and shuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>
#include <sys/socket.h>

#include "caught_log.h"
#include "keeper_bench.h"

#define HOME "192.0.2.7"
#define AWAY "198.51.100.9"
#define SSH  BENCH_TCP(22, 22)
#define TWO  BENCH_TCP(22, 23)
#define RULE (BENCH_RULE_S * 1000)

#define WAITING_MOST   8
#define ADDITIONS_MOST 16
#define REMOVALS_MOST  64
#define TRIES_AT_STOP  3

static struct bench_question question;

/* Before each test: by scripts, all that requests ask for. */
static int set_up(void **state)
{
	bench_setup_new(state);
	bench_config()->settings.openspa.firewall = CONF_ASKED_SCRIPT;
	bench_config()->settings.client_quota = 100;
	bench_config()->rules[1].duration_s = BENCH_RULE_S;
	assert_int_equal(bench_configure(), 0);
	return 0;
}

static void asked_nothing(void)
{
	assert_false(bench_privileged_asked(&question));
}

/* One that is open, and its client told. */
static void open_for(enum bench_device device, const char *address, struct bench_what what)
{
	assert_int_equal(bench_request(device, address, what), BENCH_NOTHING);
	bench_privileged_does(RUNNER_RULE_ADD, what, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_told(what), BENCH_RULE_S);
}

static void pass_and_tick(int64_t ms)
{
	bench_pass_ms(ms);
	bench_tick();
}

static void granted_when_it_is_open(void **state)
{
	const struct addr client = bench_address(AWAY), server = bench_address("192.0.2.1");

	(void)state;
	bench_send_request(&(struct bench_request){
	    .by = PHONE, .source = HOME, .target = AWAY, .what = TWO, .from_nat = true});
	bench_run();
	assert_int_equal(bench_outcome(), BENCH_NOTHING);
	assert_int_equal(bench_told(TWO), 0);
	assert_int_equal(bench_session_ms("phone", AWAY), RULE);
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(question.task, RUNNER_RULE_ADD);
	assert_int_equal(question.about, PHONE);
	assert_int_equal(question.what.protocol, 6);
	assert_int_equal(question.what.first, 22);
	assert_int_equal(question.what.last, 23);
	assert_int_equal(question.duration_s, BENCH_RULE_S);
	assert_true(addr_equal(&question.client, &client));
	assert_true(addr_equal(&question.server, &server));
	assert_true(question.behind_nat);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_told(TWO), BENCH_RULE_S);
	assert_int_equal(bench_changes(), 0);
	asked_nothing();
	assert_true(bench_ticks());
	/* Nor does our rule set hold it. */
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_open_count(), 0);
	asked_nothing();
}

static const struct fw_ops *programs;
static unsigned int keys_seen, copies_seen;

static int looked_at(struct fw *fw, struct fw_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct knock *waiting = changes[i].waiting;

		copies_seen += waiting != NULL;
		keys_seen += waiting != NULL &&
		             !sodium_is_zero(waiting->packet.key, sizeof waiting->packet.key);
	}
	return programs->change(fw, changes, count);
}

/* Neither while a program has time to open it, nor in memory that is given back. */
static void what_waits_holds_no_key(void **state)
{
	struct fw *fw = &bench_keeper()->programs;
	struct fw_ops ops = *fw->ops;

	(void)state;
	programs = fw->ops;
	ops.change = looked_at;
	fw->ops = &ops;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	fw->ops = programs;
	assert_int_equal(copies_seen, 1);
	assert_int_equal(keys_seen, 0);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_false(bench_freed_unwiped());
}

static void shut_when_its_time_is_over(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE - 1);
	asked_nothing();
	pass_and_tick(1);
	assert_int_equal(bench_grants(), 0);
	assert_true(bench_ticks());
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_int_equal(bench_sessions(SESSION_OVERDUE), 0);
	bench_tick();
	assert_false(bench_ticks());
	asked_nothing();
	assert_int_equal(bench_rules_left(), 0);
	open_for(LAPTOP, HOME, SSH);
}

/* Not only where there are ports. */
static void a_protocol_without_ports_is_shut_too(void **state)
{
	static const struct bench_what icmp = {ALICE, 1, 0, 0};

	(void)state;
	open_for(LAPTOP, HOME, icmp);
	pass_and_tick(RULE);
	bench_privileged_does(RUNNER_RULE_REMOVE, icmp, RUNNER_DONE);
}

static void asked_again_while_it_is_open(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	bench_pass_ms(20000);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	assert_int_equal(bench_told(SSH), BENCH_RULE_S);
	asked_nothing();
	pass_and_tick(RULE - 1);
	asked_nothing();
	pass_and_tick(1);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
}

/* Each is a rule of its own. */
static void what_differs_in_anything(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	open_for(LAPTOP, HOME, TWO);
	open_for(LAPTOP, HOME, BENCH_TCP(21, 22));
	open_for(LAPTOP, HOME, ((struct bench_what){ALICE, 17, 22, 22}));
	open_for(LAPTOP, AWAY, SSH);
	open_for(PHONE, HOME, SSH);
	assert_int_equal(bench_rules_left(), 6);
	pass_and_tick(RULE);
	for (int i = 0; i < 6; i++) {
		assert_true(bench_privileged_asked(&question));
		assert_int_equal(question.task, RUNNER_RULE_REMOVE);
	}
	asked_nothing();
}

static void several_wait_for_one(void **state)
{
	(void)state;
	for (int i = 0; i < WAITING_MOST; i++)
		assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_BUSY);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_DONE);
	assert_int_equal(bench_counted(VERDICT_GRANTED), WAITING_MOST);
	for (int i = 0; i < WAITING_MOST; i++)
		assert_int_equal(bench_told(SSH), BENCH_RULE_S);
	assert_int_equal(bench_told(SSH), 0);
	assert_int_equal(bench_grants(), 1);
}

static void what_was_not_opened_ends(void **state)
{
	static const struct {
		enum runner_outcome outcome;
		int verdict;
	} cases[] = {{RUNNER_REFUSED, VERDICT_FIREWALL_FAILED}, {RUNNER_BUSY, VERDICT_BUSY}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
		bench_privileged_does(RUNNER_RULE_ADD, SSH, cases[i].outcome);
		assert_int_equal(bench_outcome(), cases[i].verdict);
		assert_int_equal(bench_told(SSH), 0);
		assert_int_equal(bench_grants(), 0);
		assert_int_equal(bench_rules_left(), 0);
		asked_nothing();
	}
	open_for(LAPTOP, HOME, SSH);
}

/* Nobody knows how far a script came that failed, nor whether what it has started is still at work:
 * it is shut to be sure, and once more when all of that must be over. */
static void what_may_be_half_open_is_shut(void **state)
{
	static const enum runner_outcome outcomes[] = {RUNNER_FAILED, RUNNER_TIMEOUT};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
		bench_privileged_does(RUNNER_RULE_ADD, SSH, outcomes[i]);
		assert_int_equal(bench_outcome(), VERDICT_FIREWALL_FAILED);
		assert_int_equal(bench_grants(), 0);
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
		assert_int_equal(bench_sessions(SESSION_OVERDUE), 0);
		pass_and_tick(BENCH_PATIENCE_S * 1000);
		asked_nothing();
		pass_and_tick(1000);
		/* Some scripts say no when there is nothing to remove. */
		bench_privileged_does(
		    RUNNER_RULE_REMOVE, SSH, i == 0 ? RUNNER_DONE : RUNNER_REFUSED);
		assert_int_equal(bench_rules_left(), 0);
	}
}

static void what_may_be_half_open_and_stays_so(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_TIMEOUT);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	pass_and_tick((BENCH_PATIENCE_S + 1) * 1000);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_FAILED);
	assert_int_equal(bench_rules_left(), 1);
	assert_int_equal(bench_sessions(SESSION_OVERDUE), 1);
}

static void what_may_be_half_open_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	bench_stop(true);
	bench_privileged_answers(&question, RUNNER_TIMEOUT);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_false(bench_stopped());
	asked_nothing(); /* what opens it gets a second to end */
	pass_and_tick(1000);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_true(bench_stopped());
}

static void what_may_be_half_open_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_TIMEOUT);
	assert_int_equal(bench_outcome(), VERDICT_FIREWALL_FAILED);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	pass_and_tick(RULE);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_int_equal(bench_rules_left(), 0);
}

static void opened_too_late(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	pass_and_tick(RULE);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_FIREWALL_FAILED);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
}

/* Before the second has passed that looks for what has ended. */
static void opened_a_little_too_late(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	bench_pass_ms(RULE);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_FIREWALL_FAILED);
	assert_int_equal(bench_told(SSH), 0);
	bench_tick();
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
}

static void revoked_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	bench_config()->devices[LAPTOP].revoked = true;
	assert_int_equal(bench_configure(), 0);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_REVOKED);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_int_equal(bench_rules_left(), 0);
}

static void revoked_while_open(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	open_for(PHONE, HOME, SSH);
	bench_config()->devices[LAPTOP].revoked = true;
	assert_int_equal(bench_configure(), 0);
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(question.task, RUNNER_RULE_REMOVE);
	assert_int_equal(question.about, LAPTOP);
	bench_privileged_answers(&question, RUNNER_DONE);
	asked_nothing();
	assert_int_equal(bench_grants(), 1);
}

/* --- What does not shut */

static void tried_again_at_longer_intervals(void **state)
{
	static const int seconds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};

	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_FAILED);
		assert_int_equal(bench_sessions(SESSION_OVERDUE), 1);
		assert_int_equal(bench_rules_left(), 1);
		assert_true(bench_ticks());
		assert_true(bench_session_is(SESSION_OVERDUE, "laptop", HOME, SSH));
		pass_and_tick(seconds[i] * 1000 - 1);
		asked_nothing();
		pass_and_tick(1);
	}
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_int_equal(bench_sessions(SESSION_OVERDUE), 0);
	assert_int_equal(bench_rules_left(), 0);
}

/* So many open that each second's first removals are all in vain. */
static int lines_of_failures(int rules)
{
	int lines = 0;

	for (int i = 0; i < rules; i++) {
		assert_true(bench_privileged_asked(&question));
		assert_int_equal(question.task, RUNNER_RULE_REMOVE);
		caught_log_begin(LOG_LEVEL_ERROR);
		bench_privileged_answers(&question, RUNNER_FAILED);
		lines += strstr(caught_log_end(), "could not be shut") != NULL;
	}
	asked_nothing();
	return lines;
}

/* Each says which and how often; the log is not flooded with them. */
static void what_does_not_shut_is_logged(void **state)
{
	const char *line;

	(void)state;
	for (uint16_t i = 0; i < 25; i++)
		open_for(LAPTOP, HOME, BENCH_TCP(i + 1, i + 1));
	pass_and_tick(RULE);
	assert_true(bench_privileged_asked(&question));
	caught_log_begin(LOG_LEVEL_ERROR);
	bench_privileged_answers(&question, RUNNER_FAILED);
	line = caught_log_end();
	assert_non_null(strstr(line, "a rule could not be shut and may still be open"));
	assert_non_null(strstr(line, "target=" HOME));
	assert_non_null(strstr(line, "tries=1 "));
	assert_non_null(strstr(line, "=\"1 s\""));
	assert_int_equal(lines_of_failures(24), 19);
	pass_and_tick(1000);
	assert_int_equal(lines_of_failures(25), 1);
	pass_and_tick(2000);
	assert_int_equal(lines_of_failures(25), 2);
}

/* A queue that is full is nobody's failure. */
static void a_busy_runner_is_asked_again(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	for (int i = 0; i < 5; i++) {
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_BUSY);
		assert_int_equal(bench_sessions(SESSION_OVERDUE), 0);
		pass_and_tick(1000);
	}
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
}

/* --- A privileged runner that answers late, or never */

static void tick_until_late(void)
{
	for (int i = 0; i < BENCH_PATIENCE_S; i++)
		pass_and_tick(1000);
	assert_false(bench_stopped());
	pass_and_tick(1000);
}

static void an_addition_that_is_late(void **state)
{
	struct bench_question late;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
		assert_true(bench_privileged_asked(&late));
		tick_until_late();
		assert_int_equal(bench_outcome(), VERDICT_FIREWALL_FAILED);
		assert_int_equal(bench_grants(), 0);
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
		/* Twice: it may come only now. */
		bench_privileged_answers(&late, RUNNER_DONE);
		assert_false(bench_stopped());
		assert_int_equal(bench_outcome(), BENCH_NOTHING);
		pass_and_tick((BENCH_PATIENCE_S + 1) * 1000);
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
		assert_int_equal(bench_rules_left(), 0);
	}
	/* It counts once. */
	bench_privileged_answers(&late, RUNNER_DONE);
	assert_true(bench_stopped());
	bench_keeper()->process.loop.stopped = false;
}

static void what_is_being_shut_is_shown(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(bench_sessions(SESSION_OVERDUE), 0);
	pass_and_tick(1000);
	assert_true(bench_session_is(SESSION_OVERDUE, "laptop", HOME, SSH));
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_sessions(SESSION_OVERDUE), 0);
}

static void late_removals_are_tries_and_the_last_ends_it(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	caught_log_begin(LOG_LEVEL_ERROR);
	for (int i = 0; i < LATE_MOST; i++) {
		assert_true(bench_privileged_asked(&question));
		assert_int_equal(question.task, RUNNER_RULE_REMOVE);
		tick_until_late();
		if (bench_stopped())
			continue;
		assert_true(bench_session_is(SESSION_OVERDUE, "laptop", HOME, SSH));
		pass_and_tick(1000 << i);
	}
	assert_non_null(strstr(caught_log_end(), "the privileged runner does not answer any more"));
	assert_true(bench_stopped());
	assert_int_equal(bench_rules_left(), 1);
}

/* It is asked nothing about what is open. */
static void what_is_open_is_not_late(void **state)
{
	(void)state;
	for (int i = 0; i < LATE_MOST; i++)
		open_for(LAPTOP, HOME, BENCH_TCP(22, (uint16_t)(22 + i)));
	for (int i = 0; i < 2 * BENCH_PATIENCE_S; i++)
		pass_and_tick(1000);
	assert_false(bench_stopped());
	asked_nothing();
	assert_int_equal(bench_grants(), LATE_MOST);
}

static void the_machine_slept_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	bench_pass_ms(RULE / 2);
	for (int i = 1; i < BENCH_PATIENCE_S; i++)
		bench_tick();
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
}

static void late_at_the_end(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	bench_stop(true);
	assert_true(bench_privileged_asked(&question));
	tick_until_late();
	assert_true(bench_stopped());
	assert_int_equal(bench_rules_left(), 1);
}

static void asked_for_while_it_is_shut(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	assert_true(bench_privileged_asked(&question));
	bench_config()->rules[0].duration_s = 44;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(question.task, RUNNER_RULE_ADD);
	assert_int_equal(question.duration_s, 44);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_told(SSH), 44);
}

/* One that failed waits for its time: whoever asks for it does not wait that long. */
/* Also what a predecessor left. */
static void not_opened_before_it_is_shut(void **state)
{
	(void)state;
	bench_rule_left(LAPTOP, HOME, SSH);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
	assert_int_equal(bench_rules_left(), 1);
}

/* It has been shut, and there is no room to have it opened anew. */
static void no_room_to_open_it_anew(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_int_equal(shutdown(bench_keeper()->rules.runner.channel.fd, SHUT_WR), 0);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_BUSY);
	assert_int_equal(bench_rules_left(), 0);
}

static void asked_for_between_two_tries(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_FAILED);
	asked_nothing();
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
}

static void revoked_while_it_waits_to_be_opened_anew(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_config()->devices[LAPTOP].revoked = true;
	assert_int_equal(bench_configure(), 0);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_REVOKED);
	asked_nothing();
	assert_int_equal(bench_rules_left(), 0);
}

/* --- How much at once */

static void additions_of_one_device(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < ADDITIONS_MOST; i++)
		assert_int_equal(
		    bench_request(LAPTOP, HOME, BENCH_TCP(100 + i, 200)), BENCH_NOTHING);
	assert_int_equal(bench_request(LAPTOP, HOME, BENCH_TCP(99, 200)), VERDICT_BUSY);
	/* One that is being opened already takes nothing more. */
	assert_int_equal(bench_request(LAPTOP, HOME, BENCH_TCP(100, 200)), BENCH_NOTHING);
	assert_int_equal(bench_request(PHONE, HOME, BENCH_TCP(99, 200)), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_counted(VERDICT_GRANTED), 2);
	assert_int_equal(bench_counted(VERDICT_BUSY), 1);
	bench_send_request(
	    &(struct bench_request){.by = LAPTOP, .source = HOME, .what = BENCH_TCP(99, 200)});
	bench_run();
	assert_int_equal(bench_counted(VERDICT_BUSY), 1);
}

static void removals_at_once(void **state)
{
	uint32_t asked = 0;
	struct bench_question first;

	(void)state;
	for (uint16_t i = 0; i < REMOVALS_MOST + 2; i++)
		open_for(i % 2 == 0 ? LAPTOP : PHONE, HOME, BENCH_TCP(100, 200 + i));
	pass_and_tick(RULE);
	assert_true(bench_privileged_asked(&first));
	for (asked = 1; bench_privileged_asked(&question);)
		asked++;
	assert_int_equal(asked, REMOVALS_MOST);
	bench_tick();
	asked_nothing();
	/* There is room for the next with each that is done. */
	bench_privileged_answers(&first, RUNNER_DONE);
	assert_true(bench_privileged_asked(&first));
	asked_nothing();
	/* Grants come in between. */
	open_for(PHONE, AWAY, SSH);
}

/* At the end they are all waited for, not only those that the privileged runner is asked about. */
static void removals_at_the_end(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < REMOVALS_MOST + 2; i++)
		open_for(i % 2 == 0 ? LAPTOP : PHONE, HOME, BENCH_TCP(100, 200 + i));
	bench_stop(true);
	assert_int_equal(bench_rules_left(), REMOVALS_MOST + 2);
	for (uint32_t i = 0; i < REMOVALS_MOST + 2; i++) {
		assert_false(bench_stopped());
		assert_true(bench_privileged_asked(&question));
		bench_privileged_answers(&question, RUNNER_DONE);
	}
	assert_true(bench_stopped());
}

/* Though nothing has been open that ends: what was left before is waited for, too. */
static void time_goes_on_at_the_end(void **state)
{
	(void)state;
	bench_rule_left(LAPTOP, HOME, SSH);
	assert_false(bench_ticks());
	bench_stop(true);
	assert_false(bench_stopped());
	assert_true(bench_ticks());
}

/* What finds no room at the runner is not opened, and what is to be shut is asked for later. */
static void a_runner_that_does_not_listen(void **state)
{
	uint16_t adding = 0;

	(void)state;
	open_for(PHONE, HOME, SSH);
	bench_make_narrow(&bench_keeper()->rules.runner.channel, 1);
	while (bench_request(LAPTOP, HOME, BENCH_TCP(100, 200 + adding)) == BENCH_NOTHING)
		adding++;
	assert_in_range(adding, 1, ADDITIONS_MOST - 1);
	assert_int_equal(bench_counted(VERDICT_BUSY), 1);
	assert_int_equal(bench_grants(), adding + 1U);
	pass_and_tick(RULE);
	assert_false(bench_stopped());
	assert_true(bench_privileged_asked(&question));
	bench_privileged_answers(&question, RUNNER_REFUSED);
	bench_tick();
	for (bool shut = false; !shut;) {
		assert_true(bench_privileged_asked(&question));
		shut = question.task == RUNNER_RULE_REMOVE;
		assert_int_equal(question.about, shut ? PHONE : LAPTOP);
		bench_privileged_answers(&question, shut ? RUNNER_DONE : RUNNER_REFUSED);
		bench_tick();
	}
}

static void a_full_journal(void **state)
{
	(void)state;
	for (int i = 0; i < RULES_MOST - 1; i++)
		bench_rule_left(PHONE, "203.0.113.1", SSH);
	open_for(LAPTOP, HOME, SSH);
	assert_int_equal(bench_request(LAPTOP, HOME, TWO), VERDICT_NO_MEMORY);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_GRANTED);
	/* Nor is there anything to be shut of what never found room. */
	bench_hold((uint32_t)BENCH_CLIENTS + LAPTOP, AWAY, SSH);
	bench_let_go((uint32_t)BENCH_CLIENTS + LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	assert_int_equal(bench_grants(), 0);
	for (size_t i = 0; i < RULES_MOST; i++)
		rule_journal_put(bench_keeper()->rules.journal, i, NULL);
}

/* --- The beginning and the end */

static void what_a_predecessor_left_is_shut(void **state)
{
	(void)state;
	bench_rule_left(STRANGER, AWAY, TWO);
	assert_int_equal(bench_configure(), 0);
	assert_true(bench_ticks());
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(question.task, RUNNER_RULE_REMOVE);
	assert_int_equal(question.about, STRANGER);
	assert_int_equal(question.what.last, 23);
	bench_privileged_answers(&question, RUNNER_FAILED);
	assert_true(
	    bench_session_is(SESSION_OVERDUE, "03000000-0000-0000-0000-000000000000", AWAY, TWO));
	pass_and_tick(1000);
	bench_privileged_does(RUNNER_RULE_REMOVE, TWO, RUNNER_DONE);
	bench_tick();
	assert_false(bench_ticks());
}

/* It crashed while one was opened, one open and one being shut: for as long as a program may yet be
 * at work, what that opens is to be shut as well. */
static void what_a_crash_left_is_shut(void **state)
{
	struct bench_question left[3];

	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	open_for(PHONE, HOME, SSH);
	bench_rule_left(PHONE, AWAY, SSH);
	bench_leave_journal();
	bench_privileged_answers(&question, RUNNER_REFUSED);
	bench_teardown(state);
	set_up(state);
	for (size_t i = 0; i < 3; i++) {
		assert_true(bench_privileged_asked(&left[i]));
		assert_int_equal(left[i].task, RUNNER_RULE_REMOVE);
	}
	assert_int_equal(left[0].about, LAPTOP);
	for (size_t i = 0; i < 3; i++)
		bench_privileged_answers(&left[i], RUNNER_DONE);
	assert_int_equal(bench_rules_left(), 2);
	asked_nothing();
	pass_and_tick((BENCH_PATIENCE_S + 1) * 1000);
	for (size_t i = 0; i < 2; i++) {
		assert_true(bench_privileged_asked(&question));
		assert_true(addr_equal(&question.client, &left[i == 0 ? 0 : 2].client));
		bench_privileged_answers(&question, RUNNER_DONE);
	}
	assert_int_equal(bench_rules_left(), 0);
}

static void everything_is_shut_at_the_end(void **state)
{
	struct bench_question adding, open;

	(void)state;
	open_for(LAPTOP, HOME, SSH);
	assert_int_equal(bench_request(PHONE, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&adding));
	bench_stop(true);
	assert_false(bench_stopped());
	assert_true(bench_ticks());
	assert_int_equal(bench_keeper()->doormen[0].peer.channel.fd, -1);
	assert_int_equal(bench_keeper()->desk.channel.fd, -1);
	assert_true(bench_privileged_asked(&open));
	assert_int_equal(open.task, RUNNER_RULE_REMOVE);
	assert_int_equal(open.about, LAPTOP);
	bench_privileged_answers(&open, RUNNER_DONE);
	assert_false(bench_stopped());
	bench_tick();
	assert_int_equal(bench_said_it_goes_on(), 1);
	bench_tick();
	assert_int_equal(bench_said_it_goes_on(), 0);
	/* Opened too late for whoever waited, and shut at once. */
	bench_privileged_answers(&adding, RUNNER_DONE);
	assert_int_equal(bench_told(SSH), 0);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_true(bench_stopped());
}

static void not_for_ever(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	bench_stop(true);
	for (int i = 0; i < TRIES_AT_STOP; i++) {
		assert_false(bench_stopped());
		assert_int_equal(bench_rules_left(), 1);
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_FAILED);
	}
	assert_true(bench_stopped());
}

/* What has failed before gets its tries anew, and does not wait for its time. */
static void also_what_has_failed_before(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	for (int i = 0; i < TRIES_AT_STOP; i++) {
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_FAILED);
		pass_and_tick(1000 << i);
	}
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_FAILED);
	asked_nothing();
	bench_stop(true);
	for (int i = 0; i < TRIES_AT_STOP - 1; i++) {
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_FAILED);
		assert_false(bench_stopped());
	}
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_true(bench_stopped());
}

static void nothing_is_opened_while_stopping(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	pass_and_tick(RULE);
	assert_true(bench_privileged_asked(&question));
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	bench_stop(false);
	bench_privileged_answers(&question, RUNNER_DONE);
	asked_nothing();
	assert_int_equal(bench_outcome(), VERDICT_FIREWALL_FAILED);
	assert_true(bench_stopped());
}

/* --- Odd answers */

/* The process would end here; the test gives back what it holds. */
static void answered_after_all(void)
{
	bench_keeper()->process.loop.stopped = false;
	bench_privileged_answers(&question, RUNNER_REFUSED);
}

static void what_was_not_asked(void **state)
{
	(void)state;
	open_for(LAPTOP, HOME, SSH);
	assert_int_equal(bench_request(LAPTOP, HOME, TWO), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	question.ticket += 0x10000;
	caught_log_begin(LOG_LEVEL_ERROR);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_non_null(strstr(caught_log_end(), "answered what was not asked"));
	assert_true(bench_stopped());
	assert_int_equal(bench_told(TWO), 0);
	question.ticket -= 0x10000;
	answered_after_all();
}

static void no_ticket(void **state)
{
	(void)state;
	question.ticket = 0;
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_true(bench_stopped());
}

static void beyond_the_journal(void **state)
{
	(void)state;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	question.ticket += RULES_MOST;
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_true(bench_stopped());
	assert_int_equal(bench_told(SSH), 0);
	question.ticket -= RULES_MOST;
	answered_after_all();
}

static void tickets_go_round(void **state)
{
	(void)state;
	bench_keeper()->rules.last_ticket = UINT16_MAX;
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), BENCH_NOTHING);
	assert_true(bench_privileged_asked(&question));
	assert_int_not_equal(question.ticket, 0);
	bench_privileged_answers(&question, RUNNER_DONE);
	assert_int_equal(bench_outcome(), VERDICT_GRANTED);
}

/* Whoever else has ended: what is open is shut first. */
static void all_is_shut_before_the_end(void **state)
{
	static void (*const ends[])(void) = {
	    bench_doorman_ends, bench_desk_ends, bench_runner_ends};

	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		if (i > 0) {
			bench_teardown(state);
			set_up(state);
		}
		open_for(LAPTOP, HOME, SSH);
		ends[i]();
		assert_false(bench_stopped());
		bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
		assert_true(bench_stopped());
	}
}

/* Gone, and the keeper has not been told yet. */
static void a_runner_that_cannot_be_asked(void **state)
{
	(void)state;
	assert_int_equal(shutdown(bench_keeper()->rules.runner.channel.fd, SHUT_WR), 0);
	assert_int_equal(bench_request(LAPTOP, HOME, SSH), VERDICT_BUSY);
	assert_true(bench_stopped());
	assert_int_equal(bench_rules_left(), 0);
}

static const char *said_when_it_ends(void)
{
	caught_log_begin(LOG_LEVEL_ERROR);
	bench_privileged_ends();
	assert_true(bench_stopped());
	return caught_log_end();
}

static void a_runner_that_ends(void **state)
{
	const char *said;

	(void)state;
	open_for(LAPTOP, HOME, SSH);
	said = said_when_it_ends();
	assert_non_null(strstr(said, "rules of scripts may still be open"));
	assert_non_null(strstr(said, "rules=1\n"));
	/* Once is enough. */
	caught_log_begin(LOG_LEVEL_ERROR);
	bench_keeper()->rules.runner.closed(bench_keeper());
	assert_string_equal(caught_log_end(), "");
}

static void a_runner_that_ends_and_leaves_nothing(void **state)
{
	(void)state;
	assert_string_equal(said_when_it_ends(), "");
}

/* Whoever opens for nothing but a knock is not the privileged runner's. */
static void knocks_go_past_it(void **state)
{
	(void)state;
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_open_ms(HOME, BENCH_AS(ALICE)), BENCH_KNOCK_S * 1000);
	asked_nothing();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, bench_teardown)
	static const struct CMUnitTest tests[] = {
	    T(granted_when_it_is_open),
	    T(what_waits_holds_no_key),
	    T(shut_when_its_time_is_over),
	    T(a_protocol_without_ports_is_shut_too),
	    T(asked_again_while_it_is_open),
	    T(what_differs_in_anything),
	    T(several_wait_for_one),
	    T(what_was_not_opened_ends),
	    T(what_may_be_half_open_is_shut),
	    T(what_may_be_half_open_and_stays_so),
	    T(what_may_be_half_open_at_the_end),
	    T(what_may_be_half_open_is_asked_for),
	    T(an_addition_that_is_late),
	    T(what_is_being_shut_is_shown),
	    T(late_removals_are_tries_and_the_last_ends_it),
	    T(what_is_open_is_not_late),
	    T(the_machine_slept_meanwhile),
	    T(late_at_the_end),
	    T(opened_too_late),
	    T(opened_a_little_too_late),
	    T(revoked_meanwhile),
	    T(revoked_while_open),
	    T(tried_again_at_longer_intervals),
	    T(what_does_not_shut_is_logged),
	    T(a_busy_runner_is_asked_again),
	    T(asked_for_while_it_is_shut),
	    T(not_opened_before_it_is_shut),
	    T(no_room_to_open_it_anew),
	    T(asked_for_between_two_tries),
	    T(revoked_while_it_waits_to_be_opened_anew),
	    T(additions_of_one_device),
	    T(removals_at_once),
	    T(removals_at_the_end),
	    BENCH_TEST(time_goes_on_at_the_end),
	    T(a_runner_that_does_not_listen),
	    T(a_full_journal),
	    T(what_a_predecessor_left_is_shut),
	    T(what_a_crash_left_is_shut),
	    T(everything_is_shut_at_the_end),
	    T(not_for_ever),
	    T(also_what_has_failed_before),
	    T(nothing_is_opened_while_stopping),
	    T(what_was_not_asked),
	    T(no_ticket),
	    T(beyond_the_journal),
	    T(tickets_go_round),
	    T(all_is_shut_before_the_end),
	    T(a_runner_that_cannot_be_asked),
	    T(a_runner_that_ends),
	    T(a_runner_that_ends_and_leaves_nothing),
	    T(knocks_go_past_it),
	};

	return cmocka_run_group_tests(tests, bench_group_setup, NULL);
}
