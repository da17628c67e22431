/* What main makes of what the keeper tells for the audit log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "caught_log.h"
#include "main/audit.h"

static struct audit audit;
static int writer;

/* The writer is the test. */
static int set_up(void **state)
{
	int ends[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
		return -1;
	audit = (struct audit){.fd = ends[0], .told = rate_of(1, 10)};
	writer = ends[1];
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(writer);
	audit_close(&audit);
	return 0;
}

/* The next line that it is given; "": none. */
static const char *written(void)
{
	static char line[AUDIT_LINE_BYTES + 1];
	ssize_t size = recv(writer, line, sizeof line - 1, MSG_DONTWAIT);

	line[size < 0 ? 0 : size] = '\0';
	return line;
}

static void what_was_left_out_at_the_end(void **state)
{
	const struct message_audit m = {.kind = AUDIT_LEFT_OUT, .left_out = 7};
	const char *line;

	(void)state;
	assert_true(audit_take(&audit, &m));
	line = written();
	assert_non_null(strstr(line, "\"event\":\"left-out\""));
	assert_non_null(strstr(line, "\"count\":7"));
	assert_string_equal(written(), "");
	assert_int_equal(audit.left_out, 0);
}

/* Then the log says it. */
static void what_the_writer_has_no_room_for(void **state)
{
	const struct message_audit m = {.kind = AUDIT_LEFT_OUT, .left_out = 7};

	(void)state;
	shutdown(audit.fd, SHUT_WR);
	assert_true(audit_take(&audit, &m));
	assert_int_equal(audit.left_out, 7);
	caught_log_begin(LOG_LEVEL_WARN);
	audit_close(&audit);
	assert_non_null(strstr(caught_log_end(), "have found no room count=7"));
	audit = (struct audit)AUDIT_NONE;
}

static void no_keeper_says_that(void **state)
{
	struct message_audit m = {.kind = AUDIT_KINDS};

	(void)state;
	assert_false(audit_take(&audit, &m));
	m = (struct message_audit){.port_count = AUDIT_PORTS_MOST + 1};
	assert_false(audit_take(&audit, &m));
	memset(m.client, 'x', sizeof m.client);
	m.port_count = 0;
	assert_false(audit_take(&audit, &m));
	assert_string_equal(written(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_left_out_at_the_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_the_writer_has_no_room_for, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(no_keeper_says_that, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
