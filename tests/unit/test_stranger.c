/* What main is told of strangers: of each verdict and each sender so many, and how many were not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/clock.h"
#include "proc/stranger.h"

#define NOW_NS (1000000 * NS_PER_SECOND)

static struct strangers s;
static struct channel ends[2]; /* the doorman's, main's */

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	if (!channel_pair(fds))
		return -1;
	ends[0] = (struct channel){fds[0], ROLE_DOORMAN, ROLE_MAIN};
	ends[1] = (struct channel){fds[1], ROLE_MAIN, ROLE_DOORMAN};
	strangers_init(&s, &ends[0], MESSAGE_DOORMAN_STRANGER);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(ends[0].fd);
	close(ends[1].fd);
	return 0;
}

/* One by one from senders of its own. */
static struct knock knock_from(unsigned int number)
{
	struct knock k;
	char text[ADDR_TEXT_BYTES];

	memset(&k, 0, sizeof k);
	snprintf(text, sizeof text, "10.%u.%u.%u", number >> 16, number >> 8 & 255, number & 255);
	assert_true(addr_parse(&k.packet.record.source, text));
	k.packet.record.source_port = 1024;
	k.packet.asked.timestamp_ns = NOW_NS - 90 * NS_PER_SECOND;
	return k;
}

static void tell(enum verdict v, unsigned int number, int64_t now_ns)
{
	const struct knock k = knock_from(number);

	strangers_tell(&s, v, &k, now_ns);
}

/* How many main has heard of meanwhile; `last` is the last of them. */
static unsigned int heard(struct message_stranger *last)
{
	struct message m;
	unsigned int count = 0;

	for (; channel_receive(&ends[1], &m, PHASE_RUN) == CHANNEL_MESSAGE; count++) {
		assert_int_equal(m.type, MESSAGE_DOORMAN_STRANGER);
		*last = m.body.DOORMAN_STRANGER;
	}
	return count;
}

static void one_is_told_whole(void **state)
{
	struct message_stranger m;
	struct knock k = knock_from(7);

	(void)state;
	strangers_tell(&s, VERDICT_STALE, &k, NOW_NS);
	assert_int_equal(heard(&m), 1);
	assert_int_equal(m.verdict, VERDICT_STALE);
	assert_int_equal(m.protocol, RECORD_OPENME);
	assert_int_equal(m.source_port, 1024);
	assert_int_equal(m.ahead_s, -90);
	assert_true(addr_equal(&m.source, &k.packet.record.source));
	assert_true(addr_parse(&k.packet.record.source, "2001:db8::1"));
	k.packet.record.protocol = RECORD_OPENSPA;
	strangers_tell(&s, VERDICT_UNKNOWN_SIGNER, &k, NOW_NS);
	assert_int_equal(heard(&m), 1);
	assert_int_equal(m.protocol, RECORD_OPENSPA);
	assert_int_equal(m.ahead_s, 0);
	assert_true(addr_equal(&m.source, &k.packet.record.source));
}

/* Any time that anybody can state. */
static void times_without_bounds(void **state)
{
	static const int64_t stated[] = {INT64_MIN, INT64_MAX};
	struct message_stranger m;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct knock k = knock_from(i);

		k.packet.asked.timestamp_ns = stated[i];
		strangers_tell(&s, VERDICT_STALE, &k, NOW_NS);
		assert_int_equal(heard(&m), 1);
		assert_int_equal(m.ahead_s, i == 0 ? INT32_MIN : INT32_MAX);
	}
}

static void one_sender_does_not_use_up_the_limit(void **state)
{
	struct message_stranger m;

	(void)state;
	for (int i = 0; i < 1000; i++)
		tell(VERDICT_BAD_SEAL, 1, NOW_NS);
	assert_int_equal(heard(&m), 3);
	tell(VERDICT_BAD_SEAL, 2, NOW_NS);
	assert_int_equal(heard(&m), 1);
	assert_int_equal(m.left_out, 997);
	tell(VERDICT_UNKNOWN_SIGNER, 1, NOW_NS); /* which junk does not hide */
	assert_int_equal(heard(&m), 1);
	tell(VERDICT_BAD_SEAL, 1, NOW_NS + 60 * NS_PER_SECOND);
	assert_int_equal(heard(&m), 1);
	assert_int_equal(m.left_out, 0);
}

