/* Lines of the audit log: what is written is what is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "audit/audit_line.h"
#include "base/clock.h"

#define NOW_NS (1795687200LL * NS_PER_SECOND) /* 2026-11-26T10:00:00Z */

static struct audit_record record;

static bool reads(const char *line)
{
	return audit_line_read(&record, line, strlen(line));
}

static void what_is_written_is_read(void **state)
{
	char all[256];
	struct audit_line l;
	int64_t number = 0;
	size_t size;

	(void)state;
	for (int c = 1; c < 256; c++)
		all[c - 1] = (char)c;
	all[255] = '\0';
	audit_line_begin(&l, "grant", NOW_NS);
	audit_line_text(&l, "client", all);
	audit_line_text(&l, "none", NULL);
	audit_line_number(&l, "count", -42);
	audit_line_time(&l, "until", NOW_NS + NS_PER_SECOND);
	audit_line_time(&l, "never", 0);
	size = audit_line_end(&l);
	assert_true(size > 0);
	assert_int_equal(l.text[size - 1], '\n');
	assert_ptr_equal(memchr(l.text, '\n', size), l.text + size - 1);
	assert_true(audit_line_read(&record, l.text, size));
	assert_true(record.time_ns == NOW_NS);
	assert_string_equal(record.event, "grant");
	assert_string_equal(audit_record_get(&record, "client"), all);
	assert_null(audit_record_get(&record, "none"));
	assert_null(audit_record_get(&record, "never"));
	assert_true(audit_record_number(&record, "count", &number));
	assert_int_equal(number, -42);
	assert_false(audit_record_number(&record, "client", &number));
	assert_string_equal(audit_record_get(&record, "until"), "2026-11-26T10:00:01Z");
	assert_int_equal(record.count, 5);
}

/* All of it or nothing. */
static void a_line_that_is_too_long(void **state)
{
	static char text[AUDIT_LINE_BYTES + 1];
	struct audit_line l;
	size_t fits = 0;

	(void)state;
	for (size_t length = 1; length < AUDIT_LINE_BYTES; length++) {
		size_t size;

		memset(text, 'x', length);
		text[length] = '\0';
		audit_line_begin(&l, "grant", NOW_NS);
		audit_line_text(&l, "client", text);
		size = audit_line_end(&l);
		assert_true(size <= AUDIT_LINE_BYTES);
		if (size == 0)
			continue;
		assert_int_equal(length, ++fits);
		assert_true(audit_line_read(&record, l.text, size));
		assert_string_equal(audit_record_get(&record, "client"), text);
	}
	assert_true(fits > 1900);
}

#define HEAD "{\"time\":\"2026-11-26T10:00:00Z\",\"event\":\"x\""

static void what_is_no_line(void **state)
{
	static const char *const bad[] = {
	    "",
	    "\n",
	    "{",
	    "{}",
	    HEAD,
	    HEAD "} ",
	    HEAD "}\n\n",
	    HEAD "}}",
	    HEAD ",}",
	    HEAD ",\"a\"}",
	    HEAD ",\"a\":}",
	    HEAD ",\"a\":-}",
	    HEAD ",\"a\":1.5}",
	    HEAD ",\"a\":1234567890123456789}",
	    HEAD ",\"a\":true}",
	    HEAD ",\"a\":[]}",
	    HEAD ",\"a\":{}}",
	    HEAD ",\"a\":\"b}",
	    HEAD ",\"a\":\"\\\"}",
	    HEAD ",\"a\":\"\\u0000\"}",
	    HEAD ",\"a\":\"\\u0100\"}",
	    HEAD ",\"a\":\"\\u00\"}",
	    HEAD ",\"a\":\"\\n\"}",
	    HEAD ",\"a\":\"\t\"}",
	    HEAD ",\"a\":\"\xc3\xa9\"}",
	    HEAD ",\"event\":\"y\"}",
	    HEAD ",\"\":\"y\"}",
	    HEAD ",\"A\":\"y\"}",
	    HEAD ",\"abcdefghijklmnopqrstuvwxyzabcdefg\":\"y\"}",
	    " " HEAD "}",
	    "{\"time\":\"2026-11-26T10:00:00Z\"}",
	    "{\"event\":\"x\"}",
	    "{\"time\":1,\"event\":\"x\"}",
	    "{\"time\":\"2026-11-26 10:00:00Z\",\"event\":\"x\"}",
	    "{\"time\":\"2026-13-26T10:00:00Z\",\"event\":\"x\"}",
	    "{\"time\":\"1026-11-26T10:00:00Z\",\"event\":\"x\"}",
	    "{\"time\":\"2026-11-26T24:00:00Z\",\"event\":\"x\"}",
	    "{\"time\":\"2026-11-26T10:00:00ZZ\",\"event\":\"x\"}",
	};

	(void)state;
	assert_true(reads(HEAD "}"));
	assert_true(reads(HEAD "}\n"));
	assert_true(reads(HEAD ",\"a_b\":0,\"c\":\"\\u001b\\\\\"}"));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (reads(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void too_many_fields(void **state)
{
	char text[1024] = HEAD;
	int n = 2;

	(void)state;
	for (; n < AUDIT_FIELDS_MOST + 2; n++) {
		size_t size = strlen(text);

		snprintf(text + size, sizeof text - size, "}");
		assert_int_equal(reads(text), n <= AUDIT_FIELDS_MOST);
		snprintf(
		    text + size, sizeof text - size, ",\"%c%c\":1", 'a' + n / 26, 'a' + n % 26);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(a_line_that_is_too_long),
	    cmocka_unit_test(what_is_no_line),
	    cmocka_unit_test(too_many_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
