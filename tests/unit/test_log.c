/* Lines of JSON are whole, however much of them is cut off; nobody forges one of either kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "caught_log.h"

#define LONGEST 1300

static char text[LONGEST + 1];

static void try_one(size_t length, size_t before, char first, char others)
{
	static const char message[] = "what was said";
	const char *line;
	json_t *read;

	memset(text, others, length);
	text[0] = first;
	text[length] = '\0';
	caught_log_begin(LOG_LEVEL_INFO);
	log_open("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_INFO, message + before, "said", text, "by", "somebody", NULL);
	line = caught_log_end();
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	read = json_loads(line, 0, NULL);
	if (read == NULL)
		fail_msg("%zu: %s", length, line);
	assert_string_equal(json_string_value(json_object_get(read, "message")), message + before);
	assert_memory_equal(json_string_value(json_object_get(read, "said")), text, 1);
	json_decref(read);
}

static void a_cut_line_is_whole(void **state)
{
	(void)state;
	for (size_t length = 1; length <= LONGEST; length++) {
		try_one(length, 0, 'x', 'x');
		try_one(length, 0, 'x', '"');
		for (size_t before = 0; before < 6; before++)
			try_one(length, before, 'x', '\n');
	}
}

static void a_long_message_is_whole(void **state)
{
	(void)state;
	for (size_t length = 1; length <= LONGEST; length++) {
		json_t *read;

		memset(text, '\\', length);
		text[length] = '\0';
		caught_log_begin(LOG_LEVEL_INFO);
		log_open("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
		log_event(LOG_LEVEL_INFO, text, "by", "somebody", NULL);
		read = json_loads(caught_log_end(), 0, NULL);
		assert_non_null(read);
		json_decref(read);
	}
}

/* A line, a field and a terminal's commands in a text of somebody else's. */
static void nobody_forges_a_line(void **state)
{
	static const char forged[] =
	    "a\n2026-01-01T00:00:00Z error main: forged\033[2J\" by=main\\";
	const char *line;

	(void)state;
	caught_log_begin(LOG_LEVEL_INFO);
	log_open("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_event(LOG_LEVEL_INFO, forged, "said", forged, "by", "somebody", NULL);
	line = caught_log_end();
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_null(strchr(line, '\033'));
	assert_non_null(strstr(line,
	    " said=\"a\\x0a2026-01-01T00:00:00Z error main: forged\\x1b[2J\\\" by=main\\\\\" "
	    "by=somebody\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cut_line_is_whole),
	    cmocka_unit_test(a_long_message_is_whole),
	    cmocka_unit_test(nobody_forges_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
