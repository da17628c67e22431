#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static struct addr parsed(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

static void text_goes_in_and_comes_out(void **state)
{
	static const char *const same[] = {
	    "192.0.2.1", "2001:db8::1", "::1", "fe80::1", "10.0.0.5"};
	char text[ADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		struct addr a = parsed(same[i]);

		assert_string_equal(addr_text(&a, text), same[i]);
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
	    "", "1.2.3", "1.2.3.256", "1.2.3.4 ", "::g", "host", "1.2.3.4/8"};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(addr_parse(&a, bad[i]));
}

static void both_zeros_are_wildcards(void **state)
{
	struct addr six = parsed("::"), four = parsed("0.0.0.0"), one = parsed("::1");

	(void)state;
	assert_true(addr_is_wildcard(&six));
	assert_true(addr_is_wildcard(&four));
	assert_false(addr_is_wildcard(&one));
}

static void targets_that_nobody_connects_from(void **state)
{
	static const char *const bad[] = {"::", "::1", "::1.2.3.4", "0.0.0.0", "0.1.2.3",
	    "127.0.0.1", "127.255.255.255", "169.254.1.1", "224.0.0.1", "239.255.255.255",
	    "240.0.0.1", "255.255.255.255", "fe80::1", "febf::1", "ff02::1"};
	static const char *const good[] = {"1.0.0.0", "10.0.0.5", "126.255.255.255", "128.0.0.1",
	    "169.253.255.255", "169.255.0.0", "203.0.113.5", "223.255.255.255", "2001:db8::42",
	    "fec0::1", "fd00::1", "::ffff:1.2.3.4"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct addr a = parsed(bad[i]);

		assert_false(addr_is_usable_target(&a));
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct addr a = parsed(good[i]);

		assert_true(addr_is_usable_target(&a));
	}
}

static void networks_end_where_they_say(void **state)
{
	struct cidr n;
	struct addr in, out;

	(void)state;
	assert_true(cidr_parse(&n, "10.128.0.0/9"));
	assert_int_equal(n.bits, 105);
	in = parsed("10.255.255.255");
	out = parsed("10.127.255.255");
	assert_true(addr_in(&in, &n));
	assert_false(addr_in(&out, &n));
	assert_true(cidr_parse(&n, "2001:db8::/33"));
	in = parsed("2001:db8:7fff::1");
	out = parsed("2001:db8:8000::1");
	assert_true(addr_in(&in, &n));
	assert_false(addr_in(&out, &n));
	assert_true(cidr_parse(&n, "192.0.2.7"));
	assert_int_equal(n.bits, 128);
	assert_true(cidr_parse(&n, "0.0.0.0/0"));
	assert_int_equal(n.bits, 96);
	assert_true(addr_in(&in, &(struct cidr){.bits = 0}));
	assert_false(cidr_parse(&n, "10.0.0.1/8"));
	assert_false(cidr_parse(&n, "10.0.0.0/33"));
	assert_false(cidr_parse(&n, "10.0.0.0/"));
	assert_false(cidr_parse(&n, "10.0.0.0/+8"));
	assert_false(cidr_parse(&n, "2001:db8::/129"));
}

static void a_sender_is_an_address_or_a_64(void **state)
{
	static const char *const rows[][2] = {
	    {"192.0.2.9", "192.0.2.9"},
	    {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
	    {"fe80::1", "fe80::"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct addr a = parsed(rows[i][0]), expected = parsed(rows[i][1]);
		struct addr sender = addr_sender(&a);

		assert_true(addr_equal(&sender, &expected));
	}
}

static void socket_addresses_are_mapped(void **state)
{
	struct sockaddr_storage from = {.ss_family = AF_INET};
	struct sockaddr_in *in = (struct sockaddr_in *)&from;
	struct addr a, expected = parsed("192.0.2.9");
	uint16_t port;

	(void)state;
	in->sin_addr.s_addr = htonl(0xc0000209);
	in->sin_port = htons(4711);
	assert_true(addr_from_sockaddr(&a, &port, &from));
	assert_true(addr_equal(&a, &expected));
	assert_int_equal(port, 4711);
	from.ss_family = AF_UNIX;
	assert_false(addr_from_sockaddr(&a, &port, &from));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_goes_in_and_comes_out),
	    cmocka_unit_test(nonsense_is_refused),
	    cmocka_unit_test(both_zeros_are_wildcards),
	    cmocka_unit_test(targets_that_nobody_connects_from),
	    cmocka_unit_test(networks_end_where_they_say),
	    cmocka_unit_test(a_sender_is_an_address_or_a_64),
	    cmocka_unit_test(socket_addresses_are_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
