#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/networks.h"
#include "key_order.h"

enum { CLIENTS = 3000 };

#define DAY   (INT64_C(86400) * 1000000000)
#define TODAY (20000 * DAY)

static struct client clients[CLIENTS];
static uint32_t order[CLIENTS];
static const struct snapshot all = {.clients = clients, .by_key = order, .client_count = CLIENTS};
static struct networks table;
static uint32_t found[NETWORKS_FOUND_MOST];

static int keys(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		uint32_t name = i * UINT32_C(2654435761);

		memcpy(clients[i].public_key, &name, sizeof name);
		clients[i].public_key[31] = 1;
	}
	sort_by_key(order, clients, CLIENTS);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return !networks_open(&table, -1);
}

static int tear_down(void **state)
{
	(void)state;
	networks_close(&table);
	return 0;
}

static struct addr at(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static void seen(const char *source, uint32_t client, int64_t when)
{
	struct addr a = at(source);

	networks_seen(&table, &a, clients[client].public_key, when);
}

static size_t find(const char *source, int64_t when)
{
	struct addr a = at(source);

	return networks_find(&table, &all, &a, when, found, NETWORKS_FOUND_MOST);
}

static void a_neighbour_is_found(void **state)
{
	(void)state;
	seen("192.0.2.1", 7, TODAY);
	assert_int_equal(find("192.0.2.254", TODAY), 1);
	assert_int_equal(found[0], 7);
	assert_int_equal(find("192.0.3.1", TODAY), 0);
	seen("2001:db8:1:ffff::1", 8, TODAY);
	assert_int_equal(find("2001:db8:1::2", TODAY), 1);
	assert_int_equal(found[0], 8);
	assert_int_equal(find("2001:db8:2:ffff::1", TODAY), 0);
	assert_true(networks_known(&table, &(struct addr){{0x20, 1, 0xd, 0xb8, 0, 1}}));
	assert_false(networks_known(&table, &(struct addr){{0x20, 1, 0xd, 0xb8, 0, 2}}));
}

static void the_last_one_first(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		seen("192.0.2.1", i, TODAY + i * DAY);
	seen("192.0.2.1", 5, TODAY + 30 * DAY);
	assert_int_equal(find("192.0.2.1", TODAY + 30 * DAY), 20);
	assert_int_equal(found[0], 5);
	assert_int_equal(found[1], 19);
	assert_int_equal(found[19], 0);
	/* A clock that was set back changes nothing but the order. */
	assert_int_equal(find("192.0.2.1", TODAY - DAY), 20);
}

static void as_many_as_are_asked_for(void **state)
{
	struct addr a = at("192.0.2.1");

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		seen("192.0.2.1", i, TODAY + i * DAY);
	assert_int_equal(networks_find(&table, &all, &a, TODAY + 20 * DAY, found, 3), 3);
	assert_int_equal(found[2], 17);
}

/* More than fit a page go to the next ones. */
static void a_crowded_network(void **state)
{
	static bool there[CLIENTS];
	uint32_t count = 0;

	(void)state;
	for (int twice = 0; twice < 2; twice++)
		for (uint32_t i = 0; i < 1250; i++)
			seen("192.0.2.1", i, TODAY);
	assert_int_equal(find("192.0.2.9", TODAY), 1250);
	for (uint32_t i = 0; i < 1250; i++) {
		assert_true(found[i] < 1250);
		count += !there[found[i]];
		there[found[i]] = true;
	}
	assert_int_equal(count, 1250);
	/* And no more than there is room for. */
	for (uint32_t i = 0; i < CLIENTS; i++)
		seen("192.0.2.1", i, TODAY + DAY);
	assert_int_equal(find("192.0.2.9", TODAY + DAY), NETWORKS_FOUND_MOST);
}

/* A hundred in each of a hundred networks are all found again. */
static void a_town(void **state)
{
	char source[32];
	uint32_t lost = 0;

	(void)state;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		snprintf(source, sizeof source, "10.0.%u.7", i / 100);
		seen(source, i, TODAY);
	}
	for (uint32_t network = 0; network < CLIENTS / 100; network++) {
		snprintf(source, sizeof source, "10.0.%u.8", network);
		lost += 100 - (uint32_t)find(source, TODAY);
	}
	assert_int_equal(lost, 0);
}

