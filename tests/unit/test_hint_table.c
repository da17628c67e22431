/* The table of hints: who is found, on which day, and from when on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "client/hint_table.h"
#include "mapped_files.h"
#include "short_memory.h"

#define DAY_NS (86400 * NS_PER_SECOND)
#define NOON   (20000 * DAY_NS + DAY_NS / 2)
#define SLICE  8

enum { FEW = 5, MANY = 10000 };

/* Keys of hints need no keys of clients here. */
static struct client clients[MANY];
static uint32_t order[MANY];
static uint8_t secrets[MANY][HINT_KEY_BYTES];
static const uint8_t target[ADDR_BYTES] = {[15] = 7}, ephemeral[OPENME_PUBLIC_BYTES] = {9};

static struct snapshot of(uint32_t count)
{
	return (struct snapshot){.clients = clients, .by_key = order, .client_count = count};
}

static int draw(void **state)
{
	(void)state;
	secret_random(secrets, sizeof secrets);
	for (uint32_t i = 0; i < MANY; i++) {
		const uint32_t reversed = MANY - i;

		clients[i].name[0] = 'a';
		clients[i].public_key[0] = (uint8_t)(reversed >> 8);
		clients[i].public_key[1] = (uint8_t)reversed;
		order[MANY - 1 - i] = i;
	}
	return 0;
}

/* A file with the keys of the first `ready`. */
static int keys_file(struct hint_keys **keys, uint32_t count, uint32_t ready)
{
	int fd = hint_keys_create(count, keys);

	assert_true(fd >= 0);
	memcpy((*keys)->keys, secrets, (size_t)count * HINT_KEY_BYTES);
	hint_keys_publish(*keys, ready);
	return fd;
}

static struct hint_table *table_of(uint32_t count)
{
	const struct snapshot s = of(count);
	struct hint_keys *keys;
	int fd = keys_file(&keys, count, count);
	struct hint_table *t = hint_table_new(&s, fd);

	assert_non_null(t);
	hint_keys_unmap(keys);
	close(fd);
	return t;
}

static void work(struct hint_table *t, int64_t now_ns)
{
	while (hint_table_work(t, SLICE, now_ns))
		;
}

static uint32_t find(const struct hint_table *t, uint32_t client, int64_t timestamp_ns)
{
	uint8_t nonce[OPENME_NONCE_BYTES], random[HINT_RANDOM_BYTES];

	secret_random(random, sizeof random);
	hint_make(nonce, secrets[client], random, timestamp_ns, target, ephemeral);
	return hint_table_find(t, nonce, timestamp_ns, target, ephemeral);
}

static void finds_everybody(void **state)
{
	static const uint32_t sizes[] = {1, 2, 15, 16, 256, 257, MANY};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct hint_table *t = table_of(sizes[i]);

		work(t, NOON);
		assert_true(hint_table_complete(t));
		for (uint32_t client = 0; client < sizes[i]; client++) {
			assert_int_equal(find(t, client, NOON), client);
			assert_int_equal(find(t, client, NOON - DAY_NS), client);
			assert_int_equal(find(t, client, NOON + DAY_NS), client);
		}
		hint_table_free(t);
	}
}

/* Without clients, too. */
static void finds_nobody_else(void **state)
{
	struct hint_table *t = table_of(FEW), *empty = table_of(0);
	uint8_t nonce[OPENME_NONCE_BYTES];

	(void)state;
	work(t, NOON);
	work(empty, NOON);
	assert_true(hint_table_complete(empty));
	assert_int_equal(find(empty, 0, NOON), DIRECTORY_NOBODY);
	for (uint32_t stranger = FEW; stranger < MANY; stranger++)
		assert_int_equal(find(t, stranger, NOON), DIRECTORY_NOBODY);
	for (int i = 0; i < MANY; i++) {
		secret_random(nonce, sizeof nonce);
		assert_int_equal(
		    hint_table_find(t, nonce, NOON, target, ephemeral), DIRECTORY_NOBODY);
	}
	hint_table_free(empty);
	hint_table_free(t);
}

