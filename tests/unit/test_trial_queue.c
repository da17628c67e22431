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
	trial_queue_init(&lane);
	return 0;
}

static struct knock knock_from(const char *source, uint16_t port)
{
	struct knock k = {.packet.record = {.source_port = port, .size = OPENME_PACKET_BYTES}};

	assert_true(addr_parse(&k.packet.record.source, source));
	return k;
}

static struct trial_slot *queue(const char *source, uint16_t port, enum trial_lane to)
{
	struct knock k = knock_from(source, port);

	return trial_queue_add(&lane, &k, to);
}

/* Each from a source and a network of its own. */
static struct trial_slot *queue_number(uint32_t number, enum trial_lane to)
{
	struct knock k = knock_from("10.0.0.0", 0);

	k.packet.record.source.bytes[13] = (uint8_t)(number >> 8);
	k.packet.record.source.bytes[14] = (uint8_t)number;
	return trial_queue_add(&lane, &k, to);
}

/* The port by which the next one is told; it leaves. */
static uint16_t serve(enum trial_lane from)
{
	struct trial_slot *s = trial_queue_first(&lane, from);
	struct knock k;

	assert_non_null(s);
	trial_queue_get(s, &k);
	trial_queue_release(&lane, s);
	return k.packet.record.source_port;
}

static void in_the_order_of_arrival(void **state)
{
	(void)state;
	assert_null(trial_queue_first(&lane, TRIAL_FAR_NOWHERE));
	assert_non_null(queue("192.0.2.1", 1, TRIAL_FAR_NOWHERE));
	assert_non_null(queue("192.0.2.2", 2, TRIAL_FAR_NOWHERE));
	assert_non_null(queue("192.0.2.3", 3, TRIAL_FAR_NOWHERE));
	assert_int_equal(lane.waiting, 3);
	for (uint16_t port = 1; port <= 3; port++)
		assert_int_equal(serve(TRIAL_FAR_NOWHERE), port);
	assert_int_equal(lane.waiting, 0);
	assert_null(trial_queue_first(&lane, TRIAL_FAR_NOWHERE));
}

static void it_is_the_same_knock(void **state)
{
	struct knock k = knock_from("2001:db8::1", 7), out;

	(void)state;
	assert_true(addr_parse(&k.packet.record.local, "192.0.2.9"));
	k.packet.record.slot = 99;
	memset(k.packet.record.bytes, 0x5a, OPENME_PACKET_BYTES);
	memset(k.packet.key, 0xa5, sizeof k.packet.key);
	k.packet.asked.timestamp_ns = -5;
	k.packet.asked.target.bytes[3] = 7;
	k.holder = DIRECTORY_NOBODY;
	trial_queue_get(trial_queue_add(&lane, &k, TRIAL_NEAR_SOURCE), &out);
	assert_memory_equal(&out.packet.record, &k.packet.record, sizeof out.packet.record);
	assert_memory_equal(out.packet.key, k.packet.key, sizeof out.packet.key);
	assert_int_equal(out.packet.asked.timestamp_ns, -5);
	assert_true(addr_equal(&out.packet.asked.target, &k.packet.asked.target));
	assert_int_equal(out.holder, DIRECTORY_NOBODY);
}

static void a_source_has_a_few_slots(void **state)
{
	(void)state;
	for (int i = 0; i < TRIAL_OF_SOURCE; i++)
		assert_non_null(
		    queue("192.0.2.1", 1, i % 2 == 0 ? TRIAL_NEAR_SOURCE : TRIAL_FAR_NOWHERE));
	assert_null(queue("192.0.2.1", 1, TRIAL_FAR_NOWHERE));
	assert_null(queue("192.0.2.1", 1, TRIAL_NEAR_SOURCE));
	assert_non_null(queue("192.0.2.2", 2, TRIAL_FAR_NOWHERE));
	serve(TRIAL_NEAR_SOURCE);
	assert_non_null(queue("192.0.2.1", 1, TRIAL_FAR_NOWHERE));
}

