#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/line.h"

static void pieces_follow_each_other(void **state)
{
	char text[32];
	struct line l = {.text = text, .size = sizeof text};

	(void)state;
	line_add(&l, "%s=%d ", "a", 1);
	line_escape(&l, "b\"\\\n\xff", SIZE_MAX, LINE_QUOTED);
	line_escape(&l, "\n\xff", SIZE_MAX, LINE_JSON);
	assert_string_equal(text, "a=1 b\\\"\\\\\\x0a\\xff\\u000a\\u00ff");
	assert_int_equal(l.used, strlen(text));
}

static void no_more_than_asked_is_read(void **state)
{
	char text[32];
	struct line l = {.text = text, .size = sizeof text};

	(void)state;
	line_escape(&l, "abc", 2, LINE_QUOTED);
	assert_false(l.cut);
	assert_string_equal(text, "ab");
}

/* Piece by piece and all at once. */
static void what_does_not_fit_is_cut_off(void **state)
{
	char text[9];
	struct line l = {.text = text, .size = 8};

	(void)state;
	text[8] = '!';
	line_add(&l, "%s", "123456789");
	assert_int_equal(l.used, 7);
	assert_true(l.cut);
	line_escape(&l, "ab\x01", SIZE_MAX, LINE_QUOTED);
	assert_int_equal(l.used, 7);
	assert_string_equal(text, "1234567");
	assert_int_equal(text[8], '!');

	l = (struct line){.text = text, .size = 8};
	line_escape(&l, "\x01", SIZE_MAX, LINE_QUOTED);
	assert_false(l.cut);
	line_escape(&l, "\x02", SIZE_MAX, LINE_QUOTED);
	assert_true(l.cut);
	assert_string_equal(text, "\\x01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_follow_each_other),
	    cmocka_unit_test(no_more_than_asked_is_read),
	    cmocka_unit_test(what_does_not_fit_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