/* The id of a client is not enough: it may be another's, or have been seen somewhere. */
static void the_mac_decides(void **state)
{
	struct hint_table *t = table_of(FEW);
	uint8_t nonce[OPENME_NONCE_BYTES];

	(void)state;
	work(t, NOON);
	for (size_t byte = 0; byte < sizeof nonce; byte++) {
		hint_make(nonce, secrets[3], secrets[MANY - 1], NOON, target, ephemeral);
		assert_int_equal(hint_table_find(t, nonce, NOON, target, ephemeral), 3);
		nonce[byte] ^= 1;
		assert_int_equal(
		    hint_table_find(t, nonce, NOON, target, ephemeral), DIRECTORY_NOBODY);
		nonce[byte] ^= 1;
		assert_int_equal(
		    hint_table_find(t, nonce, NOON + 1, target, ephemeral), DIRECTORY_NOBODY);
		assert_int_equal(
		    hint_table_find(t, nonce, NOON, ephemeral, ephemeral), DIRECTORY_NOBODY);
	}
	hint_table_free(t);
}

/* Any mark that the first client can have tells its cell from an empty one. */
static void the_first_client_is_found(void **state)
{
	const int64_t today = hint_day(NOON);
	uint8_t kept[HINT_KEY_BYTES];
	struct hint_table *t;

	(void)state;
	memcpy(kept, secrets[0], sizeof kept);
	do {
		secret_random(secrets[0], HINT_KEY_BYTES);
	} while (hint_id(secrets[0], today) % 4095 != 0);
	t = table_of(FEW);
	work(t, NOON);
	assert_int_equal(find(t, 0, NOON), 0);
	hint_table_free(t);
	memcpy(secrets[0], kept, sizeof kept);
}

/* Anybody could make hints with the key that stands for none. */
static void who_has_no_key_is_not_found(void **state)
{
	uint8_t kept[HINT_KEY_BYTES];
	struct hint_table *t;

	(void)state;
	memcpy(kept, secrets[1], sizeof kept);
	memset(secrets[1], 0, HINT_KEY_BYTES);
	t = table_of(FEW);
	work(t, NOON);
	assert_true(hint_table_complete(t));
	assert_int_equal(find(t, 1, NOON), DIRECTORY_NOBODY);
	hint_table_free(t);
	memcpy(secrets[1], kept, sizeof kept);
}

/* Two clients with one key, so with one id and one mac each: whichever, and no end of the walk. */
static void the_same_id_is_survived(void **state)
{
	uint8_t kept[FEW][HINT_KEY_BYTES];
	struct hint_table *t;

	(void)state;
	memcpy(kept, secrets, sizeof kept);
	for (int i = 1; i < FEW; i++)
		memcpy(secrets[i], secrets[0], HINT_KEY_BYTES);
	t = table_of(FEW);
	memcpy(secrets, kept, sizeof kept);
	work(t, NOON);
	assert_int_equal(find(t, 0, NOON), 0);
	hint_table_free(t);
}

static void two_days_off_is_not_found(void **state)
{
	struct hint_table *t = table_of(FEW);

	(void)state;
	assert_int_equal(find(t, 0, NOON), DIRECTORY_NOBODY);
	work(t, NOON);
	assert_int_equal(find(t, 0, NOON - 2 * DAY_NS), DIRECTORY_NOBODY);
	assert_int_equal(find(t, 0, NOON + 2 * DAY_NS), DIRECTORY_NOBODY);
	assert_int_equal(find(t, 0, INT64_MIN), DIRECTORY_NOBODY);
	assert_int_equal(find(t, 0, INT64_MAX), DIRECTORY_NOBODY);
	hint_table_free(t);
}

