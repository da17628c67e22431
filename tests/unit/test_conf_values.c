#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"
#include "conf/schema.h"
#include "conf/values.h"

static const char *expected;

static void port_specs(void **state)
{
	static const struct {
		const char *text;
		struct port_spec spec;
	} good[] = {
	    {"22/tcp", {true, false, 22, 22}},
	    {"53/UDP", {false, true, 53, 53}},
	    {"80", {true, true, 80, 80}},
	    {"080", {true, true, 80, 80}},
	    {"8080-8090/tcp", {true, false, 8080, 8090}},
	    {"80-82", {true, true, 80, 82}},
	    {"1-65535/Tcp", {true, false, 1, 65535}},
	    {"5-5/udp", {false, true, 5, 5}},
	    {" 80 - 82 /tcp", {true, false, 80, 82}},
	};
	static const char *const bad[] = {"", "0", "65536", "99999", "100000", "0/tcp", "22/",
	    "22/tc", "22/tcpx", "22/sctp", "/tcp", "-22", "22-", "22-/tcp", "90-80", "90-80/tcp",
	    "1-2-3", "22/ tcp", "2 2", "22/tcp ", "+22", "0x16", "22.0", "a", "22/tcp\n", "1-65536",
	    "0-5", "000022", "4294967318"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct port_spec spec;

		assert_true(value_port_spec(&spec, good[i].text, &expected));
		assert_int_equal(spec.tcp, good[i].spec.tcp);
		assert_int_equal(spec.udp, good[i].spec.udp);
		assert_int_equal(spec.first, good[i].spec.first);
		assert_int_equal(spec.last, good[i].spec.last);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct port_spec spec;

		expected = NULL;
		if (value_port_spec(&spec, bad[i], &expected))
			fail_msg("took \"%s\"", bad[i]);
		assert_non_null(expected);
	}
	value_port_spec(&(struct port_spec){0}, "22/tpc", &expected);
	assert_string_equal(
	    expected, "tcp or udp, or nothing for both, after the port, such as 22/tcp");
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
	    {"30s", 30000000000},
	    {"1m30s", 90000000000},
	    {"1m0s", 60000000000},
	    {"1.5h", 5400000000000},
	    {"90s", 90000000000},
	    {"250ms", 250000000},
	    {"1us", 1000},
	    {"1\xc2\xb5s", 1000},
	    {"1\xce\xbcs", 1000},
	    {"1ns", 1},
	    {"0.5ns", 0},
	    {".5s", 500000000},
	    {"5.s", 5000000000},
	    {"+1s", 1000000000},
	    {"0", 0},
	    {"1.000000001s", 1000000001},
	    {"0.0000000000000000000001h", 0},
	    {"2562047h47m16.854775807s", INT64_MAX},
	    {"9223372036854775807ns", INT64_MAX},
	};
	static const char *const bad[] = {"", "30", "s", ".s", "-1s", "1", "1x", "1d", "1s1", "1 s",
	    "s1", "1.2.3s", "+", "-", "1S", "2562047h47m16.854775808s", "9223372036854775808ns",
	    "18446744073709551616ns", "99999999999999999999999s", "5124096h", "--1s", "1e3s",
	    "\xc2\xb5s", "1\xc2\x73"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t ns = -1;

		assert_true(value_duration(&ns, good[i].text, &expected));
		assert_true(ns == good[i].ns);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t ns;

		expected = NULL;
		if (value_duration(&ns, bad[i], &expected))
			fail_msg("took \"%s\"", bad[i]);
		assert_non_null(expected);
	}
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
	    {"1970-01-01", 0},
	    {"1970-01-01T00:00:00Z", 0},
	    {"1970-01-01T00:00:01.5Z", 1500000000},
	    {"1970-01-01T01:00:00+01:00", 0},
	    {"1969-12-31T23:30:00-00:30", 0},
	    {"2026-12-31", 1798675200000000000},
	    {"2026-12-31 23:59:59", 1798761599000000000},
	    {"2026-12-31t23:59:59z", 1798761599000000000},
	    {"2026-12-31T23:59:59.123456789Z", 1798761599123456789},
	    {"2026-12-31T23:59:59.1234567899Z", 1798761599123456789},
	    {"2024-02-29", 1709164800000000000},
	    {"2000-02-29", 951782400000000000},
	    {"2038-01-19T03:14:08Z", 2147483648000000000},
	    {"2026-1-2 3:4:5", 1767323045000000000},
	    {"1969-12-31T23:59:59Z", -1000000000},
	    {"2262-04-11T23:47:15Z", 9223372035000000000},
	    {"2262-04-12", INT64_MAX},
	    {"9999-12-31T23:59:59Z", INT64_MAX},
	    {"0001-01-01T00:00:00Z", INT64_MIN},
	};
	static const char *const bad[] = {"", "2026", "2026-13-01", "2026-00-01", "2026-02-29",
	    "1900-02-29", "2026-04-31", "2026-01-00", "0000-01-01", "2026-01-01T",
	    "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z",
	    "2026-01-01T00:00:00", "2026-01-01T00:00Z", "2026-01-01T00:00:00.Z",
	    "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60",
	    "2026-01-01T00:00:00Zx", "2026-01-01 ", "12026-01-01", "tomorrow", "2026/01/01",
	    "-2026-01-01", "2026-01-01T00:00:00 Z", "1767323045"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t ns = -1;

		assert_true(value_time(&ns, good[i].text, &expected));
		if (ns != good[i].ns)
			fail_msg("%s: %lld", good[i].text, (long long)ns);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t ns;

		expected = NULL;
		if (value_time(&ns, bad[i], &expected))
			fail_msg("took \"%s\"", bad[i]);
		assert_non_null(expected);
	}
}