static void a_64_is_one_source(void **state)
{
	char text[32];

	(void)state;
	for (int i = 0; i < TRIAL_OF_SOURCE; i++) {
		snprintf(text, sizeof text, "2001:db8::%x", i);
		assert_non_null(queue(text, 1, TRIAL_FAR_NOWHERE));
	}
	assert_null(queue("2001:db8::ffff", 1, TRIAL_FAR_NOWHERE));
	assert_non_null(queue("2001:db8:0:1::1", 1, TRIAL_FAR_NOWHERE));
}

/* Forged from all of a network that clients are known in: the others keep their slots, and a place
 * before most of it. */
static void a_network_has_a_part_of_its_lane(void **state)
{
	char text[32];

	(void)state;
	for (int i = 0; i < TRIAL_OF_NETWORK; i++) {
		snprintf(text, sizeof text, "192.0.2.%d", i);
		assert_non_null(queue(text, 1, TRIAL_NEAR_NETWORK));
	}
	assert_null(queue("192.0.2.200", 1, TRIAL_NEAR_NETWORK));
	assert_non_null(queue("192.0.3.1", 2, TRIAL_NEAR_NETWORK));
	assert_int_equal(serve(TRIAL_NEAR_NETWORK), 1);
	assert_int_equal(serve(TRIAL_NEAR_NETWORK), 2);
	/* Where all are tried, it is a matter of sources alone. */
	for (int i = 0; i < 2 * TRIAL_OF_NETWORK; i++) {
		snprintf(text, sizeof text, "198.51.100.%d", i);
		assert_non_null(queue(text, 1, TRIAL_FAR_NOWHERE));
	}
}

static void who_sends_much_waits_behind_who_sends_little(void **state)
{
	(void)state;
	for (int i = 0; i < TRIAL_OF_SOURCE; i++)
		queue("192.0.2.1", 1, TRIAL_FAR_NOWHERE);
	assert_non_null(queue("192.0.2.2", 2, TRIAL_FAR_NOWHERE));
	assert_int_equal(serve(TRIAL_FAR_NOWHERE), 1);
	/* Its first comes before what the other has besides; more of the flood changes nothing. */
	assert_non_null(queue("192.0.2.1", 1, TRIAL_FAR_NOWHERE));
	assert_int_equal(serve(TRIAL_FAR_NOWHERE), 2);
}

static void nobody_waits_for_ever(void **state)
{
	uint32_t served = 0;

	(void)state;
	for (int i = 0; i < TRIAL_OF_SOURCE; i++)
		assert_non_null(queue("192.0.2.1", 1, TRIAL_FAR_NOWHERE));
	for (uint32_t i = 0; served < TRIAL_OF_SOURCE; i++) {
		assert_true(i < 20 * TRIAL_QUEUE_SLOTS);
		queue_number(i, TRIAL_FAR_NOWHERE);
		queue_number(i + 30000, TRIAL_FAR_NOWHERE);
		served += serve(TRIAL_FAR_NOWHERE) == 1;
	}
}

/* Forged sources of any kind leave room for the others. */
static void no_lane_takes_from_another(void **state)
{
	static const uint32_t slots[TRIAL_LANE_COUNT] = {0, 128, 384, 64, 64, 384};
	uint32_t number = 0;

	(void)state;
	for (int to = TRIAL_NEAR_SOURCE; to < TRIAL_LANE_COUNT; to++) {
		for (uint32_t i = 0; i < slots[to]; i++)
			assert_non_null(queue_number(number++, (enum trial_lane)to));
		assert_null(queue_number(number++, (enum trial_lane)to));
	}
	assert_int_equal(lane.waiting, TRIAL_QUEUE_SLOTS);
}

