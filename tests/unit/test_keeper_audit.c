/* What the keeper tells for the audit log: each grant and its end, refusals of those who are known,
 * and how much was left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "caught_log.h"
#include "keeper_bench.h"

#define SSH   BENCH_TCP(22, 22)
#define HOME  "192.0.2.7"
#define AWAY  "2001:db8::9"
#define KNOCK (BENCH_KNOCK_S * 1000)
#define MANY  20 /* grants of one client that are told */

static const struct message_audit *only(enum audit_kind kind, const char *client)
{
	size_t count;
	const struct message_audit *m = bench_audit(&count);

	assert_int_equal(count, 1);
	assert_int_equal(m->kind, kind);
	assert_string_equal(m->client, client);
	return m;
}

static void assert_nothing(void)
{
	size_t count;

	bench_audit(&count);
	assert_int_equal(count, 0);
}

static void is_at(const struct addr *a, const char *text)
{
	char is[ADDR_TEXT_BYTES];

	assert_string_equal(addr_text(a, is), text);
}

static void a_grant_and_its_end(void **state)
{
	const struct message_audit *m;
	int64_t began_ns;

	(void)state;
	assert_int_equal(bench_knock(ALICE, AWAY), VERDICT_GRANTED);
	m = only(AUDIT_GRANT, "alice");
	is_at(&m->address, AWAY);
	is_at(&m->source, AWAY);
	assert_false(m->openspa);
	assert_int_equal(m->port_count, 1);
	assert_int_equal(m->ports[0].first, 22);
	assert_int_equal(m->until_ns - m->real_ns, KNOCK * NS_PER_MS);
	assert_int_equal(m->left_out, 0);
	began_ns = m->real_ns;
	bench_pass_ms(KNOCK);
	bench_tick();
	m = only(AUDIT_END, "alice");
	is_at(&m->address, AWAY);
	assert_int_equal(m->end, AUDIT_END_EXPIRED);
	assert_int_equal(m->since_ns, began_ns);
	assert_int_equal(m->renewals, 0);
}

/* Each ten minutes, and at the end how many there were. */
static void renewals(void **state)
{
	const struct message_audit *m;

	(void)state;
	bench_knock(ALICE, HOME);
	only(AUDIT_GRANT, "alice");
	for (int i = 0; i < 60; i++) {
		assert_nothing();
		bench_pass_ms(10000);
		assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	}
	m = only(AUDIT_RENEWAL, "alice");
	assert_int_equal(m->renewals, 60);
	assert_int_equal(m->real_ns - m->since_ns, 600 * NS_PER_SECOND);
	bench_pass_ms(KNOCK);
	bench_tick();
	assert_int_equal(only(AUDIT_END, "alice")->renewals, 60);
}

static void a_refusal_of_one_who_is_known(void **state)
{
	const struct message_audit *m;

	(void)state;
	bench_config()->clients[BOB].revoked = true;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_knock(BOB, HOME), VERDICT_REVOKED);
	m = only(AUDIT_REFUSAL, "bob");
	assert_int_equal(m->verdict, VERDICT_REVOKED);
	is_at(&m->source, HOME);
	/* Whose it is was a guess. */
	bench_send(&(struct bench_knock){
	    .by = ALICE, .source = HOME, .passed_off = true, .holder = CAROL, .guessed = true});
	assert_nothing();
}

/* Anybody who knows the server's key, and an OpenSPA device's name. */
static void a_refusal_of_a_stranger(void **state)
{
	struct message_stranger m;
	size_t count;

	(void)state;
	bench_send_request(
	    &(struct bench_request){.by = LAPTOP, .source = AWAY, .what = SSH, .other_key = true});
	bench_run();
	bench_audit(&count);
	assert_int_equal(count, 0);
	m = bench_stranger();
	assert_int_equal(m.verdict, VERDICT_UNKNOWN_SIGNER);
	assert_int_equal(m.protocol, RECORD_OPENSPA);
	is_at(&m.source, AWAY);
	/* Whose a knock of openme's is was a guess, and is not known before all keys are tried. */
	bench_send(&(struct bench_knock){
	    .by = ALICE, .source = HOME, .passed_off = true, .holder = CAROL, .guessed = true});
	bench_run();
	assert_nothing();
	assert_int_equal(bench_stranger().verdict, VERDICT_COUNT);
}

