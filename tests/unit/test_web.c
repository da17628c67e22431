#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/line.h"
#include "stats/stats.h"
#include "web/asker.h"
#include "web/data.h"
#include "web/history.h"
#include "web/options.h"
#include "web/request.h"

static void only_names_of_this_host_are_ours(void **state)
{
	static const char *const ours[] = {"localhost", "LocalHost:9765", "127.0.0.1",
	    "127.0.0.1:1", "127.8.9.10:65535", "[::1]", "[::1]:9765"};
	static const char *const others[] = {"", "example.org", "localhost.example.org",
	    "localhost:9765.example.org", "127.0.0.1.example.org", "::1", "[::1", "[127.0.0.1]",
	    "[localhost]", "128.0.0.1", "0.0.0.0", "[::]", "[::2]", "[::ffff:10.0.0.1]",
	    "10.0.0.1:9765", "localhost:", "localhost:x", "localhost:123456", "localhost:1:2",
	    "127.0.0.1 ", " localhost", "localhost.", "2130706433", "127.1", "[::1]x",
	    "[::1]:", "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:9765"};

	(void)state;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (!request_host_is_ours(ours[i]))
			fail_msg("%s", ours[i]);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (request_host_is_ours(others[i]))
			fail_msg("%s", others[i]);
	assert_false(request_host_is_ours(NULL));
}

static void only_this_host_is_listened_to(void **state)
{
	static const char *const good[] = {
	    "127.0.0.1:9765", "127.1.2.3:0", "[::1]:65535", "unix:/run/postern-web/socket"};
	static const char *const bad[] = {"", ":", "9765", "127.0.0.1", "127.0.0.1:", "::1:9765",
	    "[::1]", "[::1]9765", "[127.0.0.1]:80", "0.0.0.0:9765", "[::]:9765", "10.0.0.1:9765",
	    "[fe80::1]:9765", "localhost:9765", "127.0.0.1:65536", "127.0.0.1:-1", "128.0.0.1:80",
	    "[::ffff:10.0.0.1]:80", "unix:", "unix:socket", "unix:@abstract",
	    "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:9765"};
	char path[PLACE_PATH_BYTES + 8] = "unix:/";
	struct place p;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!place_parse(&p, good[i]))
			fail_msg("%s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (place_parse(&p, bad[i]))
			fail_msg("%s", bad[i]);
	memset(path + 6, 'x', PLACE_PATH_BYTES - 2);
	path[5 + PLACE_PATH_BYTES - 1] = '\0';
	assert_true(place_parse(&p, path));
	path[5 + PLACE_PATH_BYTES - 1] = 'x';
	assert_false(place_parse(&p, path));
}

static void each_path_leads_where_it_should(void **state)
{
	static const struct {
		const char *method, *host, *path;
		enum request_kind kind;
	} rows[] = {
	    {"GET", "localhost", "/", REQUEST_PAGE},
	    {"HEAD", "[::1]:9765", "/page.js", REQUEST_PAGE},
	    {"GET", "localhost", "/data.json", REQUEST_DATA},
	    {"GET", "localhost", "/metrics", REQUEST_METRICS},
	    {"POST", "localhost", "/", REQUEST_METHOD},
	    {"DELETE", "localhost", "/metrics", REQUEST_METHOD},
	    {"get", "localhost", "/", REQUEST_METHOD},
	    {"GET", "localhost", "/metrics/", REQUEST_UNKNOWN},
	    {"GET", "localhost", "//", REQUEST_UNKNOWN},
	    {"GET", "localhost", "", REQUEST_UNKNOWN},
	    {"GET", "localhost", "/../page.js", REQUEST_UNKNOWN},
	    {"POST", "localhost", "/nowhere", REQUEST_UNKNOWN},
	    {"GET", "evil.example", "/", REQUEST_HOST},
	    {"GET", "evil.example", "/metrics", REQUEST_HOST},
	    {"GET", NULL, "/data.json", REQUEST_HOST},
	};
	const struct page_file *file;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		file = NULL;
		if (request_kind_of(rows[i].method, rows[i].host, rows[i].path, &file) !=
		    rows[i].kind)
			fail_msg("%s %s", rows[i].method, rows[i].path);
		assert_int_equal(
		    rows[i].kind == REQUEST_PAGE, rows[i].kind == REQUEST_PAGE && file);
	}
	assert_int_equal(request_kind_of("GET", "localhost", "/", &file), REQUEST_PAGE);
	assert_string_equal(file->type, "text/html; charset=utf-8");
}

