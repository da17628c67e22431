/* The audit log's files are bounded, and lose no line to a rotation, a half line or a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/audit_reader.h"

#define MOST 100

static char path[64];
static int folder;

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/postern-audit-XXXXXX");
	assert_non_null(mkdtemp(path));
	folder = open(path, O_RDONLY | O_DIRECTORY);
	return folder < 0;
}

static const char *const names[] = {"audit.log", "audit.log.1", "audit.log.2", "audit.log.3",
    "audit.log.4", "strangers.log", "strangers.log.1", "strangers.log.2"};

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlinkat(folder, names[i], 0);
	close(folder);
	return rmdir(path);
}

static void put(const char *name, const char *text, size_t size)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_int_equal(write(fd, text, size), size);
	close(fd);
}

static bool append(struct audit_file *f, unsigned int number)
{
	char line[32];
	int size = snprintf(line, sizeof line, "line %u\n", number);

	return audit_file_append(f, line, (size_t)size);
}

struct seen {
	unsigned int count, first, last;
	bool in_order;
	char text[AUDIT_LINE_BYTES + 1]; /* of the last one */
};

static void see(struct seen *s, const char *text, size_t size)
{
	unsigned int number = 0;

	memcpy(s->text, text, size);
	s->text[size] = '\0';
	if (sscanf(s->text, "line %u", &number) == 1) {
		if (s->count++ == 0)
			s->first = number;
		else if (number != s->last + 1)
			s->in_order = false;
		s->last = number;
	}
}

static const struct audit_reader *read_set(struct seen *s, enum audit_set set)
{
	static struct audit_reader r;

	*s = (struct seen){.in_order = true};
	audit_reader_open(&r, folder, set);
	while (audit_reader_next(&r))
		see(s, r.line, r.used);
	audit_reader_close(&r);
	return &r;
}

static const struct audit_reader *read_all(struct seen *s)
{
	return read_set(s, AUDIT_SET_LOG);
}

static void files_are_bounded(void **state)
{
	struct audit_file f = audit_file_of(folder, AUDIT_SET_LOG, MOST);
	struct seen s;

	(void)state;
	for (unsigned int i = 1; i <= 500; i++) {
		assert_true(append(&f, i));
		read_all(&s);
		assert_int_equal(s.last, i);
		assert_true(s.in_order);
		assert_true(s.first == 1 || s.count >= 3 * (MOST / 9));
	}
	audit_file_close(&f);
	assert_true(s.first > 1);
	assert_int_equal(read_all(&s)->files, AUDIT_FILE_COUNT);
	for (size_t i = 0; i < AUDIT_FILE_COUNT; i++) {
		struct stat st;

		assert_int_equal(fstatat(folder, names[i], &st, 0), 0);
		assert_true(st.st_size <= MOST);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	assert_int_equal(faccessat(folder, names[AUDIT_FILE_COUNT], F_OK, 0), -1);
}

/* Whatever strangers fill costs the others no line, and has bounds of its own. */
static void sets_do_not_touch_each_other(void **state)
{
	struct audit_file log = audit_file_of(folder, AUDIT_SET_LOG, MOST);
	struct audit_file strangers = audit_file_of(folder, AUDIT_SET_STRANGERS, MOST);
	struct seen s;

	(void)state;
	assert_true(append(&log, 1));
	for (unsigned int i = 1; i <= 500; i++)
		assert_true(append(&strangers, i));
	assert_true(append(&log, 2));
	audit_file_close(&log);
	audit_file_close(&strangers);
	assert_int_equal(read_all(&s)->files, 1);
	assert_true(s.first == 1 && s.last == 2);
	assert_int_equal(read_set(&s, AUDIT_SET_STRANGERS)->files, AUDIT_STRANGERS_COUNT);
	assert_true(s.in_order && s.last == 500 && s.first > 1);
	assert_int_equal(faccessat(folder, "strangers.log.2", F_OK, 0), -1);
}

static void a_half_line_is_closed(void **state)
{
	struct audit_file f = audit_file_of(folder, AUDIT_SET_LOG, MOST);
	struct seen s;

	(void)state;
	put("audit.log", "line 1\nlin", 10);
	assert_int_equal(read_all(&s)->damaged, 1);
	assert_int_equal(s.last, 1);
	assert_true(append(&f, 2));
	audit_file_close(&f);
	read_all(&s);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.last, 2);
}

