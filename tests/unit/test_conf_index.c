/* What is taken from the index of clients, and that it never hides a change. */
#include "index_help.h"

/* As MAIN, but for one port. */
#define SAME_SIZE                                \
	SERVER "ports: {web: [443]}\nclients:\n" \
	       "  alice: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [23/tcp, web]}\n"

static void nothing_is_vetted_or_parsed_again(void **state)
{
	struct conf_index_report report;

	(void)state;
	report = load();
	assert_int_equal(report.vetted, 3);
	assert_int_equal(report.files, 2);
	assert_string_equal(report.refused, "");
	prepare();
	report = load();
	assert_int_equal(report.vetted, 0);
	assert_int_equal(report.clients, 0);
	assert_int_equal(report.files, 0);
	assert_int_equal(report.kept, 3);
	assert_string_equal(report.refused, "");
}

/* An index that was made with the help of the one before is as good, and the same. */
static void the_next_one_is_made_from_the_last(void **state)
{
	char first[65536];
	struct stat st;

	(void)state;
	prepare();
	assert_int_equal(stat(index_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	memcpy(first, read_text(index_path), (size_t)st.st_size);
	prepare();
	assert_memory_equal(read_text(index_path), first, (size_t)st.st_size);
	assert_int_equal(load().kept, 3);
}

static void the_main_file_is_taken_only_as_it_was(void **state)
{
	struct conf_index_report report;

	(void)state;
	prepare();
	write_text("config.yaml", MAIN "# one more line\n");
	report = load();
	assert_int_equal(report.clients, 1);
	assert_int_equal(report.vetted, 0);
	assert_int_equal(report.kept, 2);
	assert_int_equal(strlen(SAME_SIZE), strlen(MAIN));
	write_text("config.yaml", SAME_SIZE);
	assert_int_equal(load().clients, 1);
	prepare();
	assert_int_equal(load().clients, 0);
	write_text("config.yaml", SERVER "clients:\n" ALICE);
	assert_int_equal(load().clients, 1);
}

/* Where its clients do not stand last, at the start of a line, the main file is parsed. */
static void a_main_file_of_another_shape(void **state)
{
	static const char *const texts[] = {
	    SERVER "clients:\n" ALICE "ports: {web: [443]}\n",
	    SERVER "\"clients\":\n" ALICE,
	    SERVER "clients :\n" ALICE,
	    "clients:\n" ALICE SERVER,
	    "{server: {private_key: " PRIVATE_KEY
	    "},\nclients: {\n alice: {ed25519_pubkey: " CLIENT_0 "}}}\n",
	    "{server: {private_key: " PRIVATE_KEY "}, clients: {alice: {ed25519_pubkey: " CLIENT_0
	    "}}}\n",
	    SERVER "clients: {alice: {ed25519_pubkey: " CLIENT_0 "}}\n",
	    SERVER "clients: {}\n",
	    SERVER "clients:\n",
	    SERVER,
	    "---\n" SERVER "clients:\n" ALICE "...\n",
	    "# a\r# b\r\n" SERVER "clients:\n" ALICE,
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		write_text("config.yaml", texts[i]);
		prepare();
		assert_string_equal(load().refused, "");
		assert_int_equal(load().vetted, 0);
	}
}

static void set_back(const char *path, const struct stat *st)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_revoked(const char *name)
{
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load_indexed(config, index_path, NULL, &error);
	bool revoked;

	assert_non_null(conf);
	revoked = conf_client_named(conf, name)->revoked.yes;
	conf_free(conf);
	return revoked;
}

/* Written in place, with the same size, and with the file's time set back. */
static void a_revocation_in_place_is_seen(void **state)
{
	const char *path = in_folder("clients.d/bob.yaml");
	struct stat st, after;
	char *text;

	(void)state;
	prepare();
	assert_false(is_revoked("bob"));
	assert_int_equal(stat(path, &st), 0);
	text = read_text(path);
	memcpy(strstr(text, "no }"), "yes}", 4);
	write_text("clients.d/bob.yaml", text);
	set_back(path, &st);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, st.st_size);
	assert_memory_equal(&after.st_mtim, &st.st_mtim, sizeof st.st_mtim);
	assert_true(is_revoked("bob"));
	assert_int_equal(load().files, 1);
}

/* The same in a file that took the other's place. */
static void a_file_in_the_place_of_another_is_seen(void **state)
{
	const char *path = in_folder("clients.d/bob.yaml");
	struct stat st;
	char *text;

	(void)state;
	prepare();
	assert_int_equal(stat(path, &st), 0);
	text = read_text(path);
	memcpy(strstr(text, "no }"), "yes}", 4);
	write_text("new", text);
	set_back(in_folder("new"), &st);
	assert_int_equal(rename(in_folder("new"), path), 0);
	assert_true(is_revoked("bob"));
}

static void an_override_is_seen(void **state)
{
	(void)state;
	prepare();
	write_text("clients.d/alice+revoked.yaml", "clients: {alice: {revoked: true}}");
	write_text("clients.d/carol+revoked.yaml", "clients: {carol: {revoked: true}}");
	assert_true(is_revoked("alice"));
	assert_true(is_revoked("carol"));
	assert_int_equal(load().files, 2);
	prepare();
	assert_int_equal(load().files, 0);
	assert_true(is_revoked("alice"));
	assert_int_equal(unlink(in_folder("clients.d/alice+revoked.yaml")), 0);
	assert_false(is_revoked("alice"));
	assert_true(is_revoked("carol"));
	assert_int_equal(load().files, 0);
}

static void a_file_that_is_gone_is_gone(void **state)
{
	struct conf_error error = {.text = ""};
	struct conf *conf;

	(void)state;
	prepare();
	assert_int_equal(unlink(in_folder("clients.d/bob.yaml")), 0);
	conf = conf_load_indexed(config, index_path, NULL, &error);
	assert_null(conf_client_named(conf, "bob"));
	assert_non_null(conf_client_named(conf, "carol"));
	conf_free(conf);
	assert_int_equal(rename(in_folder("clients.d"), in_folder("away")), 0);
	assert_int_equal(load().kept, 1);
}

/* Names before, between and behind those that are known. */
static void files_that_come_between_are_read(void **state)
{
	struct conf_index_report report;

	(void)state;
	prepare();
	write_text("clients.d/a.yaml", "clients: {}");
	write_text("clients.d/bob+.yaml", "clients: {}");
	write_text("clients.d/bob.yaml.yaml", "clients: {}");
	write_text("clients.d/z.yaml", "");
	report = load();
	assert_int_equal(report.files, 4);
	assert_int_equal(report.kept, 3);
	prepare();
	assert_int_equal(load().kept, 7);
	/* one that is how another begins */
	write_text("clients.d/z.yaml.yaml", "");
	assert_int_equal(unlink(in_folder("clients.d/z.yaml")), 0);
	prepare();
	write_text("clients.d/z.yaml", "");
	report = load();
	assert_int_equal(report.files, 1);
	assert_int_equal(report.kept, 7);
}

static void a_key_that_is_new_is_vetted(void **state)
{
	(void)state;
	prepare();
	/* of small order, and good for nothing */
	write_text("clients.d/dave.yaml",
	    "clients: {dave: {ed25519_pubkey: AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}}");
	assert_int_equal(load().vetted, 1);
	/* an entry that takes another's key is refused, known or not */
	write_text("clients.d/dave.yaml", "clients: {dave: {ed25519_pubkey: " CLIENT_1 "}}");
	assert_int_equal(load().vetted, 0);
}

static void an_unchanged_file_must_still_be_trusted(void **state)
{
	struct conf_error error = {.text = ""};

	(void)state;
	prepare();
	assert_int_equal(chmod(in_folder("clients.d/bob.yaml"), 0666), 0);
	assert_null(conf_load_indexed(config, index_path, NULL, &error));
	assert_non_null(strstr(error.text, "lets others write it"));
	if (geteuid() != 0)
		return;
	assert_int_equal(chmod(in_folder("clients.d/bob.yaml"), 0600), 0);
	assert_int_equal(chown(in_folder("clients.d/bob.yaml"), 12345, 0), 0);
	assert_null(conf_load_indexed(config, index_path, NULL, &error));
	assert_non_null(strstr(error.text, "belongs to user 12345"));
}

/* What was changed within the last two seconds may be changed again, and look the same. */
static void a_file_that_has_just_changed_is_not_kept(void **state)
{
	struct conf_index_report report;

	(void)state;
	ahead_ns = 0;
	prepare();
	report = load();
	assert_int_equal(report.files, 2);
	assert_int_equal(report.clients, 3);
	assert_int_equal(report.vetted, 0);
	assert_int_equal(report.kept, 0);
}

/* Too far to the right, or too long, for the index: read anew each time. */
static void what_has_no_place_in_it_is_read(void **state)
{
	static char text[262144];
	size_t size;

	(void)state;
	snprintf(text, sizeof text,
	    SERVER "clients: {%70000s alice: {ed25519_pubkey: " CLIENT_0 "}}", "");
	write_text("config.yaml", text);
	prepare();
	assert_int_equal(load().clients, 1);
	assert_int_equal(load().kept, 2);
	size = (size_t)snprintf(text, sizeof text,
	    SERVER "clients:\n  alice: {ed25519_pubkey: " CLIENT_0 ", allowed_ports: [22");
	for (unsigned int i = 0; i <= UINT16_MAX; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, ",22");
	snprintf(text + size, sizeof text - size, "]}\n");
	write_text("config.yaml", text);
	prepare();
	assert_int_equal(load().kept, 2);
}

static void put_clients(const char *name, const char *start, unsigned int count)
{
	FILE *to = fopen(in_folder(name), "w");
	char text[64];

	assert_non_null(to);
	fputs(start, to);
	for (unsigned int i = 0; i < count; i++) {
		unsigned char key[32], secret[64];

		crypto_sign_keypair(key, secret);
		sodium_bin2base64(
		    text, sizeof text, key, sizeof key, sodium_base64_VARIANT_ORIGINAL);
		fprintf(to, "  client%u: {ed25519_pubkey: %s}\n", i, text);
	}
	assert_int_equal(fclose(to), 0);
	assert_int_equal(chmod(in_folder(name), 0600), 0);
}

/* Not for a few; and not again, when little is new. */
static void it_is_renewed_when_it_is_worth_it(void **state)
{
	struct conf_error error = {.text = ""};

	(void)state;
	assert_true(conf_index_prepare(config, index_path, &error));
	assert_int_equal(access(index_path, F_OK), -1);
	put_clients("clients.d/many.yaml", "clients:\n", CONF_INDEX_WORTH);
	assert_true(conf_index_prepare(config, index_path, &error));
	assert_int_equal(access(index_path, F_OK), 0);
	assert_int_equal(load().vetted, 0);
	put_clients("clients.d/many.yaml", "clients:\n", 3);
	vetted = 0;
	assert_true(conf_index_prepare(config, index_path, &error));
	assert_int_equal(vetted, 3);
	assert_true(conf_index_prepare(config, index_path, &error));
	assert_int_equal(vetted, 6);
	write_text("clients.d/many.yaml", "clients: 1");
	assert_false(conf_index_prepare(config, index_path, &error));
	assert_non_null(strstr(error.text, "many.yaml:1:10"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    INDEX_TEST(nothing_is_vetted_or_parsed_again),
	    INDEX_TEST(the_next_one_is_made_from_the_last),
	    INDEX_TEST(the_main_file_is_taken_only_as_it_was),
	    INDEX_TEST(a_main_file_of_another_shape),
	    INDEX_TEST(a_revocation_in_place_is_seen),
	    INDEX_TEST(a_file_in_the_place_of_another_is_seen),
	    INDEX_TEST(an_override_is_seen),
	    INDEX_TEST(a_file_that_is_gone_is_gone),
	    INDEX_TEST(files_that_come_between_are_read),
	    INDEX_TEST(a_key_that_is_new_is_vetted),
	    INDEX_TEST(an_unchanged_file_must_still_be_trusted),
	    INDEX_TEST(a_file_that_has_just_changed_is_not_kept),
	    INDEX_TEST(what_has_no_place_in_it_is_read),
	    INDEX_TEST(it_is_renewed_when_it_is_worth_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
