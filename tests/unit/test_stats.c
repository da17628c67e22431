/* What is made of a daemon's statistics, whatever it tells. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ctl/stat.h"
#include "stats/kinds.h"

#define PATIENCE_NS (20 * NS_PER_SECOND)

static struct stats s;

static int set_up(void **state)
{
	(void)state;
	s = (struct stats){.up = true, .asked_ns = 100 * NS_PER_SECOND};
	return 0;
}

static void tell(const char *name, uint64_t value)
{
	struct control_stat *v = &s.values[s.count++];

	snprintf(v->name, sizeof v->name, "%s", name);
	v->value = value;
}

static char text[65536];

static const char *prometheus(void)
{
	FILE *to = fmemopen(text, sizeof text, "w");

	assert_non_null(to);
	stats_print_prometheus(to, &s);
	assert_int_equal(fclose(to), 0);
	return text;
}

static const char *for_people(const struct stats *before)
{
	FILE *to = fmemopen(text, sizeof text, "w");

	assert_non_null(to);
	stats_print(to, &s, before);
	assert_int_equal(fclose(to), 0);
	return text;
}

static void assert_has(const char *whole, const char *part)
{
	if (strstr(whole, part) == NULL)
		fail_msg("no \"%s\" in\n%s", part, whole);
}

static void assert_narrow(const char *whole)
{
	while (*whole != '\0') {
		if (strcspn(whole, "\n") > 80)
			fail_msg("too wide: %.*s", (int)strcspn(whole, "\n"), whole);
		whole += strcspn(whole, "\n");
		whole += *whole == '\n';
	}
}

/* --- Prometheus */

static void a_daemon_that_does_not_answer(void **state)
{
	(void)state;
	s.up = false;
	assert_string_equal(prometheus(), "# HELP postern_up Whether the daemon has answered.\n"
	                                  "# TYPE postern_up gauge\npostern_up 0\n");
	assert_false(stats_healthy(&s));
}

static void verdicts_and_labels(void **state)
{
	(void)state;
	tell("bad_seal", UINT64_MAX);
	tell("verdict_of_tomorrow", 3);
	tell("shield-xdp-wrong-size", 5);
	tell("shield-nowhere-wrong-size", 6);
	tell(STAT_BUDGET "trial", 7);
	tell(STAT_UP "keeper", 0);
	tell(STAT_VERSION "1.2.3", 1);
	tell(CONTROL_INTAKE, CONTROL_INTAKE_XDP);
	prometheus();
	assert_has(text, "postern_knocks_total{verdict=\"bad_seal\"} 18446744073709551615\n");
	assert_null(strstr(text, "tomorrow"));
	assert_has(text, "postern_shield_datagrams_total{place=\"xdp\",result=\"wrong-size\"} 5\n");
	assert_null(strstr(text, "nowhere\",result"));
	assert_has(text, "postern_budget_spent_total{budget=\"trial\"} 7\n");
	assert_has(text, "postern_role_up{role=\"keeper\"} 0\n");
	assert_has(text, "postern_build_info{version=\"1.2.3\"} 1\n");
	assert_has(text, "postern_intake{kind=\"xdp\"} 1\n");
	assert_has(text, "postern_intake{kind=\"socket\"} 0\n");
	assert_null(strstr(text, "postern_grants ")); /* not told */
}

static void a_histogram_adds_up(void **state)
{
	(void)state;
	tell(STAT_OPEN_US "500", 1);
	tell(STAT_OPEN_US "2500", 2);
	tell(STAT_OPEN_US "inf", 99);
	tell(STAT_OPEN_US "-5", 99);
	tell(STAT_OPEN_US "", 99);
	tell(STAT_OPEN_US "nan", 99);
	tell(STAT_OPEN_US "7x", 99);
	tell(STAT_OPEN_US "10000000", 4);
	tell(STAT_OPEN_MORE, 8);
	tell(STAT_OPEN_NS, 12000000034);
	assert_has(prometheus(), "postern_knock_open_seconds_bucket{le=\"0.0005\"} 1\n"
	                         "postern_knock_open_seconds_bucket{le=\"0.0025\"} 3\n"
	                         "postern_knock_open_seconds_bucket{le=\"10\"} 7\n"
	                         "postern_knock_open_seconds_bucket{le=\"+Inf\"} 15\n"
	                         "postern_knock_open_seconds_sum 12.000000034\n"
	                         "postern_knock_open_seconds_count 15\n");
}