static void refusals_are_limited(void **state)
{
	const struct message_audit *m;
	size_t count;

	(void)state;
	bench_config()->clients[BOB].revoked = bench_config()->clients[CAROL].revoked = true;
	assert_int_equal(bench_configure(), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(bench_knock(BOB, HOME), VERDICT_REVOKED);
	bench_audit(&count);
	assert_int_equal(count, 5);
	/* The next one says how many were left out, of whomever it is. */
	bench_knock(CAROL, HOME);
	m = only(AUDIT_REFUSAL, "carol");
	assert_int_equal(m->left_out, 95);
	bench_pass_ms(60000);
	bench_knock(BOB, HOME);
	assert_int_equal(only(AUDIT_REFUSAL, "bob")->left_out, 0);
}

static void grants_of_one_client_are_limited(void **state)
{
	char address[32];
	size_t count;

	(void)state;
	bench_config()->settings.client_quota = 1000;
	assert_int_equal(bench_configure(), 0);
	for (int i = 0; i < 50; i++) {
		snprintf(address, sizeof address, "192.0.2.%d", i + 1);
		assert_int_equal(bench_knock(ALICE, address), VERDICT_GRANTED);
	}
	bench_audit(&count);
	assert_int_equal(count, 20);
	assert_int_equal(bench_knock(BOB, HOME), VERDICT_GRANTED);
	assert_int_equal(only(AUDIT_GRANT, "bob")->left_out, 30);
	/* What was not told to begin is not told to end. */
	bench_pass_ms(KNOCK);
	bench_tick();
	bench_audit(&count);
	assert_int_equal(count, 21);
}

static void by_a_new_configuration(void **state)
{
	size_t count;
	const struct message_audit *m;

	(void)state;
	bench_knock(ALICE, HOME);
	bench_knock(BOB, HOME);
	bench_knock(CAROL, HOME);
	bench_audit(&count);
	assert_int_equal(bench_configure(), 0);
	assert_nothing();
	bench_config()->clients[ALICE].revoked = true;
	bench_config()->clients[BOB].expires_ns = 1;
	bench_config()->policies[1].ports.count = 0; /* carol's */
	assert_int_equal(bench_configure(), 0);
	m = bench_audit(&count);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(m[i].kind, AUDIT_END);
		assert_int_equal(m[i].end, strcmp(m[i].client, "alice") == 0 ? AUDIT_END_REVOKED
		                           : strcmp(m[i].client, "bob") == 0 ? AUDIT_END_EXPIRED
		                                                             : AUDIT_END_CHANGED);
	}
}

static void whose_client_is_gone(void **state)
{
	size_t count;

	(void)state;
	bench_knock(CAROL, HOME);
	bench_audit(&count);
	bench_config()->client_count--; /* carol is the last one */
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(only(AUDIT_END, "carol")->end, AUDIT_END_GONE);
}

static void with_the_daemon(void **state)
{
	size_t count;

	(void)state;
	bench_knock(ALICE, HOME);
	bench_audit(&count);
	bench_stop(false);
	assert_int_equal(only(AUDIT_END, "alice")->end, AUDIT_END_STOPPED);
}

static void not_where_the_rules_stay(void **state)
{
	size_t count;

	(void)state;
	bench_knock(ALICE, HOME);
	bench_audit(&count);
	bench_stop(true);
	assert_nothing();
}

/* Alice by the firewall, the laptop by a program. */
static void open_both(void)
{
	size_t count;

	bench_config()->settings.openspa.firewall = CONF_ASKED_SCRIPT;
	assert_int_equal(bench_configure(), 0);
	assert_int_equal(bench_knock(ALICE, HOME), VERDICT_GRANTED);
	assert_int_equal(bench_request(LAPTOP, AWAY, SSH), BENCH_NOTHING);
	bench_privileged_does(RUNNER_RULE_ADD, SSH, RUNNER_DONE);
	bench_audit(&count);
	assert_int_equal(count, 2);
}

