/* Which index is believed, and how one is written. */
#include "index_help.h"

#include <sys/file.h>
#include <sys/wait.h>

#define HASH_BYTES crypto_generichash_BYTES

static uint8_t good[8192];
static size_t good_size;

/* Whoever has the new file locked gives it its name just before the lock is ours. */
static bool overtaken;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_flock(int fd, int operation)
{
	if (overtaken) {
		overtaken = false;
		assert_int_equal(rename(in_folder("state/." CONF_INDEX_FILE), index_path), 0);
		assert_int_equal(pwrite(fd, good, good_size, 0), (ssize_t)good_size);
	}
	return __real_flock(fd, operation);
}

static void keep_good(void)
{
	int fd;
	ssize_t got;

	prepare();
	fd = open(index_path, O_RDONLY);
	got = read(fd, good, sizeof good);
	close(fd);
	assert_true(got > 0 && (size_t)got < sizeof good);
	good_size = (size_t)got;
}

static void put_index(const void *data, size_t size)
{
	unlink(index_path);
	write_bytes("state/" CONF_INDEX_FILE, data, size, 0600);
}

/* Everything is read anew, and why is said. */
static void assert_refused(const char *why)
{
	const struct conf_index_report report = load();
	char expected[700];

	snprintf(expected, sizeof expected, "%.90s: %s", index_path, why);
	assert_string_equal(report.refused, expected);
	assert_int_equal(report.vetted, 3);
	assert_int_equal(report.kept, 0);
	assert_int_equal(report.clients, 3);
}

static void one_that_was_cut_is_refused(void **state)
{
	(void)state;
	keep_good();
	for (size_t size = 0; size < good_size; size++) {
		put_index(good, size);
		assert_refused(size < 64 ? "it was cut" : "it was cut or changed");
	}
	put_index(good, good_size);
	assert_int_equal(load().kept, 3);
}

static void one_that_was_changed_is_refused(void **state)
{
	uint8_t bad[sizeof good];

	(void)state;
	keep_good();
	for (size_t i = 0; i < good_size; i++) {
		memcpy(bad, good, good_size);
		bad[i] ^= (uint8_t)(1U << i % 8);
		put_index(bad, good_size);
		assert_refused("it was cut or changed");
	}
	memcpy(bad, good, good_size);
	bad[good_size] = 0;
	put_index(bad, good_size + 1);
	assert_refused("it was cut or changed");
}

/* With a hash that fits. */
static void put_signed(uint8_t *data, size_t size)
{
	crypto_generichash(data + size - HASH_BYTES, HASH_BYTES, data, size - HASH_BYTES, NULL, 0);
	put_index(data, size);
}

static void another_versions_is_refused(void **state)
{
	uint8_t bad[sizeof good];

	(void)state;
	keep_good();
	for (size_t i = 0; i < 32; i++) {
		memcpy(bad, good, good_size);
		bad[i]++;
		put_signed(bad, good_size);
		assert_refused("another version has written it");
	}
}

static uint8_t *find(uint8_t *data, const char *text)
{
	uint8_t *found = memmem(data, good_size, text, strlen(text));

	assert_non_null(found);
	return found;
}

/* Damage that the hash does not show, as by a fault in what has written it: what does not fit is
 * refused with all the rest. */
static void one_that_makes_no_sense_is_refused(void **state)
{
	static const char *const names[] = {"alice", "bob", "carol", "ed25519_pubkey",
	    "allowed_ports", "22/tcp", "192.0.2.0/24", "2030-01-01"};
	uint8_t bad[sizeof good];

	(void)state;
	keep_good();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		memcpy(bad, good, good_size);
		/* the name of its file comes last; a client may have an odd one */
		*find(bad, names[i]) = '\1';
		put_signed(bad, good_size);
		if (i > 2)
			assert_refused("it is damaged");
		memcpy(bad, good, good_size);
		find(bad, names[i])[-2] = 0xff; /* its length */
		put_signed(bad, good_size);
		if (i != 1 && i != 2)
			assert_refused("it is damaged");
	}
}