static void a_filter_is_decoded_and_bounded(void **state)
{
	static const struct {
		const char *text, *filter;
	} rows[] = {{NULL, ""}, {"", ""}, {"Alice", "alice"}, {"a+b", "a b"}, {"a%20B", "a b"},
	    {"M%C3%9Cller", "m\xc3\x9cller"}, {"%", ""}, {"a%4", ""}, {"a%zz", ""}, {"a%00b", ""},
	    {"%25", "%"}, {"2001%3Adb8", "2001:db8"}};
	char filter[FILTER_BYTES], text[500];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		request_filter(filter, rows[i].text);
		assert_string_equal(filter, rows[i].filter);
	}
	memset(text, 'A', sizeof text);
	text[sizeof text - 1] = '\0';
	request_filter(filter, text);
	assert_int_equal(strlen(filter), FILTER_BYTES - 1);
	assert_true(request_matches("", ""));
	assert_true(request_matches("lic", "ALICE"));
	assert_false(request_matches("alicex", "alice"));
}

static void the_daemon_rests_far_longer_than_it_answers(void **state)
{
	(void)state;
	assert_int_equal(asker_rest_ns(0, true), NS_PER_SECOND);
	assert_int_equal(asker_rest_ns(NS_PER_SECOND / 20, true), NS_PER_SECOND);
	assert_int_equal(asker_rest_ns(NS_PER_SECOND, true), 20 * NS_PER_SECOND);
	assert_int_equal(asker_rest_ns(INT64_MAX, true), 60 * NS_PER_SECOND);
	assert_int_equal(asker_rest_ns(NS_PER_SECOND, false), 5 * NS_PER_SECOND);
	assert_int_equal(asker_rest_ns(0, false), NS_PER_SECOND);
}

static struct history history; /* large */

static void count(int64_t at_ns, uint64_t granted, uint64_t stale, uint64_t bad_size)
{
	struct stats s = {.up = true,
	    .asked_ns = at_ns,
	    .count = 3,
	    .values = {{"granted", granted}, {"stale", stale}, {"bad_size", bad_size}}};

	history_add(&history, &s);
}

static uint64_t minute(const struct history_minutes *m, enum history_kind kind, int ago)
{
	return m->counts[kind][HISTORY_MINUTES - 1 - ago];
}

static void an_hour_is_counted_by_the_minute(void **state)
{
	const int64_t now = 100 * 60 * HISTORY_MINUTE;
	struct history_minutes m;

	(void)state;
	history = (struct history){.count = 0};
	history_minutes(&history, now, &m);
	assert_true(minute(&m, HISTORY_GRANTED, 0) == HISTORY_UNKNOWN);
	/* The first sample is only where counting begins. */
	count(now - 200 * NS_PER_SECOND, 1000, 0, 7);
	history_minutes(&history, now, &m);
	assert_true(minute(&m, HISTORY_GRANTED, 3) == HISTORY_UNKNOWN);
	count(now - 190 * NS_PER_SECOND, 1002, 1, 7);
	count(now - 70 * NS_PER_SECOND, 1003, 1, 17);
	/* Started anew: all that there is has come since. */
	count(now - 10 * NS_PER_SECOND, 4, 0, 1);
	history_minutes(&history, now, &m);
	assert_int_equal(minute(&m, HISTORY_GRANTED, 3), 2);
	assert_int_equal(minute(&m, HISTORY_REFUSED, 3), 1);
	assert_true(minute(&m, HISTORY_GRANTED, 2) == HISTORY_UNKNOWN);
	assert_int_equal(minute(&m, HISTORY_GRANTED, 1), 1);
	assert_int_equal(minute(&m, HISTORY_NOISE, 1), 10);
	assert_int_equal(minute(&m, HISTORY_GRANTED, 0), 4);
	assert_int_equal(m.verdicts[VERDICT_GRANTED], 7);
	/* What is older than an hour is over. */
	history_minutes(&history, now + 60 * HISTORY_MINUTE, &m);
	assert_int_equal(m.verdicts[VERDICT_GRANTED], 0);
	assert_true(minute(&m, HISTORY_GRANTED, 59) == HISTORY_UNKNOWN);
}

static void the_ring_forgets_the_oldest(void **state)
{
	struct history_minutes m;
	int64_t at = HISTORY_MINUTE;

	(void)state;
	history = (struct history){.count = 0};
	for (uint64_t i = 0; i < 5 * HISTORY_SAMPLES; i++, at += HISTORY_STEP_NS)
		count(at, i, 0, 0);
	assert_int_equal(history.count, HISTORY_SAMPLES);
	history_minutes(&history, at, &m);
	assert_int_equal(minute(&m, HISTORY_GRANTED, 0), 5);
	assert_int_equal(minute(&m, HISTORY_GRANTED, 30), 6);
	assert_true(m.verdicts[VERDICT_GRANTED] < HISTORY_SAMPLES);
	/* A daemon that does not answer adds nothing. */
	history_add(&history, &(struct stats){.up = false, .asked_ns = at});
	history_minutes(&history, at, &m);
	assert_int_equal(minute(&m, HISTORY_GRANTED, 0), 5);
}