static void a_long_line_is_skipped(void **state)
{
	static char text[3 * AUDIT_LINE_BYTES];
	struct seen s;

	(void)state;
	memset(text, 'x', sizeof text);
	put("audit.log", "line 1\n", 7);
	put("audit.log", text, sizeof text);
	put("audit.log", "\nline 2\n", 8);
	assert_int_equal(read_all(&s)->damaged, 1);
	assert_int_equal(s.count, 2);
	put("audit.log", text, AUDIT_LINE_BYTES);
	put("audit.log", "\n", 1);
	read_all(&s);
	assert_int_equal(strlen(s.text), AUDIT_LINE_BYTES);
}

static void others_files_are_not_written(void **state)
{
	struct audit_file f = audit_file_of(folder, AUDIT_SET_LOG, MOST);

	(void)state;
	assert_int_equal(symlinkat("/dev/null", folder, "audit.log"), 0);
	assert_false(append(&f, 1));
	assert_int_equal(errno, ELOOP);
	unlinkat(folder, "audit.log", 0);
	put("audit.log.4", "", 0);
	assert_int_equal(linkat(folder, "audit.log.4", folder, "audit.log", 0), 0);
	assert_false(append(&f, 1));
	assert_int_equal(errno, EPERM);
	unlinkat(folder, "audit.log", 0);
	assert_int_equal(mkfifoat(folder, "audit.log", 0600), 0);
	assert_false(append(&f, 1));
	assert_int_equal(f.fd, -1);
	unlinkat(folder, "audit.log", 0);
	assert_true(append(&f, 1)); /* the next one finds it in order again */
	audit_file_close(&f);
}

static void a_file_that_somebody_took_away(void **state)
{
	struct audit_file f = audit_file_of(folder, AUDIT_SET_LOG, MOST);
	struct seen s;

	(void)state;
	assert_true(append(&f, 1));
	unlinkat(folder, "audit.log", 0);
	assert_true(append(&f, 2));
	assert_int_equal(ftruncate(f.fd, 0), 0);
	assert_true(append(&f, 3));
	audit_file_close(&f);
	assert_int_equal(read_all(&s)->damaged, 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.last, 3);
}

/* A limit of the process's is what a full disk is: a write is cut short, or refused. */
static void a_full_disk_leaves_no_half_line(void **state)
{
	struct audit_file f = audit_file_of(folder, AUDIT_SET_LOG, MOST);
	struct rlimit before, limit;
	struct seen s;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	assert_true(append(&f, 1));
	limit = (struct rlimit){10, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_false(append(&f, 2));
	assert_false(append(&f, 2));
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(read_all(&s)->damaged, 0);
	assert_true(append(&f, 2));
	audit_file_close(&f);
	assert_int_equal(read_all(&s)->damaged, 0);
	assert_int_equal(s.count, 2);
}

/* The newline behind the half line is there, and is no part of what is taken back. */
static void a_full_disk_behind_a_half_line(void **state)
{
	struct audit_file f = audit_file_of(folder, AUDIT_SET_LOG, MOST);
	struct rlimit before, limit;
	struct seen s;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	put("audit.log", "line 1\nlin", 10);
	limit = (struct rlimit){13, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_false(append(&f, 2));
	setrlimit(RLIMIT_FSIZE, &before);
	assert_true(append(&f, 2));
	audit_file_close(&f);
	assert_int_equal(read_all(&s)->damaged, 0);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.last, 2);
}

static void a_missing_file_is_none(void **state)
{
	struct seen s;

	(void)state;
	assert_int_equal(read_all(&s)->files, 0);
	put("audit.log.2", "line 1\n", 7);
	put("audit.log", "line 2\n", 7);
	assert_int_equal(read_all(&s)->files, 2);
	assert_true(s.in_order && s.last == 2);
	assert_int_equal(mkfifoat(folder, "audit.log.1", 0600), 0);
	assert_int_equal(read_all(&s)->error, EINVAL); /* and nothing is waited for */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(files_are_bounded, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(sets_do_not_touch_each_other, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_half_line_is_closed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_long_line_is_skipped, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(others_files_are_not_written, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_full_disk_leaves_no_half_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_full_disk_behind_a_half_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_file_that_somebody_took_away, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_missing_file_is_none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