/* --- Sums and health */

static void every_verdict_has_its_kind(void **state)
{
	(void)state;
	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		tell(stats_verdict_name(v), 1);
	assert_int_equal(stats_granted(&s), 1);
	assert_int_equal(stats_refused(&s), VERDICT_COUNT - 4); /* granted, and three on the way */
	assert_int_equal(stats_of_kind(&s, STATS_JUNK), 6);
	assert_int_equal(stats_of_kind(&s, STATS_FAULT), 3);
}

static void each_complaint(void **state)
{
	static const struct {
		const char *name;
		uint64_t good, bad;
		const char *complaint;
	} rows[] = {{STAT_FIREWALL, 1, 0, "the firewall has lost our rules"},
	    {STAT_UP "desk", 1, 0, "does not answer"}, {STAT_RELOAD_OK, 1, 0, "reload was refused"},
	    {CONTROL_GUARD, CONTROL_GUARD_THERE, CONTROL_GUARD_GONE, "guard is gone"},
	    {CONTROL_INTAKE, CONTROL_INTAKE_XDP, CONTROL_INTAKE_XDP_NOWHERE, "heard nowhere"},
	    {CONTROL_INTAKE, CONTROL_INTAKE_XDP, CONTROL_INTAKE_XDP_IN_PART, "deaf"}};
	const char *complaints[STATS_COMPLAINTS_MOST];

	assert_true(stats_healthy(&s)); /* of what is not told nothing is known */
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		set_up(state);
		tell(rows[i].name, rows[i].good);
		assert_true(stats_healthy(&s));
		s.values[0].value = rows[i].bad;
		assert_false(stats_healthy(&s));
		assert_int_equal(stats_complaints(&s, complaints), 1);
		assert_has(complaints[0], rows[i].complaint);
		assert_has(for_people(NULL), "NOT WELL: ");
		assert_narrow(text);
	}
}

/* --- For people */

static struct stats before;

static void a_second_later(void)
{
	before = s;
	s.asked_ns += NS_PER_SECOND;
}

static void quiet_or_attacked(void **state)
{
	(void)state;
	tell("granted", 5);
	tell("bad_seal", 1000);
	tell("malformed", 10);
	tell("busy", 0);
	tell(STAT_START, 1);
	a_second_later();
	assert_int_equal(strncmp(for_people(&before), "Quiet: nothing is refused.\n", 27), 0);
	s.values[1].value += 3;
	assert_has(for_people(&before), "Nearly quiet: 3 refused just now,\n  most as bad_seal");
	s.values[1].value += 12000;
	s.values[0].value += 2;
	assert_has(for_people(&before),
	    "UNDER ATTACK: 12,003 datagrams a second are refused,\n"
	    "  most as bad_seal (not sealed for this server).\n"
	    "Knocks granted just now: 2; nothing is dropped for want of time.");
	s.values[3].value += 7;
	assert_has(for_people(&before),
	    "Knocks granted just now: 2.\nDropped for want of time or room: 7; clients");
	assert_has(for_people(NULL), "Since the start 13,020 datagrams were refused");
}

/* What began anew in between has no rates. */
static void another_daemon_meanwhile(void **state)
{
	(void)state;
	tell("bad_seal", 1000);
	tell(STAT_START, 1);
	a_second_later();
	s.values[0].value = 40;
	s.values[1].value = 2;
	assert_has(for_people(&before), "Since the start 40 datagrams were refused");
}

