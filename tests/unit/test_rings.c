/* Who is served when, of many who wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "doorman/rings.h"

enum { TAGGED_SLOTS = 64, KNOWN_SLOTS = 32, OTHER_SLOTS = 1024, HEAVY = 1 << 20 };

static const uint16_t slots[RINGS_CLASSES] = {TAGGED_SLOTS, KNOWN_SLOTS, OTHER_SLOTS};
static struct rings rings;
static uint32_t sender_at[RINGS_SLOTS_MAX]; /* whose datagram stands in a slot */

static int set_up(void **state)
{
	(void)state;
	rings_init(&rings, slots);
	return 0;
}

/* An IPv6 /64 each. */
static struct addr address_of(uint32_t sender)
{
	struct addr a = {{0x20, 0x01}};

	memcpy(a.bytes + 2, &sender, sizeof sender);
	a.bytes[ADDR_BYTES - 1] = (uint8_t)randombytes_uniform(256);
	return a;
}

static bool put(enum rings_class class, uint32_t sender)
{
	struct addr source = address_of(sender);
	bool displaced;
	uint16_t slot = rings_put(&rings, class, &source, &displaced);

	if (slot != RINGS_NONE)
		sender_at[slot] = sender;
	return slot != RINGS_NONE;
}

/* How many were given room, at whosever cost. */
static uint32_t put_all(enum rings_class class, uint32_t sender, uint32_t count)
{
	uint32_t taken = 0;

	while (count-- > 0)
		taken += put(class, sender);
	return taken;
}

static uint32_t served(void)
{
	uint16_t slot = rings_take(&rings);

	assert_int_not_equal(slot, RINGS_NONE);
	return sender_at[slot];
}

static void nothing_waits(void **state)
{
	(void)state;
	assert_int_equal(rings_take(&rings), RINGS_NONE);
	assert_true(put(RINGS_OTHER, 1));
	assert_int_equal(rings.waiting, 1);
	assert_int_equal(served(), 1);
	assert_int_equal(rings.waiting, 0);
	assert_int_equal(rings_take(&rings), RINGS_NONE);
}

/* One sends all the time, and others one datagram each: they are served before the next but two of
 * his. */
static void one_who_sends_more_waits_longer(void **state)
{
	uint32_t of_heavy = 0;

	(void)state;
	for (uint32_t other = 0; other < 1000; other++) {
		uint32_t before = of_heavy;

		put_all(RINGS_OTHER, HEAVY, 1000);
		assert_true(put(RINGS_OTHER, other));
		while (served() != other)
			of_heavy++;
		assert_in_range(of_heavy - before, 0, 3);
	}
}

/* The same with fifty of them, who all send more than is served. */
static void among_many_who_send_more(void **state)
{
	uint32_t refused = 0, found = 0;

	(void)state;
	for (uint32_t other = 0; other < 1000; other++) {
		for (uint32_t heavy = 0; heavy < 50; heavy++)
			put_all(RINGS_OTHER, HEAVY + heavy, 20);
		refused += !put(RINGS_OTHER, other);
		for (int i = 0; i < 60; i++)
			found += served() < HEAVY;
	}
	assert_in_range(refused, 0, 40); /* about 1 in 100 shares both of its rings */
	assert_in_range(found, 950, 1000);
}

static uint32_t waiting_of(uint32_t sender)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < RINGS_OF_CLASS; i++) {
		uint16_t slot = rings.lanes[RINGS_OTHER].rings[i].first;

		for (uint16_t n = rings.lanes[RINGS_OTHER].rings[i].count; n > 0; n--) {
			count += sender_at[slot] == sender;
			slot = rings.next[slot];
		}
	}
	return count;
}

/* One alone may fill all of it, and gives back what others need, down to an equal part. */
static void room_is_shared(void **state)
{
	(void)state;
	assert_int_equal(put_all(RINGS_OTHER, HEAVY, 3 * OTHER_SLOTS), OTHER_SLOTS);
	assert_int_equal(waiting_of(HEAVY), OTHER_SLOTS);
	for (uint32_t sender = 0; sender < 7; sender++)
		put_all(RINGS_OTHER, sender, OTHER_SLOTS);
	assert_int_equal(rings.waiting, OTHER_SLOTS);
	for (uint32_t sender = 0; sender < 7; sender++)
		assert_in_range(waiting_of(sender), OTHER_SLOTS / 16, OTHER_SLOTS / 4);
	assert_in_range(waiting_of(HEAVY), OTHER_SLOTS / 16, OTHER_SLOTS / 4);
	assert_true(put(RINGS_OTHER, 1000));
	assert_int_equal(rings.waiting, OTHER_SLOTS);
}

/* Whose place was taken is known: it is one who had more. */
static void what_is_displaced(void **state)
{
	struct addr source = address_of(1);
	bool displaced;
	uint16_t slot = rings_put(&rings, RINGS_OTHER, &source, &displaced);

	(void)state;
	assert_false(displaced);
	put_all(RINGS_OTHER, HEAVY, OTHER_SLOTS);
	sender_at[slot] = 1;
	source = address_of(2);
	slot = rings_put(&rings, RINGS_OTHER, &source, &displaced);
	assert_int_not_equal(slot, RINGS_NONE);
	assert_true(displaced);
	assert_int_equal(sender_at[slot], HEAVY);
}