static void into_another_lane(void **state)
{
	struct trial_slot *s = queue("192.0.2.1", 1, TRIAL_NEAR_NETWORK);

	(void)state;
	assert_true(trial_queue_move(&lane, s, TRIAL_FAR_NETWORK));
	assert_int_equal(trial_queue_lane(&lane, s), TRIAL_FAR_NETWORK);
	assert_null(trial_queue_first(&lane, TRIAL_NEAR_NETWORK));
	assert_ptr_equal(trial_queue_first(&lane, TRIAL_FAR_NETWORK), s);
	assert_int_equal(lane.waiting, 1);
	for (uint32_t i = 1; i < 64; i++)
		assert_non_null(queue_number(i, TRIAL_FAR_NETWORK));
	s = queue("192.0.2.2", 2, TRIAL_NEAR_NETWORK);
	assert_false(trial_queue_move(&lane, s, TRIAL_FAR_NETWORK));
	assert_int_equal(trial_queue_lane(&lane, s), TRIAL_NEAR_NETWORK);
	assert_ptr_equal(trial_queue_first(&lane, TRIAL_NEAR_NETWORK), s);
}

/* With somebody in each lane, and in some. */
static void all_lanes_have_turns(void **state)
{
	uint32_t turns[TRIAL_LANE_COUNT] = {0};

	(void)state;
	assert_int_equal(trial_queue_turn(&lane, true), TRIAL_NONE);
	for (int to = TRIAL_NEAR_SOURCE; to < TRIAL_LANE_COUNT; to++)
		queue_number((uint32_t)to, (enum trial_lane)to);
	for (int i = 0; i < 90; i++)
		turns[trial_queue_turn(&lane, true)]++;
	for (int i = 0; i < 30; i++)
		assert_true(trial_queue_is_near(trial_queue_turn(&lane, false)));
	assert_int_equal(turns[TRIAL_NONE], 0);
	assert_int_equal(turns[TRIAL_NEAR_SOURCE], 30);
	assert_int_equal(turns[TRIAL_NEAR_NETWORK], 30);
	for (int to = TRIAL_FAR_SOURCE; to < TRIAL_LANE_COUNT; to++)
		assert_int_equal(turns[to], 10);
	serve(TRIAL_NEAR_SOURCE);
	serve(TRIAL_NEAR_NETWORK);
	serve(TRIAL_FAR_SOURCE);
	serve(TRIAL_FAR_NETWORK);
	for (int i = 0; i < 20; i++)
		assert_int_equal(trial_queue_turn(&lane, true), TRIAL_FAR_NOWHERE);
	assert_int_equal(trial_queue_turn(&lane, false), TRIAL_NONE);
}

static void the_held_are_not_tried(void **state)
{
	struct knock k = knock_from("192.0.2.1", 9);

	(void)state;
	for (int i = 0; i < TRIAL_QUEUE_HELD; i++)
		assert_true(trial_queue_hold(&lane, &k));
	assert_false(trial_queue_hold(&lane, &k));
	assert_int_equal(trial_queue_turn(&lane, true), TRIAL_NONE);
	memset(&k, 0, sizeof k);
	assert_true(trial_queue_take_held(&lane, &k));
	assert_int_equal(k.packet.record.source_port, 9);
	assert_true(trial_queue_hold(&lane, &k));
	for (int i = 0; i < TRIAL_QUEUE_HELD; i++)
		assert_true(trial_queue_take_held(&lane, &k));
	assert_false(trial_queue_take_held(&lane, &k));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(in_the_order_of_arrival),
	    TEST(it_is_the_same_knock),
	    TEST(a_source_has_a_few_slots),
	    TEST(a_64_is_one_source),
	    TEST(a_network_has_a_part_of_its_lane),
	    TEST(who_sends_much_waits_behind_who_sends_little),
	    TEST(nobody_waits_for_ever),
	    TEST(no_lane_takes_from_another),
	    TEST(into_another_lane),
	    TEST(all_lanes_have_turns),
	    TEST(the_held_are_not_tried),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