static void that_of_another_configuration_is_refused(void **state)
{
	char other[512];
	struct conf_index_report report;
	struct conf_error error = {.text = ""};

	(void)state;
	prepare();
	assert_int_equal(mkdir(in_folder("other"), 0700), 0);
	snprintf(other, sizeof other, "%s", write_text("other/config.yaml", MAIN));
	conf_free(conf_load_indexed(other, index_path, &report, &error));
	assert_non_null(strstr(report.refused, "it belongs to another configuration"));
	assert_int_equal(report.vetted, 1);
	/* by another name it is the same */
	assert_int_equal(symlink("config.yaml", in_folder("link.yaml")), 0);
	conf_free(conf_load_indexed(in_folder("link.yaml"), index_path, &report, &error));
	assert_string_equal(report.refused, "");
	assert_int_equal(report.vetted, 0);
}

static void that_of_another_key_is_refused(void **state)
{
	(void)state;
	prepare();
	write_text("config.yaml",
	    "server:\n  private_key: " CLIENT_2 "\nports: {web: [443]}\nclients:\n" ALICE);
	assert_refused("it belongs to a server with another key");
	prepare();
	assert_int_equal(load().kept, 3);
}

static void others_must_not_have_written_it(void **state)
{
	static const mode_t unsafe[] = {0620, 0602, 0666};

	(void)state;
	keep_good();
	for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
		char why[128];

		snprintf(why, sizeof why,
		    "mode %04o lets others write it; take that away: chmod 600 " CONF_INDEX_FILE,
		    unsafe[i]);
		assert_int_equal(chmod(index_path, unsafe[i]), 0);
		assert_refused(why);
	}
	assert_int_equal(chmod(index_path, 0600), 0);
	assert_int_equal(load().kept, 3);
	assert_int_equal(chmod(in_folder("state"), 0777), 0);
	assert_non_null(strstr(load().refused, "lets others write it"));
	assert_int_equal(chmod(in_folder("state"), 0700), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(index_path, 12345, 0), 0);
	assert_refused("belongs to user 12345; it must belong to root or to you: chown it");
}

static void only_a_regular_file_is_read(void **state)
{
	(void)state;
	prepare();
	assert_int_equal(rename(index_path, in_folder("state/real")), 0);
	assert_int_equal(symlink("real", index_path), 0);
	assert_refused("it is a link");
	unlink(index_path);
	assert_int_equal(mkfifo(index_path, 0600), 0);
	assert_refused("not a regular file");
	unlink(index_path);
	assert_int_equal(mkdir(index_path, 0700), 0);
	assert_refused("not a regular file");
}

/* None, no folder for it, no right to look: as if there were no such thing. */
static void without_one_nothing_is_said(void **state)
{
	(void)state;
	assert_string_equal(load().refused, "");
	snprintf(index_path, sizeof index_path, "%s", in_folder("nowhere/" CONF_INDEX_FILE));
	assert_string_equal(load().refused, "");
	assert_int_equal(load().vetted, 3);
}

static struct conf_index_report renew(uint32_t most)
{
	struct conf_index_report report;
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load_renewing(config, index_path, most, &report, &error);

	assert_non_null(conf);
	conf_free(conf);
	return report;
}

static void one_that_was_refused_is_made_anew(void **state)
{
	(void)state;
	keep_good();
	good[good_size / 2] ^= 1;
	put_index(good, good_size);
	good[good_size / 2] ^= 1;
	assert_true(renew(CONF_INDEX_WORTH).written);
	assert_memory_equal(read_text(index_path), good, good_size);
	assert_false(renew(CONF_INDEX_WORTH).written);
}

