#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

static void reads_big_endian(void **state)
{
	static const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct reader r = reader_of(in, sizeof in);

	(void)state;
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_u16(&r), 0x0203);
	assert_int_equal(reader_u32(&r), 0x04050607);
	assert_true(reader_u64(&r) == 0x08090a0b0c0d0e0f);
	assert_true(reader_done(&r));
}

static void short_input_fails_for_good(void **state)
{
	static const uint8_t in[] = {1, 2, 3};
	uint8_t out[2] = {9, 9};
	struct reader r = reader_of(in, sizeof in);

	(void)state;
	assert_int_equal(reader_u32(&r), 0);
	assert_true(r.failed);
	reader_take(&r, out, sizeof out);
	assert_int_equal(out[0] | out[1], 0);
	assert_int_equal(reader_u8(&r), 0);
	assert_false(reader_done(&r));
}

static void left_over_is_not_done(void **state)
{
	struct reader r = reader_of("ab", 2);

	(void)state;
	reader_skip(&r, 1);
	assert_false(reader_done(&r));
	reader_skip(&r, 1);
	assert_true(reader_done(&r));
	reader_skip(&r, 1);
	assert_false(reader_done(&r));
}

static void writer_stops_at_the_end(void **state)
{
	uint8_t out[4] = {0, 0, 0, 0xee};
	struct writer w = writer_of(out, 3);

	(void)state;
	writer_u16(&w, 0x0102);
	writer_u16(&w, 0x0304);
	assert_true(w.failed);
	writer_u8(&w, 5);
	assert_int_equal(w.used, 2);
	assert_false(writer_filled(&w, 2));
	assert_int_equal(out[2], 0);
	assert_int_equal(out[3], 0xee);
}

static void writer_and_reader_agree(void **state)
{
	uint8_t buffer[15];
	struct writer w = writer_of(buffer, sizeof buffer);
	struct reader r = reader_of(buffer, sizeof buffer);

	(void)state;
	writer_u64(&w, UINT64_MAX - 1);
	writer_u32(&w, 0xdeadbeef);
	writer_u16(&w, 0xcafe);
	writer_u8(&w, 0x7f);
	assert_true(writer_filled(&w, sizeof buffer));
	assert_true(reader_u64(&r) == UINT64_MAX - 1);
	assert_int_equal(reader_u32(&r), 0xdeadbeef);
	assert_int_equal(reader_u16(&r), 0xcafe);
	assert_int_equal(reader_u8(&r), 0x7f);
	assert_true(reader_done(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_big_endian),
	    cmocka_unit_test(short_input_fails_for_good),
	    cmocka_unit_test(left_over_is_not_done),
	    cmocka_unit_test(writer_stops_at_the_end),
	    cmocka_unit_test(writer_and_reader_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