/* What the program does not shut is looked at again until its time has passed, and beyond. */
static void pass_without_a_word(void)
{
	for (int i = 0; i < 3; i++) {
		bench_pass_ms(KNOCK);
		bench_tick();
		assert_nothing();
	}
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_true(bench_stopped());
	assert_nothing();
}

static void each_once_with_the_daemon(void **state)
{
	const struct message_audit *m;
	size_t count;

	(void)state;
	open_both();
	bench_stop(false);
	m = bench_audit(&count);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(m[i].end, AUDIT_END_STOPPED);
	pass_without_a_word();
}

static void of_programs_where_the_rules_stay(void **state)
{
	(void)state;
	open_both();
	bench_stop(true);
	assert_int_equal(only(AUDIT_END, "laptop")->end, AUDIT_END_STOPPED);
	bench_privileged_does(RUNNER_RULE_REMOVE, SSH, RUNNER_DONE);
	assert_true(bench_stopped());
	assert_nothing();
}

/* There is no next one that could say how many found no room. */
static void what_finds_no_room_at_the_end(void **state)
{
	const struct message_audit *m;
	char address[32];
	size_t count;

	(void)state;
	bench_config()->settings.client_quota = 1000;
	assert_int_equal(bench_configure(), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(address, sizeof address, "192.0.2.%d", i + 1);
		assert_int_equal(bench_knock(ALICE, address), VERDICT_GRANTED);
	}
	bench_audit(&count);
	assert_int_equal(count, MANY);
	bench_make_narrow(&bench_keeper()->process.main.channel, 1);
	bench_stop(false);
	bench_audit(&count);
	assert_in_range(count, 0, MANY - 1);
	caught_log_begin(LOG_LEVEL_WARN);
	keeper_audit_close(bench_keeper());
	assert_non_null(strstr(caught_log_end(), "missing from the audit log count="));
	m = only(AUDIT_LEFT_OUT, "");
	assert_int_equal(m->left_out, MANY - count);
	keeper_audit_close(bench_keeper());
	assert_nothing();
}

/* Main does not listen: knocks are served, and it hears how much it has missed. */
static void a_main_that_does_not_listen(void **state)
{
	char address[32];
	size_t count;
	uint64_t left_out;

	(void)state;
	bench_config()->settings.client_quota = 60000;
	assert_int_equal(bench_configure(), 0);
	for (int i = 0; i < 3000; i++) {
		snprintf(address, sizeof address, "10.0.0.%d", i % 100 + 1);
		bench_pass_ms(10000); /* one more of each client's */
		assert_int_equal(bench_knock(ALICE, address), VERDICT_GRANTED);
		bench_tick();
	}
	bench_audit(&count);
	assert_true(count > 10 && count < BENCH_AUDIT_MOST);
	bench_pass_ms(10000);
	assert_int_equal(bench_knock(BOB, HOME), VERDICT_GRANTED);
	left_out = bench_audit(&count)->left_out;
	assert_true(left_out > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BENCH_TEST(a_grant_and_its_end),
	    BENCH_TEST(renewals),
	    BENCH_TEST(a_refusal_of_one_who_is_known),
	    BENCH_TEST(a_refusal_of_a_stranger),
	    BENCH_TEST(refusals_are_limited),
	    BENCH_TEST(grants_of_one_client_are_limited),
	    BENCH_TEST(by_a_new_configuration),
	    BENCH_TEST(whose_client_is_gone),
	    BENCH_TEST(with_the_daemon),
	    BENCH_TEST(not_where_the_rules_stay),
	    BENCH_TEST(each_once_with_the_daemon),
	    BENCH_TEST(of_programs_where_the_rules_stay),
	    BENCH_TEST(what_finds_no_room_at_the_end),
	    BENCH_TEST(a_main_that_does_not_listen),
	};

	return cmocka_run_group_tests(tests, bench_group_setup, NULL);
}
