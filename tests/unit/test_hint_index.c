/* The index of hint keys: what it holds, and when it is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/hint_index.h"
#include "index_help.h"

enum { CLIENTS = 3 };

static char path[512];
static char why[INDEX_WHY_BYTES];

static int set_up(void **state)
{
	if (index_setup(state) != 0)
		return -1;
	snprintf(path, sizeof path, "%s", in_folder("state/" HINT_INDEX_FILE));
	return 0;
}

static struct conf *loaded(void)
{
	struct conf_error error;
	struct conf *conf = conf_load(config, &error);

	assert_non_null(conf);
	return conf;
}

static uint32_t renewed(const struct conf *conf)
{
	uint32_t made;

	assert_true(hint_index_renew(conf, path, &made, why));
	return made;
}

/* Everybody's key, as the proto has it, and nobody else's. */
static void assert_holds(const struct conf *conf)
{
	static const uint8_t nobody[OPENME_PUBLIC_BYTES];
	struct hint_index index;

	assert_true(hint_index_read(&index, path, conf_server_public(conf), why));
	assert_int_equal(index.count, conf_client_count(conf));
	for (size_t i = 0; i < conf_client_count(conf); i++) {
		const uint8_t *client = conf_client(conf, i)->ed25519_pubkey.bytes;
		const uint8_t *found = hint_index_find(&index, client);
		uint8_t key[HINT_KEY_BYTES];

		assert_true(hint_key_of_server(
		    key, conf_server_secret(conf), conf_server_public(conf), client));
		assert_non_null(found);
		assert_memory_equal(found, key, sizeof key);
	}
	assert_null(hint_index_find(&index, nobody));
	hint_index_free(&index);
	assert_null(hint_index_find(&index, nobody));
	hint_index_free(&index);
}

static void holds_all_clients(void **state)
{
	struct conf *conf = loaded();

	(void)state;
	assert_int_equal(renewed(conf), CLIENTS);
	assert_holds(conf);
	conf_free(conf);
}

/* What is there is not made again; who is gone is gone. */
static void only_new_keys_are_made(void **state)
{
	struct conf *conf = loaded();

	(void)state;
	assert_int_equal(renewed(conf), CLIENTS);
	assert_int_equal(renewed(conf), 0);
	conf_free(conf);
	assert_int_equal(unlink(in_folder("clients.d/bob.yaml")), 0);
	conf = loaded();
	assert_int_equal(renewed(conf), 0);
	assert_holds(conf);
	conf_free(conf);
	write_text("clients.d/bob.yaml", "clients:\n" BOB);
	conf = loaded();
	assert_int_equal(renewed(conf), 1);
	assert_holds(conf);
	conf_free(conf);
}

static size_t read_file(uint8_t *data, size_t room)
{
	FILE *file = fopen(path, "rb");
	size_t size;

	assert_non_null(file);
	size = fread(data, 1, room, file);
	fclose(file);
	return size;
}

static void write_file(const uint8_t *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
}

/* Cut at every length, and changed in every byte: refused, and made anew as a whole. */
static void what_is_damaged_is_made_anew(void **state)
{
	struct conf *conf = loaded();
	uint8_t good[1024], bad[1024];
	struct hint_index index;
	size_t size;

	(void)state;
	renewed(conf);
	size = read_file(good, sizeof good);
	assert_int_equal(size, 16 + 32 + CLIENTS * 64 + 32);
	for (size_t cut = 0; cut < size; cut++) {
		write_file(good, cut);
		assert_false(hint_index_read(&index, path, conf_server_public(conf), why));
		assert_string_not_equal(why, "");
		assert_null(index.data);
	}
	for (size_t at = 0; at < size; at++) {
		memcpy(bad, good, size);
		bad[at] ^= 1;
		write_file(bad, size);
		assert_false(hint_index_read(&index, path, conf_server_public(conf), why));
		assert_string_equal(why, "it was cut or changed");
	}
	assert_int_equal(renewed(conf), CLIENTS);
	assert_holds(conf);
	conf_free(conf);
}

static void another_servers_is_not_used(void **state)
{
	static const uint8_t other[OPENME_PUBLIC_BYTES] = {9};
	struct conf *conf = loaded();
	struct hint_index index;

	(void)state;
	renewed(conf);
	assert_false(hint_index_read(&index, path, other, why));
	assert_string_equal(why, "it belongs to a server with another key");
	conf_free(conf);
}

/* Or which they could have put there. */
static void what_others_may_write_is_not_used(void **state)
{
	struct conf *conf = loaded();
	struct hint_index index;

	(void)state;
	renewed(conf);
	assert_int_equal(chmod(path, 0666), 0);
	assert_false(hint_index_read(&index, path, conf_server_public(conf), why));
	assert_non_null(strstr(why, "write it"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_holds(conf);
	assert_int_equal(rename(path, in_folder("state/other")), 0);
	assert_false(hint_index_read(&index, path, conf_server_public(conf), why));
	assert_string_equal(why, "");
	assert_int_equal(symlink(in_folder("state/other"), path), 0);
	assert_false(hint_index_read(&index, path, conf_server_public(conf), why));
	assert_string_equal(why, "it is a link");
	conf_free(conf);
}

/* By an empty folder the daemon knows its first start. */
static void a_fresh_folder_stays_empty(void **state)
{
	struct conf *conf = loaded();
	char fresh[600];
	uint32_t made;

	(void)state;
	assert_int_equal(mkdir(in_folder("fresh"), 0700), 0);
	snprintf(fresh, sizeof fresh, "%s", in_folder("fresh/" HINT_INDEX_FILE));
	assert_false(hint_index_renew(conf, fresh, &made, why));
	assert_int_equal(rmdir(in_folder("fresh")), 0);
	assert_false(hint_index_renew(conf, fresh, &made, why));
	conf_free(conf);
}

#define HINT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, conf_help_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    HINT_TEST(holds_all_clients),
	    HINT_TEST(only_new_keys_are_made),
	    HINT_TEST(what_is_damaged_is_made_anew),
	    HINT_TEST(another_servers_is_not_used),
	    HINT_TEST(what_others_may_write_is_not_used),
	    HINT_TEST(a_fresh_folder_stays_empty),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
