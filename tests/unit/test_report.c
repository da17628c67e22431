/* What the log says of a verdict: which lines show a name, and that counting goes on unlogged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "caught_log.h"
#include "proc/report.h"

#define NAME "alice"
#define UUID "00112233-4455-6677-8899-aabbccddeeff"

static const uint8_t DEVICE[DEVICE_UUID_BYTES] = {
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

static struct {
	struct snapshot_header header;
	struct client client;
	struct device device;
	struct snapshot snapshot;
	struct counters counters;
	struct report report;
} world;

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	strcpy(world.client.name, NAME);
	strcpy(world.device.name, "phone");
	memcpy(world.device.uuid, DEVICE, sizeof DEVICE);
	world.snapshot = (struct snapshot){.header = &world.header,
	    .settings = &world.header.settings,
	    .clients = &world.client,
	    .client_count = 1,
	    .devices = &world.device};
	report_init(&world.report, &world.counters);
	return 0;
}

/* The one line that the verdict makes. */
static const char *line_of(enum verdict v, const struct knock *k)
{
	caught_log_begin(LOG_LEVEL_DEBUG);
	report_verdict(&world.report, v, k, &world.snapshot, 0);
	return caught_log_end();
}

static void assert_name(enum verdict v, const struct knock *k, const char *name)
{
	const char *line = line_of(v, k);
	char field[80];

	snprintf(field, sizeof field, " client=%s ", name);
	if (strstr(line, verdict_name(v)) == NULL || strstr(line, field) == NULL)
		fail_msg("%s: no \"%s\" in: %s", verdict_name(v), field, line);
}

/* Whatever the verdict is, and wherever it stands in the table. */
static void only_verified_names_are_shown(void **state)
{
	(void)state;
	for (int v = 0; v < VERDICT_COUNT; v++) {
		struct knock k = {.packet.record.protocol = RECORD_OPENME, .holder = 0};

		assert_name((enum verdict)v, &k, "-");
		k.verified = true;
		assert_name((enum verdict)v, &k, NAME);
		k.holder = DIRECTORY_NOBODY;
		assert_name((enum verdict)v, &k, "-");
	}
}

static void devices_are_shown_by_name_or_by_uuid(void **state)
{
	(void)state;
	for (int v = 0; v < VERDICT_COUNT; v++) {
		struct knock k = {.packet.record.protocol = RECORD_OPENSPA, .holder = 1};

		memcpy(k.packet.asked.device, DEVICE, sizeof DEVICE);
		world.snapshot.device_count = 0;
		assert_name((enum verdict)v, &k, "-");
		k.verified = true;
		assert_name((enum verdict)v, &k, UUID);
		world.snapshot.device_count = 1;
		assert_name((enum verdict)v, &k, "phone");
	}
}

static void what_is_not_logged_is_counted(void **state)
{
	struct knock k = {.packet.record.protocol = RECORD_OPENME};
	int lines = 0;

	(void)state;
	for (int i = 0; i < 200; i++)
		lines += *line_of(VERDICT_STALE, &k) != '\0';
	assert_in_range(lines, 20, 100);
	assert_int_equal(world.counters.verdicts[VERDICT_STALE], 200);
	assert_int_equal(world.counters.counts[COUNT_LOG_LINES], 200 - lines);
	assert_int_equal(world.report.suppressed[VERDICT_STALE], 200 - lines);
}

/* How many lines so many make of it, from clients that are not told apart by anything else. */
static int lines_of(enum verdict v, int times, uint32_t holders)
{
	struct knock k = {.packet.record.protocol = RECORD_OPENSPA, .verified = true};
	int lines = 0;

	for (int i = 0; i < times; i++) {
		k.holder = (uint32_t)i % holders;
		lines += *line_of(v, &k) != '\0';
	}
	return lines;
}

/* Whoever renews what it has is not to fill the log. */
static void a_client_that_knocks_again_and_again_makes_few_lines(void **state)
{
	struct knock k = {.packet.record.protocol = RECORD_OPENSPA, .verified = true};

	(void)state;
	assert_int_equal(lines_of(VERDICT_GRANTED, 4000, 1), 4);
	assert_int_equal(world.counters.verdicts[VERDICT_GRANTED], 4000);
	/* In nobody's way: not in that of its own knock for another address either. */
	k.target.bytes[0] = 1;
	if (strstr(line_of(VERDICT_GRANTED, &k), " suppressed=3996") == NULL)
		fail_msg("a line of another address is to tell of those that were left out");
}

static void all_clients_together_make_so_many_lines(void **state)
{
	(void)state;
	assert_in_range(lines_of(VERDICT_GRANTED, 4000, 4000), 200, 240);
}

/* Each kind has a limit, and all of them have one that is less than the sum. */
static void all_kinds_together_make_so_many_lines(void **state)
{
	char suppressed[REPORT_COUNT_BYTES] = "";
	struct knock k = {.packet.record.protocol = RECORD_OPENME};
	int64_t began = clock_boot_ns();
	int lines = 0, ended = 0;

	(void)state;
	caught_log_begin(LOG_LEVEL_DEBUG);
	for (int i = 0; i < 1000; i++)
		ended += report_ended(&world.report, suppressed);
	caught_log_end();
	for (int i = 0; i < 300; i++)
		for (int v = 0; v < VERDICT_COUNT; v++)
			lines += verdict_level((enum verdict)v) != LOG_LEVEL_ERROR &&
			         *line_of((enum verdict)v, &k) != '\0';
	assert_in_range(ended, 200, 220);
	assert_in_range(
	    lines, 100, 500 - 200 + 1 + (clock_boot_ns() - began) / (NS_PER_SECOND / 50));
	/* What cannot be helped is said all the same. */
	world.report.all = (struct rate){.interval_ns = INT64_MAX};
	assert_false(report_ended(&world.report, suppressed));
	assert_string_equal(line_of(VERDICT_REVOKED, &k), "");
	assert_string_not_equal(line_of(VERDICT_FIREWALL_FAILED, &k), "");
}

static void each_verdict_has_its_row(void **state)
{
	(void)state;
#define X(id, name, level, meaning)                                       \
	assert_string_equal(verdict_name(VERDICT_##id), name);            \
	assert_int_equal(verdict_level(VERDICT_##id), LOG_LEVEL_##level); \
	assert_string_equal(verdict_meaning(VERDICT_##id), meaning);
	VERDICTS(X)
#undef X
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_verdict_has_its_row),
	    cmocka_unit_test_setup(only_verified_names_are_shown, set_up),
	    cmocka_unit_test_setup(devices_are_shown_by_name_or_by_uuid, set_up),
	    cmocka_unit_test_setup(what_is_not_logged_is_counted, set_up),
	    cmocka_unit_test_setup(a_client_that_knocks_again_and_again_makes_few_lines, set_up),
	    cmocka_unit_test_setup(all_clients_together_make_so_many_lines, set_up),
	    cmocka_unit_test_setup(all_kinds_together_make_so_many_lines, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
