#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/control.h"

static const struct control_record session = {
    .type = CONTROL_SESSION,
    .session =
        {
            .client = "alice@laptop",
            .address = {{0x20, 0x01, 0x0d, 0xb8, [15] = 0x42}},
            .opened_ns = 1795255200123456789,
            .remaining_ms = 29999,
            .port_count = 2,
            .more = true,
            .ports = {{.protocol = 6, .first = 22, .last = 22},
                {.protocol = 17, .first = 60000, .last = 61000}},
        },
};

static const struct control_record last_seen = {
    .type = CONTROL_LAST_SEEN,
    .last_seen = {.client = "bob", .when_ns = -1, .address = {{[10] = 0xff, 0xff, 192, 0, 2, 1}}},
};

static const struct control_record stat_record = {
    .type = CONTROL_STAT,
    .stat = {.name = "granted", .value = UINT64_MAX},
};

static const struct control_record error = {
    .type = CONTROL_ERROR,
    .error = {.fault = CONTROL_FAULT_CONFIG, .text = "config.yaml:3:2: unknown key"},
};

static const struct control_record plain[] = {
    {.type = CONTROL_SESSIONS},
    {.type = CONTROL_RELOAD},
    {.type = CONTROL_STATS},
    {.type = CONTROL_DONE},
};

static const struct control_record *const with_body[] = {
    &session, &last_seen, &stat_record, &error};
#define WITH_BODY (sizeof with_body / sizeof *with_body)

static void every_record_comes_back(void **state)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	struct control_record back;

	(void)state;
	for (size_t i = 0; i < WITH_BODY; i++) {
		size_t size = control_encode(packet, with_body[i]);

		assert_true(size > CONTROL_HEADER_BYTES);
		assert_true(control_decode(&back, packet, size));
		assert_memory_equal(&back, with_body[i], sizeof back);
	}
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		assert_int_equal(control_encode(packet, &plain[i]), CONTROL_HEADER_BYTES);
		assert_true(control_decode(&back, packet, CONTROL_HEADER_BYTES));
		assert_int_equal(back.type, plain[i].type);
	}
}

static void assert_bytes(const struct control_record *record, const uint8_t *bytes, size_t size)
{
	uint8_t packet[CONTROL_RECORD_BYTES];

	assert_int_equal(control_encode(packet, record), size);
	assert_memory_equal(packet, bytes, size);
}