static void lines_are_narrow_with_the_largest_numbers(void **state)
{
	(void)state;
	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		tell(stats_verdict_name(v), 0);
	tell(STAT_QUEUE_DROPPED, 0);
	tell(STAT_OPEN_US "500", 1);
	tell(STAT_OPEN_MORE, 1);
	tell(CONTROL_GUARD, UINT64_MAX);
	tell(CONTROL_SHIELD, UINT64_MAX);
	a_second_later();
	for (size_t i = 0; i < s.count; i++)
		s.values[i].value = 1000000000000;
	assert_narrow(for_people(&before));
	assert_narrow(for_people(NULL));
}

/* --- Asking */

/* A daemon that answers `records`, in a process of its own. */
static void ask_of(const struct control_record *records, size_t count)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char folder[] = "/tmp/postern-stats-XXXXXX";
	struct control_error error;
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pid_t child;

	assert_non_null(mkdtemp(folder));
	snprintf(at.sun_path, sizeof at.sun_path, "%s/control", folder);
	assert_return_code(bind(listener, (const struct sockaddr *)&at, sizeof at), errno);
	assert_return_code(listen(listener, 1), errno);
	child = fork();
	if (child == 0) {
		int peer = accept(listener, NULL, NULL);
		uint8_t packet[CONTROL_RECORD_BYTES];

		(void)!recv(peer, packet, sizeof packet, 0);
		for (size_t i = 0; i < count; i++)
			(void)!send(peer, packet, control_encode(packet, &records[i]), 0);
		_exit(0);
	}
	stats_ask(at.sun_path, PATIENCE_NS, &s, &error);
	waitpid(child, NULL, 0);
	close(listener);
	unlink(at.sun_path);
	rmdir(folder);
}

static struct control_record stat_of(const char *name, uint64_t value)
{
	struct control_record r = {.type = CONTROL_STAT, .stat.value = value};

	snprintf(r.stat.name, sizeof r.stat.name, "%s", name);
	return r;
}

static void what_is_no_name_or_stands_twice_is_left(void **state)
{
	const struct control_record records[] = {stat_of("granted", 1), stat_of("granted", 2),
	    stat_of("a\"} 1\nevil{b=\"", 3), stat_of("a b", 4), stat_of("\x1b[2J", 5),
	    stat_of("grants", 6), {.type = CONTROL_DONE}};

	(void)state;
	ask_of(records, sizeof records / sizeof *records);
	assert_true(s.up);
	assert_int_equal(s.count, 2);
	assert_int_equal(stats_value(&s, "granted"), 1);
	assert_int_equal(stats_value(&s, "grants"), 6);
}

static void more_than_there_is_room_for(void **state)
{
	static struct control_record records[2 * STATS_MOST + 1];

	(void)state;
	for (size_t i = 0; i < 2 * STATS_MOST; i++) {
		char name[32];

		snprintf(name, sizeof name, "n%zu", i);
		records[i] = stat_of(name, i);
	}
	records[2 * STATS_MOST].type = CONTROL_DONE;
	ask_of(records, 2 * STATS_MOST + 1);
	assert_true(s.up);
	assert_int_equal(s.count, STATS_MOST);
}

static void an_answer_that_breaks_off(void **state)
{
	const struct control_record records[] = {stat_of("granted", 1)};

	(void)state;
	ask_of(records, 1);
	assert_false(s.up);
	assert_int_equal(s.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_daemon_that_does_not_answer, set_up),
	    cmocka_unit_test_setup(verdicts_and_labels, set_up),
	    cmocka_unit_test_setup(a_histogram_adds_up, set_up),
	    cmocka_unit_test_setup(every_verdict_has_its_kind, set_up),
	    cmocka_unit_test_setup(each_complaint, set_up),
	    cmocka_unit_test_setup(quiet_or_attacked, set_up),
	    cmocka_unit_test_setup(another_daemon_meanwhile, set_up),
	    cmocka_unit_test_setup(lines_are_narrow_with_the_largest_numbers, set_up),
	    cmocka_unit_test_setup(what_is_no_name_or_stands_twice_is_left, set_up),
	    cmocka_unit_test_setup(more_than_there_is_room_for, set_up),
	    cmocka_unit_test_setup(an_answer_that_breaks_off, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