static void keys(void **state)
{
	static const char *const bad[] = {"", "AAAA", "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8",
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8==",
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8= ", "\n",
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl9=",
	    "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBw-_8="};
	uint8_t key[64];

	(void)state;
	assert_true(value_key(key, 32, "AAcgVLPynXVltMalNRjyuHE9lZ4UoS1b3kPfUYBwrl8=", &expected));
	assert_int_equal(key[1], 7);
	assert_true(value_key(
	    key, 32, "AAcgVLPynXVltMal\nNRjyuHE9lZ4UoS1b3kPfUYBwrl8\r\n=\n\n", &expected));
	assert_true(value_key(key, 64,
	    "rW2jvaXxM8wtrI1Mvx5Cl5TI/u+jBtTbDXMUCjPolXEcey7STCyfXq8shPyUG6y0RCUN1eYKAE0ZfydoieUbKA==",
	    &expected));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (value_key(key, 32, bad[i], &expected))
			fail_msg("took \"%s\"", bad[i]);
	}
}

static void integers_switches_words(void **state)
{
	static const char *const bad[] = {"", "-", "0x", "1a", "0xg", "0x0x1", "0b2", "0o8", "0x-1",
	    "0x 1", "+-1", " 1", "1 ", "1.5", ".0", "_1", "1.0.0", "1e3", "9223372036854775808",
	    "0xffffffffffffffffff", "--1",
	    "000000000000000000000000000000000000000000000000000000000000000000000000001"};
	int64_t value;
	int number;

	(void)state;
	assert_true(value_integer(&value, "-10", &expected) && value == -10);
	assert_true(value_integer(&value, "0x40000000", &expected) && value == 0x40000000);
	assert_true(value_integer(&value, "010", &expected) && value == 8);
	assert_true(value_integer(&value, "0o600", &expected) && value == 0600);
	assert_true(value_integer(&value, "0b101", &expected) && value == 5);
	assert_true(value_integer(&value, "090", &expected) && value == 90);
	assert_true(value_integer(&value, "+1_000.0", &expected) && value == 1000);
	assert_true(value_integer(&value, "0", &expected) && value == 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (value_integer(&value, bad[i], &expected))
			fail_msg("took \"%s\"", bad[i]);
	}
	assert_true(value_switch(&number, "ON", &expected) && number == 1);
	assert_true(value_switch(&number, "False", &expected) && number == 0);
	assert_false(value_switch(&number, "1", &expected));
	assert_true(value_word(&number, conf_firewall_words, "iptables"));
	assert_int_equal(number, CONF_FIREWALL_IPTABLES);
	assert_false(value_word(&number, conf_firewall_words, "NFT"));
}

static void hosts_and_interfaces(void **state)
{
	struct cidr network;
	char interface[129] = "";

	(void)state;
	assert_true(value_host("gate.example.org", &expected));
	assert_true(value_host("fe80::1%eth0", &expected));
	assert_false(value_host("-oProxyCommand=x", &expected));
	assert_false(value_host("a b", &expected));
	assert_false(value_host("a\"b", &expected));
	assert_false(value_host("http://a", &expected));
	assert_true(value_interface("enp3s0.100", &expected));
	assert_true(value_interface("sixteen-letters-", &expected));
	memset(interface, 'a', sizeof interface - 1);
	assert_false(value_interface(interface, &expected));
	assert_true(value_interface(interface + 1, &expected));
	assert_false(value_interface("a/b", &expected));
	assert_false(value_interface("..", &expected));
	assert_false(value_interface("\"", &expected));
	assert_true(value_network(&network, "192.0.2.0/24", &expected));
	assert_false(value_network(&network, "192.0.2.1/24", &expected));
}

static void quoting_keeps_inside(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(value_quoted(out, sizeof out,
	                        "a\"\\\n\x80"
	                        "z",
	                        64),
	    "\"a\\\"\\\\\\x0a\\x80z\"");
	assert_string_equal(value_quoted(out, sizeof out, "abcdef", 3), "\"abc...\"");
	for (size_t size = 8; size <= sizeof out; size++) {
		memset(out, 'x', sizeof out);
		value_quoted(out, size, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", 64);
		assert_true(strlen(out) < size);
	}
}

static void guesses_are_near(void **state)
{
	static const char *const known[] = {"udp_port", "health_port", "host", "mark"};
	char very_long[200];

	(void)state;
	assert_string_equal(value_nearest("udp_prot", known, 4), "udp_port");
	assert_string_equal(value_nearest("UDP_PORT", known, 4), "udp_port");
	assert_string_equal(value_nearest("healthport", known, 4), "health_port");
	assert_string_equal(value_nearest("hots", known, 4), "host");
	assert_null(value_nearest("clients", known, 4));
	assert_null(value_nearest("", known, 4));
	assert_null(value_nearest("x", NULL, 0));
	memset(very_long, 'a', sizeof very_long);
	very_long[199] = '\0';
	assert_null(value_nearest(very_long, known, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(port_specs),
	    cmocka_unit_test(durations),
	    cmocka_unit_test(times),
	    cmocka_unit_test(keys),
	    cmocka_unit_test(integers_switches_words),
	    cmocka_unit_test(hosts_and_interfaces),
	    cmocka_unit_test(quoting_keeps_inside),
	    cmocka_unit_test(guesses_are_near),
	};

	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