/* By that the daemon knows its first start, at which nothing can be repeated. */
static void a_fresh_folder_stays_fresh(void **state)
{
	struct conf_index_report report;

	(void)state;
	assert_int_equal(mkdir(in_folder("fresh"), 0700), 0);
	snprintf(index_path, sizeof index_path, "%s", in_folder("fresh/" CONF_INDEX_FILE));
	report = renew(CONF_INDEX_ALWAYS);
	assert_false(report.written);
	assert_string_equal(report.failed, "");
	assert_int_equal(rmdir(in_folder("fresh")), 0);
	report = renew(CONF_INDEX_ALWAYS);
	assert_false(report.written);
	assert_string_equal(report.failed, "");
}

static void what_cannot_be_written_leaves_the_old_one(void **state)
{
	char temporary[512];
	struct conf_index_report report;
	int fd;

	(void)state;
	keep_good();
	snprintf(temporary, sizeof temporary, "%s", in_folder("state/." CONF_INDEX_FILE));
	fd = open(temporary, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_non_null(
	    strstr(renew(CONF_INDEX_ALWAYS).failed, "somebody else is just writing it"));
	close(fd);
	/* what is left of somebody who was killed is in nobody's way */
	write_text("state/." CONF_INDEX_FILE, "something else");
	assert_true(renew(CONF_INDEX_ALWAYS).written);
	assert_int_equal(symlink(config, temporary), 0);
	report = renew(CONF_INDEX_ALWAYS);
	assert_false(report.written);
	assert_non_null(strstr(report.failed, "symbolic links"));
	assert_string_equal(read_text(config), MAIN);
	unlink(temporary);
	if (geteuid() == 0) {
		write_text("state/." CONF_INDEX_FILE, "");
		assert_int_equal(chown(temporary, 12345, 0), 0);
		assert_non_null(strstr(renew(CONF_INDEX_ALWAYS).failed, "not permitted"));
	}
	assert_memory_equal(read_text(index_path), good, good_size);
}

/* Its file is the index by then, and not to be written to. */
static void one_that_was_overtaken_begins_anew(void **state)
{
	(void)state;
	keep_good();
	overtaken = true;
	assert_true(renew(CONF_INDEX_ALWAYS).written);
	assert_false(overtaken);
	assert_int_equal(load().kept, 3);
}

static void renew_for_a_while(int rounds)
{
	struct conf_index_report report;
	struct conf_error error;

	for (int i = 0; i < rounds; i++) {
		struct conf *conf =
		    conf_load_renewing(config, index_path, CONF_INDEX_ALWAYS, &report, &error);

		if (conf == NULL || *report.refused != '\0')
			_exit(1);
		conf_free(conf);
	}
	_exit(0);
}

/* Whoever reads meanwhile finds the one or the other, whole. */
static void many_may_write_it_at_once(void **state)
{
	pid_t children[4];
	int status;

	(void)state;
	prepare();
	for (size_t i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0)
			renew_for_a_while(50);
	}
	for (int i = 0; i < 50; i++) {
		const struct conf_index_report report = load();

		assert_string_equal(report.refused, "");
		assert_int_equal(report.kept, 3);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(access(in_folder("state/." CONF_INDEX_FILE), F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    INDEX_TEST(one_that_was_cut_is_refused),
	    INDEX_TEST(one_that_was_changed_is_refused),
	    INDEX_TEST(another_versions_is_refused),
	    INDEX_TEST(one_that_makes_no_sense_is_refused),
	    INDEX_TEST(that_of_another_configuration_is_refused),
	    INDEX_TEST(that_of_another_key_is_refused),
	    INDEX_TEST(others_must_not_have_written_it),
	    INDEX_TEST(only_a_regular_file_is_read),
	    INDEX_TEST(without_one_nothing_is_said),
	    INDEX_TEST(one_that_was_refused_is_made_anew),
	    INDEX_TEST(a_fresh_folder_stays_fresh),
	    INDEX_TEST(what_cannot_be_written_leaves_the_old_one),
	    INDEX_TEST(one_that_was_overtaken_begins_anew),
	    INDEX_TEST(many_may_write_it_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