/* At midnight, and in every step of the work that follows: the days that were there stay. */
static void the_day_changes_without_a_gap(void **state)
{
	struct hint_table *t = table_of(FEW);
	int64_t now = NOON;

	(void)state;
	work(t, now);
	for (int day = 0; day < 7; day++) {
		bool more = true;

		for (now += DAY_NS; more;) {
			more = hint_table_work(t, 1, now);
			for (uint32_t client = 0; client < FEW; client++) {
				assert_int_equal(find(t, client, now - DAY_NS), client);
				assert_int_equal(find(t, client, now), client);
			}
		}
		assert_true(hint_table_complete(t));
		assert_int_equal(find(t, 1, now + DAY_NS), 1);
		assert_int_equal(find(t, 1, now - 2 * DAY_NS), DIRECTORY_NOBODY);
	}
	hint_table_free(t);
}

/* To and fro, by days and years. */
static void the_clock_may_step(void **state)
{
	static const int64_t steps[] = {-1, 2, -3, 1, 365, -366, 10000, -20000, 1};
	struct hint_table *t = table_of(FEW);
	int64_t now = NOON;

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		now += steps[i] * DAY_NS;
		work(t, now);
		for (int64_t day = -1; day <= 1; day++)
			assert_int_equal(find(t, 2, now + day * DAY_NS), 2);
		assert_int_equal(find(t, 2, now - 2 * DAY_NS), DIRECTORY_NOBODY);
	}
	hint_table_free(t);
}

/* Keys that come one after the other; one that is not to be had is passed over. */
static void keys_come_later(void **state)
{
	const struct snapshot s = of(FEW);
	struct hint_keys *keys;
	int fd = keys_file(&keys, FEW, 0);
	struct hint_table *t = hint_table_new(&s, fd);

	(void)state;
	assert_non_null(t);
	memset(keys->keys[3], 0, HINT_KEY_BYTES);
	for (uint32_t ready = 0; ready <= FEW; ready++) {
		hint_keys_publish(keys, ready);
		work(t, NOON);
		assert_false(hint_table_work(t, SLICE, NOON));
		assert_int_equal(hint_table_complete(t), ready == FEW);
		for (uint32_t client = 0; client < FEW; client++)
			assert_int_equal(find(t, client, NOON),
			    client < ready && client != 3 ? client : DIRECTORY_NOBODY);
	}
	hint_keys_publish(keys, UINT32_MAX); /* it is a lie */
	work(t, NOON);
	hint_table_free(t);
	hint_keys_unmap(keys);
	close(fd);
}

/* A slice is a slice. */
static void work_is_done_in_slices(void **state)
{
	struct hint_table *t = table_of(257);
	int slices = 0;

	(void)state;
	while (hint_table_work(t, 1, NOON))
		slices++;
	assert_true(slices >= 3 * 257);
	hint_table_free(t);
}

/* Who looks again soon finds news soon; where none come, less and less often. */
static void pauses_grow(void **state)
{
	const struct snapshot s = of(FEW);
	struct hint_keys *keys;
	int fd = keys_file(&keys, FEW, 0);
	struct hint_table *t = hint_table_new(&s, fd);
	int64_t last = 0;

	(void)state;
	work(t, NOON);
	for (int i = 0; i < 20; i++) {
		int64_t next = hint_table_pause_ns(t);

		assert_true(next >= last && next <= NS_PER_SECOND);
		last = next;
	}
	assert_int_equal(last, NS_PER_SECOND);
	hint_keys_publish(keys, 1);
	work(t, NOON);
	assert_int_equal(hint_table_pause_ns(t), 10 * NS_PER_MS);
	hint_table_free(t);
	hint_keys_unmap(keys);
	close(fd);
}

/* --- After a reload */

/* A snapshot of its own, which the table of before takes over. */
static struct snapshot laid_out(uint32_t first, uint32_t count)
{
	const struct policy policy = {.ports = {0, 0}};
	const struct snapshot_parts parts = {.generation = 1,
	    .settings = {.udp_port = 1,
	        .knock_timeout_ns = 1,
	        .replay_window_ns = 1,
	        .mark = 1,
	        .client_quota = 1},
	    .counts = {.clients = count, .policies = 1},
	    .clients = clients + first,
	    .policies = &policy};
	struct snapshot s = {0};
	int fd = snapshot_create(&parts);

