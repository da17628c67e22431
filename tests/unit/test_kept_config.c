/* The configuration file that was accepted, kept to come back: it, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "snapshot/kept_config.h"

static char folder[32];
static char config[64], kept[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/kept-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(config, sizeof config, "%s/config.yaml", folder);
	snprintf(kept, sizeof kept, "%s/" KEPT_CONFIG_FILE, folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(config);
	unlink(kept);
	return rmdir(folder);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void assert_kept(const char *text)
{
	const char *why;
	char found[64] = "";
	int fd = kept_config_open(folder, &why);

	assert_true(fd >= 0);
	assert_null(why);
	assert_int_equal(fd_read(fd, found, sizeof found), strlen(text));
	assert_string_equal(found, text);
	close(fd);
}

static void assert_none(void)
{
	const char *why = NULL;

	assert_int_equal(kept_config_open(folder, &why), -1);
	assert_non_null(why);
}

static void it_is_kept_as_it_was_read(void **state)
{
	struct kept_config k;
	struct stat st;

	(void)state;
	assert_none();
	write_file(config, "one");
	kept_config_look(&k, config);
	assert_true(kept_config_save(&k, folder, config));
	assert_kept("one");
	assert_int_equal(stat(kept, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	write_file(config, "another");
	assert_kept("one");
	kept_config_look(&k, config);
	assert_true(kept_config_save(&k, folder, config));
	assert_kept("another");
}

static void the_same_is_not_written_again(void **state)
{
	struct kept_config k;
	struct stat before, after;

	(void)state;
	write_file(config, "one");
	kept_config_look(&k, config);
	assert_true(kept_config_save(&k, folder, config));
	assert_int_equal(stat(kept, &before), 0);
	assert_true(kept_config_save(&k, folder, config));
	assert_int_equal(stat(kept, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void one_that_changed_meanwhile_is_not_kept(void **state)
{
	struct kept_config k;
	char other[80];

	(void)state;
	write_file(config, "one");
	kept_config_look(&k, config);
	assert_true(kept_config_save(&k, folder, config));
	kept_config_look(&k, config);
	snprintf(other, sizeof other, "%s.other", config);
	write_file(other, "two"); /* as long as the first */
	assert_int_equal(rename(other, config), 0);
	assert_false(kept_config_save(&k, folder, config));
	assert_int_equal(errno, ESTALE);
	assert_none();
}

static void one_that_was_not_there_is_not_kept(void **state)
{
	struct kept_config k;

	(void)state;
	kept_config_look(&k, config);
	assert_false(kept_config_save(&k, folder, config));
	write_file(config, "one");
	assert_false(kept_config_save(&k, folder, config));
	assert_none();
	assert_false(kept_config_save(&k, "/nonexistent", config));
}

static void a_long_one_is_not_kept(void **state)
{
	struct kept_config k;

	(void)state;
	write_file(config, "one");
	assert_int_equal(truncate(config, KEPT_CONFIG_MOST + 4097), 0);
	kept_config_look(&k, config);
	assert_false(kept_config_save(&k, folder, config));
	assert_int_equal(errno, EFBIG);
	assert_none();
}

static void what_others_could_have_changed_is_not_read(void **state)
{
	struct kept_config k;

	(void)state;
	write_file(config, "one");
	kept_config_look(&k, config);
	assert_true(kept_config_save(&k, folder, config));
	assert_int_equal(chmod(kept, 0620), 0);
	assert_none();
	assert_int_equal(unlink(kept), 0);
	assert_int_equal(symlink(config, kept), 0);
	assert_none();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	    TEST(it_is_kept_as_it_was_read),
	    TEST(the_same_is_not_written_again),
	    TEST(one_that_changed_meanwhile_is_not_kept),
	    TEST(one_that_was_not_there_is_not_kept),
	    TEST(a_long_one_is_not_kept),
	    TEST(what_others_could_have_changed_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
