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
	audit_open_strangers(&audit.strangers);
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

/* The next line that it is given for a file of that set; "": none. */
static const char *written_to(enum audit_set set)
{
	static char message[1 + AUDIT_LINE_BYTES + 1];
	ssize_t size = recv(writer, message, sizeof message - 1, MSG_DONTWAIT);

	if (size > 0)
		assert_int_equal(message[0], set);
	message[size < 1 ? 1 : size] = '\0';
	return message + 1;
}

static const char *written(void)
{
	return written_to(AUDIT_SET_LOG);
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

/* --- Strangers */

static struct message_stranger a_stranger(enum verdict v, unsigned int number)
{
	struct message_stranger m = {.verdict = (uint8_t)v, .source_port = 1024};

	memset(m.source.bytes + 10, 0xff, 2);
	m.source.bytes[12] = 10;
	m.source.bytes[14] = (uint8_t)(number >> 8);
	m.source.bytes[15] = (uint8_t)number;
	return m;
}

/* How many lines it gets of that event until there are no more. */
static unsigned int count_written(const char *event)
{
	const char *line;
	unsigned int count = 0;

	while (*(line = written_to(AUDIT_SET_STRANGERS)) != '\0')
		count += strstr(line, event) != NULL;
	return count;
}

static void a_stranger_has_a_line(void **state)
{
	struct message_stranger m = a_stranger(VERDICT_STALE, 7);
	const char *line;

	(void)state;
	m.ahead_s = -3600;
	assert_true(audit_take_stranger(&audit, &m));
	line = written_to(AUDIT_SET_STRANGERS);
	assert_non_null(strstr(line, "\"event\":\"stranger\",\"rule\":\"openme\","
	                             "\"source\":\"10.0.0.7\",\"source_port\":1024,"
	                             "\"verdict\":\"stale\",\"ahead\":-3600}\n"));
	assert_string_equal(written(), "");
}

/* Main's own limits, for each verdict, whatever a doorman's are. */
static void strangers_are_limited(void **state)
{
	const struct message_stranger other = a_stranger(VERDICT_UNKNOWN_SIGNER, 1);
	unsigned int lines = 0;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		const struct message_stranger m = a_stranger(VERDICT_BUSY, i);

		assert_true(audit_take_stranger(&audit, &m));
		lines += count_written("\"event\":\"stranger\"");
	}
	assert_in_range(lines, 30, 40);
	assert_in_range(audit.strangers.left_out, 1960, 1970);
	assert_true(audit_take_stranger(&audit, &other));
	assert_non_null(strstr(written_to(AUDIT_SET_STRANGERS), "\"left-out\",\"count\":19"));
	assert_non_null(strstr(written_to(AUDIT_SET_STRANGERS), "unknown_signer"));
	assert_int_equal(audit.left_out, 0); /* the others' count is not theirs */
}

/* A writer that takes nothing: most of its room stays for the others. */
static void strangers_leave_room(void **state)
{
	struct audit_line l;
	unsigned int strangers = 0;

	(void)state;
	for (unsigned int i = 0; audit.strangers.left_out == 0 && i < 100000; i++) {
		const struct message_stranger m = a_stranger(VERDICT_BUSY, i);

		audit_open_strangers(&audit.strangers); /* limits anew: as after a long time */
		assert_true(audit_take_stranger(&audit, &m));
		strangers++;
	}
	assert_in_range(strangers, 10, 10000);
	for (int i = 0; i < 20; i++) {
		audit_line_begin(&l, "start", 0);
		audit_write(&audit, &l);
	}
	assert_int_equal(audit.left_out, 0);
}

static void strangers_that_were_left_out_at_the_end(void **state)
{
	struct message_stranger m = {.verdict = VERDICT_COUNT, .left_out = 7};

	(void)state;
	assert_true(audit_take_stranger(&audit, &m));
	m.left_out = UINT64_MAX;
	assert_true(audit_take_stranger(&audit, &m));
	assert_string_equal(written(), "");
	audit_close_strangers(&audit);
	assert_non_null(strstr(written_to(AUDIT_SET_STRANGERS), "\"count\":999999999999999999}"));
	audit_close_strangers(&audit);
	assert_string_equal(written(), "");
}

static void nobody_says_that_of_strangers(void **state)
{
	static const enum verdict known[] = {VERDICT_GRANTED, VERDICT_ASKED, VERDICT_HANDED_ON,
	    VERDICT_REVOKED, VERDICT_EXPIRED, VERDICT_BAD_SIZE};
	struct message_stranger m;

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		m = a_stranger(known[i], 1);
		assert_false(audit_take_stranger(&audit, &m));
	}
	for (unsigned int v = VERDICT_COUNT + 1; v <= UINT8_MAX; v++) {
		m = a_stranger((enum verdict)v, 1);
		assert_false(audit_take_stranger(&audit, &m));
	}
	m = a_stranger(VERDICT_STALE, 1);
	m.protocol = RECORD_PROTOCOLS;
	assert_false(audit_take_stranger(&audit, &m));
	m = a_stranger(VERDICT_BUSY, 1);
	m.ahead_s = 1;
	assert_false(audit_take_stranger(&audit, &m));
	assert_string_equal(written(), "");
	assert_int_equal(audit.strangers.left_out, 0);
}

/* As long as the daemon starts. */
static void before_the_log_is_opened(void **state)
{
	const struct message_stranger m = a_stranger(VERDICT_BUSY, 1);
	static const struct message_audit of_keeper = {.kind = AUDIT_REFUSAL};
	struct audit none = AUDIT_NONE;

	(void)state;
	assert_true(audit_take_stranger(&none, &m));
	assert_true(audit_take(&none, &of_keeper));
	assert_int_equal(none.strangers.left_out, 1);
	assert_int_equal(none.left_out, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_left_out_at_the_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_the_writer_has_no_room_for, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(no_keeper_says_that, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_stranger_has_a_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(strangers_are_limited, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(strangers_leave_room, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        strangers_that_were_left_out_at_the_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(nobody_says_that_of_strangers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(before_the_log_is_opened, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
