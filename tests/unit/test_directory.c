#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "client/directory.h"
#include "key_order.h"
#include "short_memory.h"

enum { CLIENTS = 33 };

static struct client clients[CLIENTS];
static uint32_t order[CLIENTS];
static const struct snapshot all = {.clients = clients, .by_key = order, .client_count = CLIENTS};

/* Not in the order of their keys. */
static int keys(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CLIENTS; i++)
		clients[i].public_key[0] = (uint8_t)(97 * i + 5);
	sort_by_key(order, clients, CLIENTS);
	return 0;
}

static struct directory *of(const struct snapshot *s)
{
	struct directory *d = directory_new(s);

	assert_non_null(d);
	return d;
}

static void memory_may_be_short(void **state)
{
	struct directory *d = NULL;

	(void)state;
	for (size_t nth = 1; d == NULL; nth++) {
		short_memory(nth);
		d = directory_new(&all);
		assert_int_equal(d == NULL, short_memory_failed());
	}
	short_memory(0);
	directory_free(d);
	directory_free(NULL);
}

/* A lone client is guessed from everywhere; of two neither is. */
static void a_lone_client_is_the_guess(void **state)
{
	static const struct addr source = {{[15] = 9}};

	(void)state;
	for (uint32_t count = 0; count < 3; count++) {
		struct snapshot some = {.clients = clients, .client_count = count};
		struct directory *d = of(&some);

		assert_int_equal(directory_guess(d, &source), count == 1 ? 0 : DIRECTORY_NOBODY);
		directory_free(d);
	}
}

/* By their keys, also where the number is another; those that are gone are left out. */
static void recent_clients_are_carried_over(void **state)
{
	static const struct addr source = {{[15] = 9}};
	uint32_t those[CLIENTS - 2];
	const struct snapshot fewer = {
	    .clients = clients + 2, .by_key = those, .client_count = CLIENTS - 2};
	struct directory *before = of(&all), *after = of(&fewer);
	uint32_t recent[DIRECTORY_RECENT];

	(void)state;
	sort_by_key(those, clients + 2, CLIENTS - 2);
	directory_seen(before, &source, 5);
	directory_seen(before, &source, 1);
	directory_seen(before, &source, 2);
	directory_carry(after, before);
	assert_int_equal(directory_recent(after, &source, recent), 2);
	assert_int_equal(recent[0], 0);
	assert_int_equal(recent[1], 3);
	directory_free(before);
	directory_free(after);
}

static struct addr numbered(uint32_t number)
{
	struct addr source = {{[10] = 0xff, [11] = 0xff, [12] = 10}};

	source.bytes[13] = (uint8_t)(number >> 16);
	source.bytes[14] = (uint8_t)(number >> 8);
	source.bytes[15] = (uint8_t)number;
	return source;
}

/* The last seen stays, and the first seen goes. */
static void the_first_to_go_is_the_first_that_was_seen(void **state)
{
	enum { SOURCES = 40000 };
	struct directory *d = of(&all);
	struct addr source;

	(void)state;
	for (uint32_t i = 0; i < SOURCES; i++) {
		source = numbered(i);
		directory_seen(d, &source, i % CLIENTS);
		assert_int_equal(directory_guess(d, &source), i % CLIENTS);
	}
	source = numbered(0);
	assert_int_equal(directory_guess(d, &source), DIRECTORY_NOBODY);
	directory_free(d);
}

/* Those of one source: the last first, each once, and no more than there is room for. */
static void the_last_clients_of_a_source(void **state)
{
	struct directory *d = of(&all);
	uint32_t recent[DIRECTORY_RECENT + 1];

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		const struct addr source = numbered(i);

		for (uint32_t c = 0; c < DIRECTORY_RECENT + 3; c++)
			directory_seen(d, &source, c);
		directory_seen(d, &source, 4);
		assert_int_equal(directory_recent(d, &source, recent), DIRECTORY_RECENT);
		assert_int_equal(recent[0], 4);
		assert_int_equal(recent[1], 6);
		assert_int_equal(recent[2], 5);
		assert_int_equal(recent[3], 3);
	}
	directory_free(d);
}

/* Half as many sources as there is room for: by chance some 80 rows of four are full, and those
 * have lost one. Of three, 220 would be. */
static void few_sources_push_out_others(void **state)
{
	enum { SOURCES = 2048 };
	struct directory *d = of(&all);
	uint32_t known = 0;

	(void)state;
	for (uint32_t i = 0; i < SOURCES; i++) {
		const struct addr source = numbered(i);

		directory_seen(d, &source, i % CLIENTS);
	}
	for (uint32_t i = 0; i < SOURCES; i++) {
		const struct addr source = numbered(i);

		known += directory_guess(d, &source) == i % CLIENTS;
	}
	assert_in_range(known, SOURCES - 150, SOURCES);
	directory_free(d);
}

/* With more clients there is room for more sources. */
static void a_crowd_has_more_room(void **state)
{
	enum { SOURCES = 8192 };
	const struct snapshot crowd = {
	    .clients = clients, .by_key = order, .client_count = 2 * SOURCES};
	struct directory *d = of(&crowd);
	uint32_t known = 0;

	(void)state;
	for (uint32_t i = 0; i < SOURCES; i++) {
		const struct addr source = numbered(i);

		directory_seen(d, &source, i % CLIENTS);
	}
	for (uint32_t i = 0; i < SOURCES; i++) {
		const struct addr source = numbered(i);

		known += directory_guess(d, &source) == i % CLIENTS;
	}
	assert_in_range(known, SOURCES - 600, SOURCES);
	directory_free(d);
}

/* Who says that only hints count is remembered, and not tried. */
static void who_gives_hints_is_no_guess(void **state)
{
	static const struct addr source = {{[15] = 9}};
	struct client two[2] = {clients[0], clients[1]};
	const struct snapshot s = {.clients = two, .by_key = order, .client_count = 2};
	struct directory *d = of(&s);
	uint32_t recent[DIRECTORY_RECENT];

	(void)state;
	directory_seen(d, &source, 0);
	directory_seen(d, &source, 1);
	two[1].hint_only = true;
	assert_int_equal(directory_recent(d, &source, recent), 1);
	assert_int_equal(recent[0], 0);
	assert_int_equal(directory_guess(d, &source), 0);
	directory_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_may_be_short),
	    cmocka_unit_test(a_lone_client_is_the_guess),
	    cmocka_unit_test(the_first_to_go_is_the_first_that_was_seen),
	    cmocka_unit_test(recent_clients_are_carried_over),
	    cmocka_unit_test(the_last_clients_of_a_source),
	    cmocka_unit_test(few_sources_push_out_others),
	    cmocka_unit_test(a_crowd_has_more_room),
	    cmocka_unit_test(who_gives_hints_is_no_guess),
	};

	return secret_init() ? cmocka_run_group_tests(tests, keys, NULL) : 1;
}