	assert_true(fd >= 0 && snapshot_map(&s, fd));
	close(fd);
	return s;
}

static struct hint_table *table_for(
    const struct snapshot *s, uint32_t first, struct hint_keys **keys)
{
	int fd = hint_keys_create(s->client_count, keys);
	struct hint_table *t;

	assert_true(fd >= 0);
	memcpy((*keys)->keys, secrets[first], (size_t)s->client_count * HINT_KEY_BYTES);
	t = hint_table_new(s, fd);
	assert_non_null(t);
	close(fd);
	return t;
}

/* Clients are numbered anew, one has gone and one has come. Until the new table is complete they
 * are found by the old one, and then that one is gone. */
static void a_reload_leaves_no_gap(void **state)
{
	struct snapshot old = laid_out(0, FEW), new = laid_out(1, FEW);
	struct hint_keys *old_keys, *new_keys;
	struct hint_table *before = table_for(&old, 0, &old_keys),
	                  *t = table_for(&new, 1, &new_keys);

	(void)state;
	hint_keys_publish(old_keys, FEW);
	work(before, NOON);
	hint_table_follow(t, before, &old);
	assert_null(old.header);
	assert_int_equal(mapped_files("postern-snapshot"), 2);
	for (uint32_t ready = 0; ready <= FEW; ready++) {
		hint_keys_publish(new_keys, ready);
		work(t, NOON);
		assert_int_equal(find(t, 0, NOON), DIRECTORY_NOBODY);
		for (uint32_t client = 1; client < FEW; client++)
			assert_int_equal(find(t, client, NOON), client - 1);
		assert_int_equal(find(t, FEW, NOON), ready == FEW ? FEW - 1 : DIRECTORY_NOBODY);
	}
	assert_int_equal(mapped_files("postern-snapshot"), 1);
	hint_table_free(t);
	snapshot_unmap(&new);
	hint_keys_unmap(old_keys);
	hint_keys_unmap(new_keys);
	assert_int_equal(mapped_files("postern-hints"), 0);
}

/* Of more keys than one page holds, too. */
static void keys_of_before_go_wholly(void **state)
{
	struct snapshot old = laid_out(0, MANY - 1), new = laid_out(1, MANY - 1);
	struct hint_keys *old_keys, *new_keys;
	struct hint_table *before = table_for(&old, 0, &old_keys),
	                  *t = table_for(&new, 1, &new_keys);

	(void)state;
	hint_keys_publish(new_keys, MANY - 1);
	hint_keys_unmap(old_keys);
	hint_keys_unmap(new_keys);
	assert_int_equal(mapped_files("postern-hints"), 2);
	hint_table_follow(t, before, &old);
	work(t, NOON);
	assert_int_equal(mapped_files("postern-hints"), 1);
	hint_table_free(t);
	assert_int_equal(mapped_files("postern-hints"), 0);
	snapshot_unmap(&new);
}

/* Reloads faster than keys come: the one that was complete serves on. */
static void reloads_may_come_quickly(void **state)
{
	struct snapshot now = laid_out(0, FEW);
	struct hint_keys *keys;
	struct hint_table *t = table_for(&now, 0, &keys);

	(void)state;
	hint_keys_publish(keys, FEW);
	hint_keys_unmap(keys);
	work(t, NOON);
	for (uint32_t i = 1; i < 5; i++) {
		struct snapshot next = laid_out(i, FEW);
		struct hint_table *following = table_for(&next, i, &keys);

		hint_table_follow(following, t, &now);
		assert_null(now.header);
		t = following;
		now = next;
		hint_keys_publish(keys, i == 4 ? FEW : 0);
		hint_keys_unmap(keys);
		assert_int_equal(mapped_files("postern-snapshot"), 2);
		assert_int_equal(find(t, 4, NOON), 4 - i);
	}
	work(t, NOON);
	assert_int_equal(mapped_files("postern-snapshot"), 1);
	hint_table_follow(NULL, t, &now);
	assert_int_equal(mapped_files("postern-snapshot"), 0);
	assert_int_equal(mapped_files("postern-hints"), 0);
	hint_table_follow(NULL, NULL, &now);
}

