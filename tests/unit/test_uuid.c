#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/uuid.h"

#define TEXT "01234567-89ab-cdef-0123-456789abcdef"

static void there_and_back(void **state)
{
	static const uint8_t bytes[UUID_BYTES] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
	    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	uint8_t parsed[UUID_BYTES];
	char text[UUID_TEXT_BYTES];

	(void)state;
	assert_true(uuid_parse(parsed, TEXT));
	assert_memory_equal(parsed, bytes, sizeof bytes);
	assert_string_equal(uuid_text(text, bytes), TEXT);
}

static void one_text_only(void **state)
{
	static const char *const others[] = {"", "-", TEXT "0", TEXT "-", "-" TEXT, " " TEXT,
	    "01234567-89ab-cdef-0123-456789abcde", "0123456789abcdef0123456789abcdef",
	    "01234567-89AB-cdef-0123-456789abcdef", "0123456-789ab-cdef-0123-456789abcdef",
	    "01234567--89abcdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdeg",
	    "01234567-89ab-cdef-0123-456789abcdef01234567"};
	uint8_t parsed[UUID_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(uuid_parse(parsed, others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(one_text_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