static void one_network_is_one_sender(void **state)
{
	(void)state;
	put_all(RINGS_OTHER, 5, OTHER_SLOTS);
	for (uint32_t sender = 100; sender < 104; sender++)
		assert_int_equal(put_all(RINGS_OTHER, sender, 10), 10);
	assert_int_equal(waiting_of(5), OTHER_SLOTS - 40);
}

/* Classes have room of their own. */
static void a_full_class_leaves_the_others_theirs(void **state)
{
	(void)state;
	for (uint32_t sender = 0; sender < 10000; sender++)
		put(RINGS_OTHER, sender);
	assert_int_equal(rings.waiting, OTHER_SLOTS);
	for (uint32_t sender = 0; sender < 10000; sender++)
		put(RINGS_TAGGED, sender);
	assert_int_equal(rings.waiting, OTHER_SLOTS + TAGGED_SLOTS);
	for (uint32_t sender = 0; sender < 10000; sender++)
		put(RINGS_KNOWN, sender);
	assert_int_equal(rings.waiting, OTHER_SLOTS + TAGGED_SLOTS + KNOWN_SLOTS);
}

/* Who serves: by weights, and each class in every round. */
static void classes_by_weight(void **state)
{
	enum { ROUNDS = 3, TURNS = 8 };
	uint32_t of_class[RINGS_CLASSES] = {0};

	(void)state;
	for (uint32_t i = 0; i < 30; i++)
		for (uint32_t class = 0; class < RINGS_CLASSES; class ++)
			put((enum rings_class) class, class * 1000 + i);
	for (int turn = 0; turn < ROUNDS * TURNS; turn++)
		of_class[served() / 1000]++;
	assert_int_equal(of_class[RINGS_TAGGED], ROUNDS * 4);
	assert_int_equal(of_class[RINGS_KNOWN], ROUNDS * 3);
	assert_int_equal(of_class[RINGS_OTHER], ROUNDS * 1);
	/* What a class does not use is not lost to the others. */
	while (rings.waiting > 0)
		served();
	put_all(RINGS_OTHER, 1, 30);
	for (int i = 0; i < 30; i++)
		assert_int_equal(served(), 1);
}

/* Of one sender, whichever of its two rings each waits in. */
static void the_first_of_a_sender_is_served_first(void **state)
{
	struct addr source = address_of(1);
	bool displaced;
	uint16_t first[40];

	(void)state;
	for (int i = 0; i < 40; i++)
		first[i] = rings_put(&rings, RINGS_OTHER, &source, &displaced);
	for (int i = 0; i < 40; i++)
		assert_int_equal(rings_take(&rings), first[i]);
}

static void a_class_without_slots(void **state)
{
	static const uint16_t none[RINGS_CLASSES] = {0, 0, 2};

	(void)state;
	rings_init(&rings, none);
	assert_false(put(RINGS_TAGGED, 1));
	assert_true(put(RINGS_OTHER, 1));
	assert_int_equal(served(), 1);
}

/* At random: every slot is given out once at a time, and comes back. */
static void slots_are_neither_lost_nor_doubled(void **state)
{
	static bool in_use[RINGS_SLOTS_MAX];
	uint32_t waiting = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct addr source = address_of(randombytes_uniform(400));
		bool is_put = randombytes_uniform(100) < 51, displaced = false;
		uint16_t slot =
		    is_put ? rings_put(&rings, (enum rings_class)randombytes_uniform(RINGS_CLASSES),
		                 &source, &displaced)
		           : rings_take(&rings);

		if (slot == RINGS_NONE) {
			assert_true(is_put || waiting == 0);
			continue;
		}
		assert_in_range(slot, 0, TAGGED_SLOTS + KNOWN_SLOTS + OTHER_SLOTS - 1);
		assert_int_equal(in_use[slot], !is_put || displaced);
		in_use[slot] = is_put;
		if (!displaced)
			waiting += is_put ? 1 : UINT32_MAX;
		assert_int_equal(rings.waiting, waiting);
	}
}

/* So nobody can choose an address that shares a ring with somebody's. */
static void rings_are_chosen_by_a_secret(void **state)
{
	struct rings other;

	(void)state;
	rings_init(&other, slots);
	assert_memory_not_equal(other.hash_key, rings.hash_key, sizeof rings.hash_key);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, set_up)
	static const struct CMUnitTest tests[] = {
	    T(nothing_waits),
	    T(one_who_sends_more_waits_longer),
	    T(among_many_who_send_more),
	    T(room_is_shared),
	    T(what_is_displaced),
	    T(one_network_is_one_sender),
	    T(a_full_class_leaves_the_others_theirs),
	    T(classes_by_weight),
	    T(the_first_of_a_sender_is_served_first),
	    T(a_class_without_slots),
	    T(slots_are_neither_lost_nor_doubled),
	    T(rings_are_chosen_by_a_secret),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