/* Who goes through all networks there are puts hardly anybody out. */
static void a_traveller_pushes_nobody_out(void **state)
{
	struct addr a = at("10.0.0.1");
	uint32_t left = 0;

	(void)state;
	for (uint32_t i = 1; i < CLIENTS; i++) {
		a.bytes[13] = (uint8_t)(i / 100);
		networks_seen(&table, &a, clients[i].public_key, TODAY);
	}
	for (uint32_t i = 0; i < 400000; i++) {
		struct addr b = {{0x20, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

		networks_seen(&table, &b, clients[0].public_key, TODAY + 100 * DAY);
	}
	for (uint32_t network = 0; network < CLIENTS / 100; network++) {
		a.bytes[13] = (uint8_t)network;
		left += (uint32_t)networks_find(
		    &table, &all, &a, TODAY + 100 * DAY, found, NETWORKS_FOUND_MOST);
	}
	assert_true(left > CLIENTS / 10 * 9);
}

/* Of another configuration: whoever is not in it is no candidate, and numbers do not matter. */
static void clients_are_known_by_their_keys(void **state)
{
	struct client some[2] = {clients[40], clients[7]};
	uint32_t some_order[2];
	const struct snapshot s = {.clients = some, .by_key = some_order, .client_count = 2};
	const struct snapshot none = {.client_count = 0};
	struct addr a = at("192.0.2.1");

	(void)state;
	sort_by_key(some_order, some, 2);
	seen("192.0.2.1", 7, TODAY);
	seen("192.0.2.1", 8, TODAY);
	assert_int_equal(networks_find(&table, &s, &a, TODAY, found, 9), 1);
	assert_int_equal(found[0], 1);
	assert_int_equal(networks_find(&table, &none, &a, TODAY, found, 9), 0);
	/* Two whose keys begin alike are both found. */
	some[0] = some[1];
	some[0].public_key[31] = 9;
	sort_by_key(some_order, some, 2);
	assert_int_equal(networks_find(&table, &s, &a, TODAY, found, 9), 2);
	assert_int_equal(networks_find(&table, &s, &a, TODAY, found, 1), 1);
}

/* --- The file */

static int file(void)
{
	int fd = memfd_create("networks", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static enum networks_origin prepare(int fd, uint32_t count)
{
	enum networks_origin origin;

	assert_true(networks_prepare(fd, count, &origin));
	return origin;
}

static bool remembers(int fd)
{
	bool yes;

	networks_close(&table);
	assert_true(networks_open(&table, fd));
	yes = find("192.0.2.2", TODAY) == 1 && found[0] == 7;
	return yes;
}

static int file_that_knows_one(void)
{
	int fd = file();

	assert_int_equal(prepare(fd, 3), NETWORKS_MADE);
	networks_close(&table);
	assert_true(networks_open(&table, fd));
	seen("192.0.2.1", 7, TODAY);
	return fd;
}

static void it_outlives_the_process(void **state)
{
	int fd = file_that_knows_one();

	(void)state;
	assert_true(remembers(fd));
	assert_int_equal(prepare(fd, 3), NETWORKS_KEPT);
	assert_true(remembers(fd));
	/* Two who have it mapped see the same. */
	{
		struct networks other;
		struct addr a = at("192.0.2.1");

		assert_true(networks_open(&other, fd));
		seen("192.0.2.1", 9, TODAY);
		assert_int_equal(networks_find(&other, &all, &a, TODAY, found, 9), 2);
		networks_close(&other);
	}
	close(fd);
}

static void more_clients_than_it_was_made_for(void **state)
{
	int fd = file_that_knows_one();
	struct stat st;

	(void)state;
	assert_int_equal(prepare(fd, 30000), NETWORKS_KEPT);
	assert_int_equal(prepare(fd, 70000), NETWORKS_OUTGROWN);
	assert_false(remembers(fd));
	assert_int_equal(prepare(fd, 3), NETWORKS_KEPT); /* it does not shrink */
	assert_int_equal(prepare(fd, 1048576), NETWORKS_OUTGROWN);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size <= 1048576 * 20);
	close(fd);
}

/* What is in the head, and how long it is: any change makes it begin anew, with another key. */
static void a_damaged_file(void **state)
{
	static const off_t sizes[] = {1, 40, NETWORKS_HEAD_BYTES, NETWORKS_HEAD_BYTES + 8, 524288};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int fd = file_that_knows_one();

		networks_close(&table);
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		assert_false(networks_open(&table, fd));
		assert_int_equal(prepare(fd, 3), NETWORKS_UNSOUND);
		assert_false(remembers(fd));
		close(fd);
	}
	for (off_t bit = 0; bit < 40 * 8; bit++) {
		int fd = file_that_knows_one();
		uint8_t byte;

		networks_close(&table);
		assert_int_equal(pread(fd, &byte, 1, bit / 8), 1);
		byte ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(pwrite(fd, &byte, 1, bit / 8), 1);
		assert_false(networks_open(&table, fd));
		assert_int_equal(prepare(fd, 3), NETWORKS_UNSOUND);
		assert_false(remembers(fd));
		close(fd);
	}
}

/* Pairs are not checked: whatever stands there leads to clients that there are. */
static void noise_in_the_table(void **state)
{
	size_t words = (size_t)table.pages * NETWORKS_PAGE_PAIRS;

	(void)state;
	for (size_t i = 0; i < words; i++)
		table.pairs[i] = secret_hash(table.hash_key, &i, sizeof i);
	for (uint32_t i = 0; i < 1000; i++) {
		struct addr a = {{0x20, 1, (uint8_t)(i >> 8), (uint8_t)i}};
		size_t count = networks_find(&table, &all, &a, TODAY, found, NETWORKS_FOUND_MOST);

		for (size_t n = 0; n < count; n++)
			assert_true(found[n] < CLIENTS);
		networks_seen(&table, &a, clients[i].public_key, TODAY);
		assert_true(networks_known(&table, &a));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_neighbour_is_found),
	    T(the_last_one_first),
	    T(as_many_as_are_asked_for),
	    T(a_crowded_network),
	    T(a_town),
	    T(a_traveller_pushes_nobody_out),
	    T(clients_are_known_by_their_keys),
	    T(it_outlives_the_process),
	    T(more_clients_than_it_was_made_for),
	    T(a_damaged_file),
	    T(noise_in_the_table),
	};

	return secret_init() ? cmocka_run_group_tests(tests, keys, NULL) : 1;
}
