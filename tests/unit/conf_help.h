/* A folder of its own for a test, with files of the test's making; removed by conf_help_teardown.
 */
#ifndef CONF_HELP_H
#define CONF_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf/conf.h"

#define PRIVATE_KEY "yFtxDt7NWSTRynh28tcnRKq1rsbTBOjxBxSHFkrbkl4="
#define PUBLIC_KEY  "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8="
#define CLIENT_0    "HHsu0kwsn16vLIT8lBustEQlDdXmCgBNGX8naInlGyg="
#define CLIENT_1    "0gkY1zX/NtQPYv2sEEH85GrSG6bVjJrGVukEi9aL6Wo="
#define CLIENT_2    "MZ6CcngJZb7E2UjM+6O3WztxDCejLMIuqiyIszcScms="
#define SERVER      "server:\n  private_key: " PRIVATE_KEY "\n"

static char folder[64];
static char path_buffer[4][512];

/* A path in the folder; the last four stay valid. */
static inline const char *in_folder(const char *name)
{
	static unsigned int turn;
	char *path = path_buffer[turn++ % 4];

	snprintf(path, sizeof path_buffer[0], "%s/%s", folder, name);
	return path;
}

static inline const char *write_bytes(const char *name, const void *data, size_t size, mode_t mode)
{
	const char *path = in_folder(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

static inline const char *write_text(const char *name, const char *text)
{
	return write_bytes(name, text, strlen(text), 0600);
}

static inline char *read_text(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	assert_true(got >= 0);
	text[got] = '\0';
	close(fd);
	return text;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int conf_help_setup(void **state)
{
	(void)state;
	umask(022);
	snprintf(folder, sizeof folder, "/tmp/postern-test-XXXXXX");
	return secret_init() && mkdtemp(folder) != NULL ? 0 : -1;
}

static inline int conf_help_teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* The text as the main file: loads, or the complaint is as given. */
static inline struct conf *loads(const char *text)
{
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load(write_text("config.yaml", text), &error);

	assert_string_equal(error.text, "");
	assert_non_null(conf);
	return conf;
}

/* `complaint` begins behind the path of the main file. */
static inline void refused(const char *text, const char *complaint)
{
	struct conf_error error = {.text = ""};
	struct conf *conf = conf_load(write_text("config.yaml", text), &error);
	char expected[1500];

	snprintf(expected, sizeof expected, "%s/config.yaml%s", folder, complaint);
	assert_null(conf);
	assert_string_equal(error.text, expected);
	assert_false(error.permission);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, conf_help_setup, conf_help_teardown)

#endif
