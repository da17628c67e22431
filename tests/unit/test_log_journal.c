/* Events for the journal in its own form: fields that nobody forges, and a line on standard error
 * where the journal does not take one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/log_journal.h"

static char folder[] = "/tmp/postern-journal-XXXXXX", path[64];
static int journal = -1, lines = -1, screen;

static void open_journal(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	unlink(path);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(journal, (const struct sockaddr *)&at, sizeof at), 0);
}

/* Standard error is a file of ours that the service manager is said to have given us. */
static int set_up(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	if (journal < 0)
		assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/socket", folder);
	open_journal();
	fflush(stderr);
	lines = memfd_create("lines", MFD_CLOEXEC);
	screen = dup(STDERR_FILENO);
	dup2(lines, STDERR_FILENO);
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	dup2(screen, STDERR_FILENO);
	close(screen);
	close(lines);
	close(journal);
	unlink(path);
	return 0;
}

static void begin(enum log_format format)
{
	log_open("keeper", LOG_LEVEL_INFO, format);
	log_join_journal("posternd", path);
}

static char got[JOURNAL_RECORD_BYTES + 1];

static ssize_t receive(void)
{
	ssize_t size = recv(journal, got, sizeof got - 1, MSG_DONTWAIT);

	got[size < 0 ? 0 : size] = '\0';
	return size;
}

static bool has(const char *field)
{
	const char *at = strstr(got, field);

	return at != NULL && (at == got || at[-1] == '\n') && at[strlen(field)] == '\n';
}

static const char *written(void)
{
	static char text[8192];
	ssize_t size = pread(lines, text, sizeof text - 1, 0);

	text[size < 0 ? 0 : size] = '\0';
	return text;
}

static void an_event_has_fields(void **state)
{
	(void)state;
	begin(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_WARN, "knock refused", "client", "alice", "by-uid", "0", "none", NULL,
	    "event", "refusal", NULL);
	assert_true(receive() > 0);
	assert_true(has("PRIORITY=4"));
	assert_true(has("SYSLOG_IDENTIFIER=posternd"));
	assert_true(has("MESSAGE=keeper: knock refused client=alice by-uid=0 event=refusal"));
	assert_true(has("MESSAGE_ID=30398ad3fe3d4bd992fea6a4e755f87d"));
	assert_true(has("POSTERN_ROLE=keeper"));
	assert_true(has("POSTERN_CLIENT=alice"));
	assert_true(has("POSTERN_BY_UID=0"));
	assert_true(has("POSTERN_EVENT=refusal"));
	assert_null(strstr(got, "NONE"));
	assert_string_equal(written(), "");
	log_event(LOG_LEVEL_INFO, "no kind", "event", "of its own", NULL);
	assert_true(receive() > 0);
	assert_null(strstr(got, "MESSAGE_ID"));
}

/* A value with a newline has its length in front of it. */
static void nobody_forges_a_field(void **state)
{
	static const char value[] = "a\nMESSAGE_ID=77f084fb1efc425bb4e1c7bba38542c5\nPRIORITY=0";
	static const char head[] = "POSTERN_SAID\n";
	const char *at;
	size_t size = 0;
	ssize_t all;

	(void)state;
	begin(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "x", "said", value, "by", "me", NULL);
	all = receive();
	at = memmem(got, (size_t)all, head, sizeof head - 1);
	assert_non_null(at);
	at += sizeof head - 1;
	for (int i = 7; i >= 0; i--)
		size = size << 8 | (uint8_t)at[i];
	assert_int_equal(size, sizeof value - 1);
	assert_memory_equal(at + 8, value, size);
	assert_int_equal(at[8 + size], '\n');
	assert_memory_equal(at + 9 + size, "POSTERN_BY=me\n", 14);
}

static void what_is_too_long_is_left_out(void **state)
{
	static char text[5000];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	begin(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, "long", "a", text, "b", "short", NULL);
	assert_true(receive() > 0);
	assert_null(strstr(got, "POSTERN_A="));
	assert_true(has("POSTERN_B=short"));
	assert_non_null(strstr(got, "\nMESSAGE=keeper: long a=xxx"));
}

static void a_full_journal_is_not_waited_for(void **state)
{
	unsigned int sent = 0;

	(void)state;
	begin(LOG_FORMAT_TEXT);
	for (; *written() == '\0' && sent < 100000; sent++)
		log_event(LOG_LEVEL_INFO, "again", "n", "1", NULL);
	assert_true(sent > 1 && sent < 100000);
	assert_string_equal(written(), "<6>keeper: again n=1\n");
}

/* Main finds it again; others write lines. */
static void a_journal_that_is_made_anew(void **state)
{
	(void)state;
	begin(LOG_FORMAT_TEXT);
	close(journal);
	log_event(LOG_LEVEL_INFO, "nobody there", NULL);
	assert_string_equal(written(), "<6>keeper: nobody there\n");
	open_journal();
	log_event(LOG_LEVEL_INFO, "back", NULL);
	assert_true(receive() > 0);
	assert_true(has("MESSAGE=keeper: back"));
	assert_true(journal_connect("posternd", path, false));
	close(journal);
	open_journal();
	log_event(LOG_LEVEL_INFO, "a role", NULL);
	assert_int_equal(receive(), -1);
	assert_non_null(strstr(written(), "<6>keeper: a role\n"));
}

/* The journal could not tell whose it is: it may be its last word. */
static void the_first_error_is_a_line(void **state)
{
	(void)state;
	begin(LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_ERROR, "cannot start", NULL);
	assert_int_equal(receive(), -1);
	assert_string_equal(written(), "<3>keeper: cannot start\n");
}

static void json_stays_lines(void **state)
{
	(void)state;
	begin(LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_INFO, "x", NULL);
	assert_int_equal(receive(), -1);
	assert_int_equal(*written(), '{');
}

/* The number of the descriptor may be another file's there. */
static void a_child_does_not_use_it(void **state)
{
	pid_t pid;

	(void)state;
	begin(LOG_FORMAT_TEXT);
	pid = fork();
	if (pid == 0) {
		log_event(LOG_LEVEL_INFO, "child", NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	assert_int_equal(receive(), -1);
	assert_string_equal(written(), "<6>keeper: child\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_first_error_is_a_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_event_has_fields, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(nobody_forges_a_field, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_too_long_is_left_out, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_full_journal_is_not_waited_for, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_journal_that_is_made_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(json_stays_lines, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_child_does_not_use_it, set_up, tear_down),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	rmdir(folder);
	return failed;
}