/* --- The file of keys */

/* Nobody but its maker can change it, and what is no such file is refused. */
static void keys_are_their_makers(void **state)
{
	struct hint_keys *keys;
	int fd = keys_file(&keys, FEW, FEW), other = memfd_create("other", MFD_ALLOW_SEALING);

	(void)state;
	assert_ptr_equal(mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_null(hint_keys_map(fd, FEW - 1));
	assert_null(hint_keys_map(fd, FEW + 1));
	assert_null(hint_keys_map(-1, FEW));
	assert_int_equal(ftruncate(other, sizeof(struct hint_keys) + FEW * HINT_KEY_BYTES), 0);
	assert_int_equal(pwrite(other, keys, sizeof *keys, 0), sizeof *keys);
	assert_null(hint_keys_map(other, FEW)); /* somebody may change it */
	keys->magic++;
	assert_null(hint_keys_map(fd, FEW));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mapped_files("postern-hints"), 1);
	hint_keys_unmap(keys);
	hint_keys_unmap(NULL);
	close(other);
	close(fd);
}

/* Its writer is another process, and may be somebody else's by now. */
static void what_the_file_says_later_is_not_believed(void **state)
{
	const struct snapshot s = of(FEW);
	struct hint_keys *keys;
	int fd = keys_file(&keys, FEW, FEW);
	struct hint_table *t = hint_table_new(&s, fd);

	(void)state;
	assert_non_null(t);
	keys->count = UINT32_MAX;
	hint_keys_publish(keys, UINT32_MAX);
	while (hint_table_work(t, FEW, NS_PER_SECOND))
		;
	assert_true(hint_table_complete(t));
	hint_table_free(t);
	hint_keys_unmap_of(keys, FEW);
	assert_int_equal(mapped_files("postern-hints"), 0);
	close(fd);
}

static void memory_may_be_short(void **state)
{
	const struct snapshot s = of(FEW);
	const struct snapshot too_many = {.client_count = HINT_CLIENTS_MOST + 1};
	struct hint_keys *keys;
	int fd = keys_file(&keys, FEW, FEW);
	struct hint_table *t = NULL;

	(void)state;
	for (size_t nth = 1; t == NULL; nth++) {
		short_memory(nth);
		t = hint_table_new(&s, fd);
		assert_int_equal(t == NULL, short_memory_failed());
	}
	short_memory(0);
	hint_table_free(t);
	hint_table_free(NULL);
	assert_null(hint_table_new(&too_many, fd));
	assert_int_equal(mapped_files("postern-hints"), 1);
	hint_keys_unmap(keys);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_everybody),
	    cmocka_unit_test(finds_nobody_else),
	    cmocka_unit_test(the_mac_decides),
	    cmocka_unit_test(the_first_client_is_found),
	    cmocka_unit_test(who_has_no_key_is_not_found),
	    cmocka_unit_test(the_same_id_is_survived),
	    cmocka_unit_test(two_days_off_is_not_found),
	    cmocka_unit_test(the_day_changes_without_a_gap),
	    cmocka_unit_test(the_clock_may_step),
	    cmocka_unit_test(keys_come_later),
	    cmocka_unit_test(work_is_done_in_slices),
	    cmocka_unit_test(pauses_grow),
	    cmocka_unit_test(a_reload_leaves_no_gap),
	    cmocka_unit_test(keys_of_before_go_wholly),
	    cmocka_unit_test(reloads_may_come_quickly),
	    cmocka_unit_test(keys_are_their_makers),
	    cmocka_unit_test(what_the_file_says_later_is_not_believed),
	    cmocka_unit_test(memory_may_be_short),
	};

	return secret_init() ? cmocka_run_group_tests(tests, draw, NULL) : 1;
}
