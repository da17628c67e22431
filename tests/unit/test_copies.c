/* Which datagrams are known to be copies, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "doorman/copies.h"

enum { PACKET_BYTES = 165, MANY = COPIES_ROWS * COPIES_WAYS };

static struct copies copies;
static const struct addr anywhere; /* asked for by those whose source it is to be */

static const int64_t start_ns = 5 * NS_PER_SECOND;

static int set_up(void **state)
{
	(void)state;
	copies_init(&copies);
	return 0;
}

static struct record record_of(uint32_t content, uint16_t size)
{
	struct record r = {.size = size};

	memcpy(r.bytes, &content, sizeof content);
	return r;
}

static struct record the_record(void)
{
	return record_of(1, PACKET_BYTES);
}

static void for_a_second(void **state)
{
	struct record r = the_record();

	(void)state;
	assert_false(copies_has(&copies, &r, start_ns));
	copies_remember(&copies, &r, &anywhere, start_ns);
	assert_true(copies_has(&copies, &r, start_ns));
	assert_true(copies_has(&copies, &r, start_ns + NS_PER_SECOND - 1));
	assert_false(copies_has(&copies, &r, start_ns + NS_PER_SECOND));
	copies_remember(&copies, &r, &anywhere, start_ns + NS_PER_SECOND);
	assert_true(copies_has(&copies, &r, start_ns + NS_PER_SECOND + 1));
}

/* Wherever it comes from; but any bit of it makes another one, and so does its length. */
static void exact_copies(void **state)
{
	struct record r = the_record(), copy = r;

	(void)state;
	copies_remember(&copies, &r, &anywhere, start_ns);
	copy.source.bytes[0] = 1;
	copy.source_port = copy.slot = 7;
	assert_true(copies_has(&copies, &copy, start_ns));
	for (size_t bit = 0; bit < PACKET_BYTES * 8; bit++) {
		copy = r;
		copy.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(copies_has(&copies, &copy, start_ns));
	}
	copy = r;
	copy.size--;
	assert_false(copies_has(&copies, &copy, start_ns));
}

/* Somebody has recorded it on its way, and was faster. */
static void who_was_overtaken_still_counts(void **state)
{
	struct record thief = the_record(), owner = thief;

	(void)state;
	thief.source.bytes[0] = 1;
	owner.source.bytes[0] = 2;
	copies_remember(&copies, &thief, &owner.source, start_ns);
	assert_true(copies_has(&copies, &thief, start_ns));
	assert_false(copies_has(&copies, &owner, start_ns));
	copies_remember(&copies, &owner, &owner.source, start_ns);
	assert_true(copies_has(&copies, &owner, start_ns));
	assert_true(copies_has(&copies, &thief, start_ns));
}

static void what_is_forgotten(void **state)
{
	struct record one = the_record(), two = record_of(2, PACKET_BYTES);

	(void)state;
	copies_remember(&copies, &one, &anywhere, start_ns);
	copies_remember(&copies, &two, &anywhere, start_ns);
	copies_forget(&copies, &one);
	assert_false(copies_has(&copies, &one, start_ns));
	assert_true(copies_has(&copies, &two, start_ns));
	copies_forget_all(&copies);
	assert_false(copies_has(&copies, &two, start_ns));
}

/* When there are more than can be remembered, it is the latest that are. */
static void the_latest_of_many(void **state)
{
	uint32_t has = 0, of_latest = 0;

	(void)state;
	for (uint32_t i = 0; i < 4 * MANY; i++) {
		struct record r = record_of(i, PACKET_BYTES);

		copies_remember(&copies, &r, &anywhere, start_ns + i);
		assert_true(copies_has(&copies, &r, start_ns + i));
	}
	for (uint32_t i = 0; i < 4 * MANY; i++) {
		struct record r = record_of(i, PACKET_BYTES);
		bool known = copies_has(&copies, &r, start_ns + 4 * MANY);

		has += known;
		of_latest += known && i >= 3 * MANY;
	}
	/* A row that few fall into keeps what is older. */
	assert_in_range(has, MANY - 4, MANY);
	assert_in_range(of_latest, MANY * 7 / 10, MANY);
}

/* A record as the other process may send it: no size leads out of it. */
static void of_any_size(void **state)
{
	struct record r = record_of(1, UINT16_MAX);

	(void)state;
	copies_remember(&copies, &r, &anywhere, start_ns);
	assert_true(copies_has(&copies, &r, start_ns));
	r.size = 0;
	assert_false(copies_has(&copies, &r, start_ns));
}

static void hashed_with_a_secret(void **state)
{
	struct copies other;

	(void)state;
	copies_init(&other);
	assert_memory_not_equal(other.hash_key, copies.hash_key, sizeof copies.hash_key);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, set_up)
	static const struct CMUnitTest tests[] = {
	    T(for_a_second),
	    T(exact_copies),
	    T(who_was_overtaken_still_counts),
	    T(what_is_forgotten),
	    T(the_latest_of_many),
	    T(of_any_size),
	    T(hashed_with_a_secret),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
