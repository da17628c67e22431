/* What the log says of a verdict: which lines show a name, and that counting goes on unlogged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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
	assert_int_equal(world.report.suppressed[VERDICT_STALE], 200 - lines);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