static struct asker asker; /* large */

static void take(enum control_type type, const char *label, uint64_t left_ms)
{
	struct control_record r = {.type = type};

	if (type == CONTROL_SESSION) {
		snprintf(r.session.client, sizeof r.session.client, "%s", label);
		r.session.remaining_ms = left_ms;
		r.session.port_count = CONTROL_PORTS_MOST;
	} else {
		snprintf(r.last_seen.client, sizeof r.last_seen.client, "%s", label);
		r.last_seen.when_ns = (int64_t)left_ms * NS_PER_MS;
	}
	people_take(&asker.people, &r);
}

/* What would be sent; nothing is asked. The caller frees it. */
static char *written(const char *filter)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	people_order(&asker.people);
	asker.stats_due_ns = asker.people_due_ns = INT64_MAX;
	asker.people_asked_ns = clock_boot_ns();
	data_print(to, "gate", &asker, &history, filter);
	assert_int_equal(fclose(to), 0);
	return text;
}

static size_t times(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

static void tables_are_bounded_and_counted(void **state)
{
	static const size_t counts[] = {0, 1, 256, 257, 10000, PEOPLE_MOST, PEOPLE_MOST + 1};
	char label[32], all[64];

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		size_t rows = counts[i] < DATA_ROWS_MOST ? counts[i] : DATA_ROWS_MOST;
		char *text;

		people_clear(&asker.people);
		for (size_t n = 0; n < counts[i]; n++) {
			snprintf(label, sizeof label, "client%zu", n);
			take(CONTROL_SESSION, label, 1000 + n);
			take(CONTROL_LAST_SEEN, label, n);
		}
		text = written("");
		assert_int_equal(times(text, "\"left_ms\""), rows);
		assert_int_equal(times(text, "\"seen_ms\""), rows);
		snprintf(all, sizeof all, "\"all\":%zu,", counts[i]);
		assert_int_equal(times(text, all), 2);
		free(text);
	}
	/* Whoever is not among those shown is found. */
	people_clear(&asker.people);
	for (size_t n = 0; n < 1000; n++) {
		snprintf(label, sizeof label, "client%zu", n);
		take(CONTROL_LAST_SEEN, label, n);
	}
	for (size_t n = 0; n < 2; n++) {
		char *text = written(n == 0 ? "t7" : "nobody");

		assert_int_equal(times(text, "\"seen_ms\""), n == 0 ? 111 : 0);
		free(text);
	}
}

static void what_clients_are_called_stays_text(void **state)
{
	char *text;

	(void)state;
	people_clear(&asker.people);
	take(CONTROL_SESSION, "</script><b>\"\\\n\x1b\xff", 5000);
	take(CONTROL_LAST_SEEN, "</script><b>\"\\\n\x1b\xff", 1);
	text = written("");
	assert_int_equal(times(text, "\"</script><b>\\\"\\\\\\u000a\\u001b\\u00ff\""), 2);
	assert_int_equal(times(text, "\"open\":true"), 1);
	assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
	free(text);
	/* By what a label stands for, too. */
	people_clear(&asker.people);
	take(CONTROL_LAST_SEEN, "Zo%C3%AB", 1);
	text = written("zo\xc3\xab");
	assert_int_equal(times(text, "Zo%C3%AB"), 1);
	free(text);
}

static void who_ends_first_and_was_seen_last_stands_first(void **state)
{
	(void)state;
	people_clear(&asker.people);
	take(CONTROL_SESSION, "late", 9000);
	take(CONTROL_SESSION, "soon", 10);
	take(CONTROL_LAST_SEEN, "old", 1);
	take(CONTROL_LAST_SEEN, "soon", 2);
	people_order(&asker.people);
	assert_string_equal(asker.people.grants[0].label, "soon");
	assert_string_equal(asker.people.clients[0].label, "soon");
	assert_true(asker.people.clients[0].has_grant);
	assert_false(asker.people.clients[1].has_grant);
	assert_int_equal(asker.people.grants[0].port_count, PEOPLE_PORTS_MOST);
	assert_true(asker.people.grants[0].more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_names_of_this_host_are_ours),
	    cmocka_unit_test(only_this_host_is_listened_to),
	    cmocka_unit_test(each_path_leads_where_it_should),
	    cmocka_unit_test(a_filter_is_decoded_and_bounded),
	    cmocka_unit_test(the_daemon_rests_far_longer_than_it_answers),
	    cmocka_unit_test(an_hour_is_counted_by_the_minute),
	    cmocka_unit_test(the_ring_forgets_the_oldest),
	    cmocka_unit_test(tables_are_bounded_and_counted),
	    cmocka_unit_test(what_clients_are_called_stays_text),
	    cmocka_unit_test(who_ends_first_and_was_seen_last_stands_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