static void the_bytes_are_as_written_down(void **state)
{
	static const struct control_record small = {.type = CONTROL_SESSION,
	    .session = {.client = "bo",
	        .address = {{1, [15] = 2}},
	        .opened_ns = 0x0304,
	        .remaining_ms = 0x0506,
	        .port_count = 1,
	        .overdue = true,
	        .ports = {{.protocol = 6, .first = 0x0708, .last = 0x090a}}}};
	static const uint8_t stat_bytes[] = {1, 67, 0, 16, 7, 'g', 'r', 'a', 'n', 't', 'e', 'd',
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t session_bytes[] = {1, 65, 0, 43, 2, 'b', 'o', /* client */
	    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,                /* address */
	    0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 5, 6,                /* two times */
	    2, 0, 1, 6, 7, 8, 9, 10};
	static const uint8_t seen_bytes[] = {1, 66, 0, 28, 3, 'b', 'o', 'b', /* client */
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,                  /* when */
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
	static const uint8_t error_bytes[] = {1, 69, 0, 5, 78, 0, 2, 'n', 'o'};
	const struct control_record refused = control_error_of(CONTROL_FAULT_CONFIG, "no");

	(void)state;
	assert_bytes(&stat_record, stat_bytes, sizeof stat_bytes);
	assert_bytes(&small, session_bytes, sizeof session_bytes);
	assert_bytes(&last_seen, seen_bytes, sizeof seen_bytes);
	assert_bytes(&refused, error_bytes, sizeof error_bytes);
}

/* More ranges than fit, overdue, both or neither; and the longest name. */
static void each_flag_comes_back_by_itself(void **state)
{
	struct control_record record = session, back;
	uint8_t packet[CONTROL_RECORD_BYTES];

	(void)state;
	memset(record.session.client, 'x', CLIENT_NAME_BYTES - 1);
	for (unsigned int flags = 0; flags < 4; flags++) {
		size_t size;

		record.session.more = (flags & 1) != 0;
		record.session.overdue = (flags & 2) != 0;
		size = control_encode(packet, &record);
		assert_true(control_decode(&back, packet, size));
		assert_memory_equal(&back, &record, sizeof back);
	}
}

/* Cut short with the header as it was, and with a header that owns up to it; and one byte over. */
static void no_other_length_is_taken(void **state)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	struct control_record back;

	(void)state;
	for (size_t i = 0; i < WITH_BODY; i++) {
		size_t size = control_encode(packet, with_body[i]);

		for (size_t cut = 0; cut < size; cut++)
			assert_false(control_decode(&back, packet, cut));
		packet[size] = 0;
		assert_false(control_decode(&back, packet, size + 1));
		for (size_t cut = CONTROL_HEADER_BYTES; cut <= size + 1; cut++) {
			packet[2] = (uint8_t)((cut - CONTROL_HEADER_BYTES) >> 8);
			packet[3] = (uint8_t)(cut - CONTROL_HEADER_BYTES);
			assert_int_equal(control_decode(&back, packet, cut), cut == size);
			assert_int_equal(control_decode(&back, packet, size), cut == size);
		}
	}
}

static void strangers_are_refused(void **state)
{
	static const struct control_record nothing;
	uint8_t packet[CONTROL_RECORD_BYTES];
	size_t size = control_encode(packet, &plain[0]);
	struct control_record back;

	(void)state;
	for (unsigned int version = 0; version < 256; version++) {
		packet[0] = (uint8_t)version;
		assert_int_equal(control_decode(&back, packet, size), version == CONTROL_VERSION);
	}
	packet[0] = CONTROL_VERSION;
	for (unsigned int type = 0; type < 256; type++) {
		packet[1] = (uint8_t)type;
		if (!control_decode(&back, packet, size))
			assert_memory_equal(&back, &nothing, sizeof back);
		else
			assert_true((type >= CONTROL_SESSIONS && type <= CONTROL_STATS) ||
			            type == CONTROL_DONE);
	}
}

static void limits_hold_both_ways(void **state)
{
	struct control_record record = session, back;
	uint8_t packet[CONTROL_RECORD_BYTES];
	size_t size;

	(void)state;
	memset(record.session.client, 'x', sizeof record.session.client);
	assert_int_equal(control_encode(packet, &record), 0);
	record.session.client[CLIENT_NAME_BYTES - 1] = '\0';
	record.session.port_count = CONTROL_PORTS_MOST;
	size = control_encode(packet, &record);
	assert_true(size > 0);
	assert_true(control_decode(&back, packet, size));
	packet[4] = CLIENT_NAME_BYTES;
	assert_false(control_decode(&back, packet, size));
	record.session.port_count++;
	assert_int_equal(control_encode(packet, &record), 0);
	record.session.port_count = 0;
	record.session.client[0] = '\0';
	assert_int_equal(control_encode(packet, &record), 0);

	record = stat_record;
	size = control_encode(packet, &record);
	packet[6] = '\0'; /* inside the name */
	assert_false(control_decode(&back, packet, size));

	record = error;
	size = control_encode(packet, &record);
	packet[4] = 2; /* no such fault */
	assert_false(control_decode(&back, packet, size));

	record.type = (enum control_type)4;
	assert_int_equal(control_encode(packet, &record), 0);
}

static void odd_sessions_are_refused(void **state)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	size_t size = control_encode(packet, &session);
	size_t flags = CONTROL_HEADER_BYTES + 1 + strlen(session.session.client) + ADDR_BYTES + 16;
	struct control_record back;

	(void)state;
	packet[flags] = 4;
	assert_false(control_decode(&back, packet, size));
	packet[flags] = 2;
	assert_true(control_decode(&back, packet, size));
	assert_true(back.session.overdue && !back.session.more);
	packet[flags] = 1;
	assert_true(control_decode(&back, packet, size));
	assert_true(!back.session.overdue && back.session.more);
	packet[flags + 5] = 23; /* the range now ends before it starts */
	assert_false(control_decode(&back, packet, size));
}

static void long_errors_are_cut(void **state)
{
	char text[2000];
	uint8_t packet[CONTROL_RECORD_BYTES];
	struct control_record record, back;
	size_t size;

	(void)state;
	memset(text, 'e', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	record = control_error_of(CONTROL_FAULT_FAILED, text);
	size = control_encode(packet, &record);
	assert_true(control_decode(&back, packet, size));
	assert_int_equal(strlen(back.error.text), CONTROL_TEXT_BYTES - 1);
	record = control_error_of(CONTROL_FAULT_FAILED, "");
	assert_true(control_encode(packet, &record) > 0);
}

static void three_types_are_requests(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 256; type++)
		assert_int_equal(control_is_request((enum control_type)type),
		    type == CONTROL_SESSIONS || type == CONTROL_RELOAD || type == CONTROL_STATS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_record_comes_back),
	    cmocka_unit_test(the_bytes_are_as_written_down),
	    cmocka_unit_test(each_flag_comes_back_by_itself),
	    cmocka_unit_test(no_other_length_is_taken),
	    cmocka_unit_test(strangers_are_refused),
	    cmocka_unit_test(limits_hold_both_ways),
	    cmocka_unit_test(odd_sessions_are_refused),
	    cmocka_unit_test(long_errors_are_cut),
	    cmocka_unit_test(three_types_are_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
