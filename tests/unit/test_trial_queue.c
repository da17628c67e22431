#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "doorman/trial_queue.h"

static struct trial_queue lane;

static int set_up(void **state)
{
	(void)state;
	memset(&lane, 0, sizeof lane);
	return 0;
}

static struct knock knock_from(const char *source, uint16_t port)
{
	struct knock k = {.packet.record.source_port = port};

	assert_true(addr_parse(&k.packet.record.source, source));
	return k;
}

static struct slot *queue(const char *source, uint16_t port, bool known)
{
	struct knock k = knock_from(source, port);

	return trial_queue_queue(&lane, &k, known);
}

static struct slot *queue_number(uint32_t number, bool known)
{
	struct knock k = knock_from(known ? "10.1.0.0" : "10.2.0.0", 0);

	k.packet.record.source.bytes[14] = (uint8_t)(number >> 8);
	k.packet.record.source.bytes[15] = (uint8_t)number;
	return trial_queue_queue(&lane, &k, known);
}

/* The port by which the next one is told; it leaves. */
static uint16_t serve(void)
{
	struct slot *s = trial_queue_first(&lane);
	uint16_t port;

	assert_non_null(s);
	port = s->knock.packet.record.source_port;
	trial_queue_release(&lane, s);
	return port;
}

static void in_the_order_of_arrival(void **state)
{
	(void)state;
	assert_null(trial_queue_first(&lane));
	assert_non_null(queue("192.0.2.1", 1, false));
	assert_non_null(queue("192.0.2.2", 2, false));
	assert_non_null(queue("192.0.2.3", 3, false));
	assert_int_equal(lane.scanning, 3);
	for (uint16_t port = 1; port <= 3; port++)
		assert_int_equal(serve(), port);
	assert_int_equal(lane.scanning, 0);
	assert_null(trial_queue_first(&lane));
}

static void a_source_has_a_few_slots(void **state)
{
	(void)state;
	for (int i = 0; i < TRIAL_QUEUE_OF_SOURCE; i++)
		assert_non_null(queue("192.0.2.1", 1, i % 2 == 0));
	assert_null(queue("192.0.2.1", 1, false));
	assert_null(queue("192.0.2.1", 1, true));
	assert_non_null(queue("192.0.2.2", 2, false));
	serve();
	assert_non_null(queue("192.0.2.1", 1, false));
}

static void a_64_is_one_source(void **state)
{
	char text[32];

	(void)state;
	for (int i = 0; i < TRIAL_QUEUE_OF_SOURCE; i++) {
		snprintf(text, sizeof text, "2001:db8::%x", i);
		assert_non_null(queue(text, 1, false));
	}
	assert_null(queue("2001:db8::ffff", 1, false));
	assert_non_null(queue("2001:db8:0:1::1", 1, false));
}

static void who_sends_much_waits_behind_who_sends_little(void **state)
{
	(void)state;
	for (int i = 0; i < TRIAL_QUEUE_OF_SOURCE; i++)
		queue("192.0.2.1", 1, true);
	assert_non_null(queue("192.0.2.2", 2, false));
	assert_int_equal(serve(), 1);
	/* Its first comes before what the other has besides; more of the flood changes nothing. */
	assert_non_null(queue("192.0.2.1", 1, true));
	assert_int_equal(serve(), 1);
	assert_int_equal(serve(), 2);
}

static void known_sources_come_earlier(void **state)
{
	(void)state;
	assert_non_null(queue("192.0.2.1", 1, false));
	assert_non_null(queue("192.0.2.2", 2, true));
	assert_int_equal(serve(), 2);
	assert_int_equal(serve(), 1);
}

static void nobody_waits_for_ever(void **state)
{
	uint32_t served = 0;

	(void)state;
	assert_non_null(queue("192.0.2.1", 1, false));
	for (uint32_t i = 0; lane.scanning > 0 && served == 0; i++) {
		assert_true(i < 1000);
		queue_number(i, true);
		queue_number(i, true);
		served = serve();
	}
	assert_int_equal(served, 1);
}

/* Forged sources of either kind leave room for the other. */
static void neither_kind_takes_all(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		set_up(state);
		for (uint32_t i = 0; i < TRIAL_QUEUE_OF_KIND; i++)
			assert_non_null(queue_number(i, first == 1));
		assert_null(queue_number(TRIAL_QUEUE_OF_KIND, first == 1));
		for (uint32_t i = 0; i < TRIAL_QUEUE_OF_KIND; i++)
			assert_non_null(queue_number(i, first == 0));
		assert_null(queue_number(TRIAL_QUEUE_OF_KIND, first == 0));
		assert_int_equal(lane.scanning, TRIAL_QUEUE_SLOTS);
	}
}

static void the_held_are_not_scanned(void **state)
{
	struct knock k = knock_from("192.0.2.1", 9);
	struct slot *s = trial_queue_hold(&lane, &k);

	(void)state;
	assert_non_null(s);
	assert_null(trial_queue_first(&lane));
	for (int i = 1; i < TRIAL_QUEUE_SLOTS; i++)
		assert_non_null(trial_queue_hold(&lane, &k));
	assert_null(trial_queue_hold(&lane, &k));
	assert_null(trial_queue_queue(&lane, &k, true));
	trial_queue_release(&lane, s);
	assert_int_equal(s->state, SLOT_FREE);
	assert_int_equal(s->knock.packet.record.source_port, 0);
	assert_non_null(trial_queue_queue(&lane, &k, true));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(in_the_order_of_arrival),
	    TEST(a_source_has_a_few_slots),
	    TEST(a_64_is_one_source),
	    TEST(who_sends_much_waits_behind_who_sends_little),
	    TEST(known_sources_come_earlier),
	    TEST(nobody_waits_for_ever),
	    TEST(neither_kind_takes_all),
	    TEST(the_held_are_not_scanned),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
