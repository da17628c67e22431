/* Places for devices that only the directory knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "keeper/unlisted.h"

static bool nobody_goes(const void *context, uint32_t place)
{
	(void)context;
	(void)place;
	return false;
}

static bool one_goes(const void *context, uint32_t place)
{
	return *(const uint32_t *)context == place;
}

static void uuid_of(uint8_t uuid[static DEVICE_UUID_BYTES], uint32_t n)
{
	memset(uuid, 0, DEVICE_UUID_BYTES);
	for (size_t i = 0; i < sizeof n; i++)
		uuid[i] = (uint8_t)(n >> (8 * i));
}

static void a_place_is_its_own_once_admitted(void **state)
{
	struct unlisted_devices *v = unlisted_new();
	uint8_t uuid[DEVICE_UUID_BYTES];
	uint32_t place;

	(void)state;
	uuid_of(uuid, 1);
	assert_int_equal(unlisted_find(v, uuid), UNLISTED_NONE);
	place = unlisted_place(v, uuid, nobody_goes, NULL);
	assert_true(place < UNLISTED_MOST);
	assert_string_equal(v->places[place].name, "01000000-0000-0000-0000-000000000000");
	assert_int_equal(unlisted_find(v, uuid), UNLISTED_NONE);
	assert_int_equal(unlisted_place(v, uuid, nobody_goes, NULL), place);
	v->places[place].admitted = true;
	assert_int_equal(unlisted_find(v, uuid), place);
	free(v);
}

static void thousands_have_places(void **state)
{
	struct unlisted_devices *v = unlisted_new();
	uint8_t uuid[DEVICE_UUID_BYTES];
	uint32_t refused = 0;

	(void)state;
	for (uint32_t n = 0; n < 10000; n++) {
		uint32_t place;

		uuid_of(uuid, n);
		place = unlisted_place(v, uuid, nobody_goes, NULL);
		if (place == UNLISTED_NONE)
			refused++;
		else
			v->places[place].admitted = true;
	}
	assert_true(refused <= 10);
	for (uint32_t n = 0; n < 10000; n++) {
		uint32_t place;

		uuid_of(uuid, n);
		place = unlisted_find(v, uuid);
		if (place != UNLISTED_NONE)
			assert_memory_equal(v->places[place].uuid, uuid, sizeof uuid);
		else
			assert_true(refused-- > 0);
	}
	free(v);
}

/* Fills one set whole; nobody in it is pushed out but who may go. */
static void a_full_set(void **state)
{
	struct unlisted_devices *v = unlisted_new();
	uint8_t uuid[DEVICE_UUID_BYTES];
	uint32_t n = 0, place = 0, going;

	(void)state;
	for (; place != UNLISTED_NONE; n++) {
		uuid_of(uuid, n);
		place = unlisted_place(v, uuid, nobody_goes, NULL);
		if (place != UNLISTED_NONE) {
			v->places[place].admitted = true;
			assert_int_equal(unlisted_find(v, uuid), place);
		}
	}
	for (going = 0; going < UNLISTED_MOST; going++) {
		if (v->places[going].admitted && unlisted_place(v, uuid, one_goes, &going) == going)
			break;
	}
	assert_true(going < UNLISTED_MOST);
	assert_false(v->places[going].admitted);
	assert_memory_equal(v->places[going].uuid, uuid, sizeof uuid);
	free(v);
}

/* What stands behind a set is of the next one. */
static void sets_end_where_the_next_begins(void **state)
{
	struct unlisted_devices *v = unlisted_new();
	uint8_t uuid[DEVICE_UUID_BYTES];
	uint32_t first = UNLISTED_MOST, n = 0;

	(void)state;
	while (first + UNLISTED_WAYS >= UNLISTED_MOST) {
		uuid_of(uuid, n++);
		first = unlisted_place(v, uuid, nobody_goes, NULL);
	}
	assert_int_equal(first % UNLISTED_WAYS, 0);
	v->places[first + UNLISTED_WAYS] = v->places[first];
	v->places[first + UNLISTED_WAYS].admitted = true;
	assert_int_equal(unlisted_find(v, uuid), UNLISTED_NONE);
	for (uint32_t i = 0; i < UNLISTED_WAYS; i++)
		v->places[first + i].admitted = true;
	v->places[first + UNLISTED_WAYS].admitted = false;
	assert_int_equal(unlisted_place(v, uuid, nobody_goes, NULL), UNLISTED_NONE);
	free(v);
}

static void nobody_knows_who_shares_a_set(void **state)
{
	struct unlisted_devices *one = unlisted_new(), *two = unlisted_new();

	(void)state;
	assert_memory_not_equal(one->hash_key, two->hash_key, sizeof one->hash_key);
	free(one);
	free(two);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_place_is_its_own_once_admitted),
	    cmocka_unit_test(thousands_have_places),
	    cmocka_unit_test(a_full_set),
	    cmocka_unit_test(sets_end_where_the_next_begins),
	    cmocka_unit_test(nobody_knows_who_shares_a_set),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
