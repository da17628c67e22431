#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "echoip/accesslog.h"
#include "echoip/answers.h"
#include "echoip/forwarded.h"
#include "http/crowd.h"

#define NOW 1795255200000000000LL /* 2026-11-21T10:00:00Z */

static struct addr parsed(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static const struct proxies *proxies(void)
{
	static struct proxies p;

	if (p.count == 0) {
		assert_true(cidr_parse(&p.networks[p.count++], "10.0.0.0/8"));
		assert_true(cidr_parse(&p.networks[p.count++], "2001:db8:1::/48"));
	}
	return &p;
}

struct example {
	const char *peer;
	const char *lines[3];
	const char *client; /* NULL: the peer itself */
};

static void check_example(const struct example *e)
{
	struct forwarded f = {.count = 0};
	struct addr peer = parsed(e->peer), client = {{0xee}}, expected;
	bool moved;

	for (size_t i = 0; i < 3 && e->lines[i] != NULL; i++)
		forwarded_add(&f, e->lines[i]);
	moved = forwarded_client(&client, &f, proxies(), &peer);
	expected = parsed(e->client != NULL ? e->client : e->peer);
	if (!addr_equal(&client, &expected) || moved != (e->client != NULL)) {
		char text[ADDR_TEXT_BYTES];

		fail_msg("%s from %s: got %s", e->lines[0], e->peer, addr_text(&client, text));
	}
}

static void a_proxy_is_believed_as_far_as_its_word_reaches(void **state)
{
	static const struct example examples[] = {
	    /* nothing said, or said by somebody else */
	    {"10.0.0.1", {NULL}, NULL},
	    {"192.0.2.1", {"203.0.113.5"}, NULL},
	    {"2001:db8:2::1", {"203.0.113.5"}, NULL},
	    /* the right-most that is no proxy, whatever the client itself has put before it */
	    {"10.0.0.1", {"203.0.113.5"}, "203.0.113.5"},
	    {"10.0.0.1", {"1.2.3.4, 203.0.113.5"}, "203.0.113.5"},
	    {"10.0.0.1", {"1.2.3.4, 203.0.113.5, 10.9.9.9"}, "203.0.113.5"},
	    {"2001:db8:1::1", {"1.2.3.4,203.0.113.5,2001:db8:1::2"}, "203.0.113.5"},
	    {"10.0.0.1", {"10.2.2.2, 10.3.3.3"}, "10.2.2.2"},
	    /* fields are one list, in their order */
	    {"10.0.0.1", {"1.2.3.4", "203.0.113.5"}, "203.0.113.5"},
	    {"10.0.0.1", {"203.0.113.5", "10.2.2.2", "10.3.3.3"}, "203.0.113.5"},
	    {"10.0.0.1", {"203.0.113.5", ""}, "203.0.113.5"},
	    /* forms of an address */
	    {"10.0.0.1", {"2001:db8::7"}, "2001:db8::7"},
	    {"10.0.0.1", {"[2001:db8::7]"}, "2001:db8::7"},
	    {"10.0.0.1", {"[2001:db8::7]:4711"}, "2001:db8::7"},
	    {"10.0.0.1", {"203.0.113.5:4711"}, "203.0.113.5"},
	    {"10.0.0.1", {"::ffff:203.0.113.5"}, "203.0.113.5"},
	    {"10.0.0.1", {" \t203.0.113.5\t ,, ,"}, "203.0.113.5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
		check_example(&examples[i]);
}

static void what_is_no_address_ends_the_list(void **state)
{
	static const char *const bad[] = {"unknown", "_hidden", "1.2.3", "1.2.3.4.5",
	    "1.2.3.4 5.6.7.8", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:123456", "[2001:db8::7",
	    "2001:db8::7]", "[1.2.3.4]", "[2001:db8::7]x", "[2001:db8::7]:", "[]", "[", ":",
	    "::", "0.0.0.0", "\"1.2.3.4\"", "1.2.3.4\r\n", "for=1.2.3.4", "fe80::1%eth0",
	    "2001:db8:0000:0000:0000:0000:0000:0007:0000:0000:0000:0000:0000:0000:0000:0000"};
	char line[160];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct example alone = {"10.0.0.1", {bad[i]}, NULL};
		struct example behind = {"10.0.0.1", {line}, NULL};
		struct example before = {"10.0.0.1", {line}, "203.0.113.5"};

		check_example(&alone);
		/* A spoofed address left of it is not reached ... */
		snprintf(line, sizeof line, "203.0.113.5, %s", bad[i]);
		check_example(&behind);
		/* ... and what a client invents cannot hide the address that its proxy adds. */
		snprintf(line, sizeof line, "%s, 203.0.113.5", bad[i]);
		check_example(&before);
	}
}

static void the_last_lines_count(void **state)
{
	struct forwarded f = {.count = 0};
	struct addr peer = parsed("10.0.0.1"), expected = parsed("203.0.113.5"), client;

	(void)state;
	for (int i = 0; i < 1000; i++)
		forwarded_add(&f, "1.2.3.4");
	forwarded_add(&f, "203.0.113.5");
	assert_true(forwarded_client(&client, &f, proxies(), &peer));
	assert_true(addr_equal(&client, &expected));
	/* All of them proxies, more than are kept: the walk ends, it does not run in a circle. */
	f.count = 0;
	for (int i = 0; i < 1000; i++)
		forwarded_add(&f, "10.1.1.1");
	assert_true(forwarded_client(&client, &f, proxies(), &peer));
}

static void the_answers_are_the_original_services(void **state)
{
	struct caller caller = {
	    .peer = parsed("10.0.0.1"), .client = parsed("2001:db8::7"), .forwarded = true};
	struct answer a;

	(void)state;
	answer_request(&a, "GET", "/", &caller, NOW);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.length, strlen(a.body));
	assert_string_equal(a.body,
	    "{\"success\":true,\"ip\":\"2001:db8::7\",\"isIpv6\":true,"
	    "\"datetime\":\"2026-11-21T10:00:00Z\",\"ipDetails\":{\"remoteIP\":\"10.0.0.1\","
	    "\"forwardedForIP\":\"2001:db8::7\"},\"service\":\"echo-ip\",\"version\":\"" POSTERN_VERSION
	    "\",\"srcUrl\":\"" ECHOIP_SOURCE_URL "\"}\n");
	answer_request(&a, "POST", "/health", &caller, NOW);
	assert_string_equal(a.body,
	    "{\"success\":true,\"health\":\"healthy\",\"datetime\":\"2026-11-21T10:00:00Z\"}\n");
	answer_request(&a, "BREW", "/teapot", &caller, NOW);
	assert_int_equal(a.status, 404);
	assert_string_equal(a.body,
	    "{\"success\":false,\"error\":\"404 - Not Found\",\"datetime\":\"2026-11-21T10:00:00Z\"}\n");
	answer_request(&a, "BREW", "/", &caller, NOW);
	assert_int_equal(a.status, 405);
}

static void the_longest_answer_fits(void **state)
{
	struct caller caller = {.peer = parsed("1111:2222:3333:4444:5555:6666:7777:8888"),
	    .client = parsed("1111:2222:3333:4444:5555:6666:7777:8888"),
	    .forwarded = true};
	struct answer a;

	(void)state;
	answer_request(&a, "GET", "/", &caller, NOW);
	assert_string_equal(a.body + a.length - 2, "}\n");
}

static void add(struct crowd *c, struct visitor *v, const char *peer, int64_t now)
{
	v->peer = parsed(peer);
	crowd_enter(c, v, now);
}

static void places_are_counted(void **state)
{
	struct crowd c;
	struct visitor v[5];
	struct addr v4 = parsed("192.0.2.1"), same64 = parsed("2001:db8::ffff:1"),
	            next64 = parsed("2001:db8:0:1::1"), mapped_like = parsed("::1");

	(void)state;
	crowd_init(&c, 5, 2);
	add(&c, &v[0], "192.0.2.1", 1);
	assert_true(crowd_has_room_for(&c, &v4));
	add(&c, &v[1], "192.0.2.1", 1);
	assert_false(crowd_has_room_for(&c, &v4));
	/* Every IPv4 address shares its first 8 bytes with ::/64. */
	assert_true(crowd_has_room_for(&c, &mapped_like));
	add(&c, &v[2], "2001:db8::1", 1);
	add(&c, &v[3], "2001:db8::2", 1);
	assert_false(crowd_has_room_for(&c, &same64));
	assert_true(crowd_has_room_for(&c, &next64));
	assert_true(crowd_has_room(&c));
	add(&c, &v[4], "198.51.100.1", 1);
	assert_false(crowd_has_room(&c));
	crowd_leave(&c, &v[3]);
	assert_true(crowd_has_room(&c));
	assert_true(crowd_has_room_for(&c, &same64));
	for (size_t i = 0; i < 3; i++)
		crowd_leave(&c, &v[i]);
	assert_false(crowd_is_empty(&c));
	crowd_leave(&c, &v[4]);
	assert_true(crowd_is_empty(&c));
}

static void the_late_are_found_once_oldest_first(void **state)
{
	struct crowd c;
	struct visitor v[3];

	(void)state;
	crowd_init(&c, 5, 5);
	for (int i = 0; i < 3; i++)
		add(&c, &v[i], "192.0.2.1", 10 + i);
	assert_null(crowd_next_late(&c, 10));
	crowd_progress(&c, &v[0], 20);
	assert_ptr_equal(crowd_next_late(&c, 13), &v[1]);
	assert_ptr_equal(crowd_next_late(&c, 13), &v[2]);
	assert_null(crowd_next_late(&c, 13));
	assert_ptr_equal(crowd_next_late(&c, 21), &v[0]);
	assert_null(crowd_next_late(&c, 1000));
	for (int i = 0; i < 3; i++)
		crowd_leave(&c, &v[i]);
	assert_true(crowd_is_empty(&c));
}

static void a_request_is_one_line(void **state)
{
	char line[ACCESS_LINE_BYTES + 1];
	struct access a = {.client = parsed("192.0.2.1"),
	    .method = "GET",
	    .target = "/?a=1",
	    .version = "HTTP/1.1",
	    .status = 200,
	    .bytes = 190};

	(void)state;
	line[access_format(line, &a, NOW)] = '\0';
	assert_string_equal(
	    line, "192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] \"GET /?a=1 HTTP/1.1\" 200 190\n");
	a.target = "/\" 200 1\n6.6.6.6 \\\x1b[31m\xff";
	line[access_format(line, &a, NOW)] = '\0';
	assert_string_equal(line, "192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] \"GET /\\\" 200 "
	                          "1\\x0a6.6.6.6 \\\\\\x1b[31m\\xff HTTP/1.1\" 200 190\n");
	a = (struct access){.client = parsed("192.0.2.1")};
	line[access_format(line, &a, NOW)] = '\0';
	assert_string_equal(line, "192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] \"-\" - -\n");
}

static void a_long_request_keeps_its_end(void **state)
{
	char line[ACCESS_LINE_BYTES + 1], most[40], target[4 * ACCESS_TEXT_BYTES];
	struct access a = {.client = parsed("192.0.2.1"),
	    .method = "GET",
	    .target = target,
	    .version = "HTTP/1.1",
	    .status = 404,
	    .bytes = 1};
	size_t length;

	(void)state;
	memset(target, '\xff', sizeof target - 1);
	target[sizeof target - 1] = '\0';
	length = access_format(line, &a, NOW);
	line[length] = '\0';
	assert_non_null(strstr(line, " HTTP/1.1\" 404 1\n"));
	assert_int_equal(strcspn(line, "\n"), length - 1);
	/* All that comes from the wire at its longest still leaves the line its end. */
	a.client = parsed("1111:2222:3333:4444:5555:6666:7777:8888");
	a.method = a.version = target;
	a.bytes = SIZE_MAX;
	length = access_format(line, &a, NOW);
	line[length] = '\0';
	snprintf(most, sizeof most, "\" 404 %zu\n", SIZE_MAX);
	assert_non_null(strstr(line, most));
	assert_int_equal(strcspn(line, "\n"), length - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_proxy_is_believed_as_far_as_its_word_reaches),
	    cmocka_unit_test(what_is_no_address_ends_the_list),
	    cmocka_unit_test(the_last_lines_count),
	    cmocka_unit_test(the_answers_are_the_original_services),
	    cmocka_unit_test(the_longest_answer_fits),
	    cmocka_unit_test(places_are_counted),
	    cmocka_unit_test(the_late_are_found_once_oldest_first),
	    cmocka_unit_test(a_request_is_one_line),
	    cmocka_unit_test(a_long_request_keeps_its_end),
	};

	if (!secret_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