/* A whole /64 is one sender. */
static void a_network_is_one_sender(void **state)
{
	struct message_stranger m;
	struct knock k = knock_from(0);
	char text[ADDR_TEXT_BYTES];

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "2001:db8::%x", i + 1);
		assert_true(addr_parse(&k.packet.record.source, text));
		strangers_tell(&s, VERDICT_BAD_SEAL, &k, NOW_NS);
	}
	assert_int_equal(heard(&m), 3);
}

static void a_flood_of_one_verdict_hides_no_other(void **state)
{
	struct message_stranger m;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++)
		tell(VERDICT_BAD_SEAL, i, NOW_NS);
	assert_in_range(heard(&m), 20, 20);
	tell(VERDICT_UNKNOWN_SIGNER, 5, NOW_NS);
	assert_int_equal(heard(&m), 1);
	assert_int_equal(m.left_out, 100000 - 20);
	/* What is earned is used, and no more. */
	for (unsigned int i = 0; i < 1000; i++)
		tell(VERDICT_BAD_SEAL, i, NOW_NS + 5 * NS_PER_SECOND);
	assert_int_equal(heard(&m), 5);
}

static void a_clock_that_jumps(void **state)
{
	struct message_stranger m;

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		tell(VERDICT_STALE, i, NOW_NS);
	assert_int_equal(heard(&m), 20);
	for (unsigned int i = 0; i < 100; i++)
		tell(VERDICT_STALE, i, NOW_NS - 999999 * NS_PER_SECOND + i * NS_PER_SECOND);
	assert_in_range(heard(&m), 50, 100);
}

/* The channel is full: nothing waits, and all are counted. */
static void a_main_that_does_not_listen(void **state)
{
	struct message_stranger m = {.left_out = 0};
	unsigned int told;

	(void)state;
	for (unsigned int i = 0; i < 5000; i++)
		tell(VERDICT_STALE, i, NOW_NS + i * NS_PER_SECOND);
	told = heard(&m);
	assert_in_range(told, 10, 4999);
	tell(VERDICT_STALE, 5000, NOW_NS + 5000 * NS_PER_SECOND);
	assert_int_equal(heard(&m), 1);
	assert_int_equal(m.left_out, 5000 - told);
}

static void who_is_not_told_of(void **state)
{
	struct message_stranger m;

	(void)state;
	tell(VERDICT_BAD_SIZE, 1, NOW_NS);
	tell(VERDICT_REPLAYED, 1, NOW_NS);
	tell(VERDICT_WRONG_SIGNER, 1, NOW_NS);
	tell(VERDICT_REVOKED, 1, NOW_NS);
	assert_int_equal(heard(&m), 0);
	assert_int_equal(s.left_out, 0);
	assert_false(stranger_is_told_of(VERDICT_COUNT));
	assert_false(stranger_is_told_of((enum verdict)255));
}

static void what_was_left_out_at_the_end(void **state)
{
	struct message_stranger m;

	(void)state;
	strangers_close(&s);
	assert_int_equal(heard(&m), 0);
	for (int i = 0; i < 10; i++)
		tell(VERDICT_BUSY, 1, NOW_NS);
	strangers_close(&s);
	assert_int_equal(heard(&m), 4);
	assert_int_equal(m.verdict, VERDICT_COUNT);
	assert_int_equal(m.left_out, 7);
	strangers_close(&s);
	assert_int_equal(heard(&m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(one_is_told_whole, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(times_without_bounds, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        one_sender_does_not_use_up_the_limit, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_network_is_one_sender, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        a_flood_of_one_verdict_hides_no_other, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_clock_that_jumps, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_main_that_does_not_listen, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_is_not_told_of, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_was_left_out_at_the_end, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
