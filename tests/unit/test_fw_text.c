#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "caught_log.h"
#include "fw_case.h"
#include "short_memory.h"

/* The linker puts it in place of the real one (--wrap): time stands still. */
int64_t __wrap_clock_boot_ns(void);

int64_t __wrap_clock_boot_ns(void)
{
	return 1000000000;
}

/* The last of the text may find no memory. */
static bool close_fails;

int __real_fclose(FILE *file);
int __wrap_fclose(FILE *file);

int __wrap_fclose(FILE *file)
{
	int err = __real_fclose(file);

	return close_fails ? EOF : err;
}

static char *ruleset(const struct fw_case *c)
{
	char *text = fw_nft_ruleset(&c->s);

	assert_non_null(text);
	return text;
}

static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL) {
		print_error("%s", text);
		fail_msg("lacks \"%s\"", part);
	}
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part) != NULL) {
		print_error("%s", text);
		fail_msg("has \"%s\"", part);
	}
}

/* Both are there, and the first comes first. */
static void assert_order(const char *text, const char *first, const char *second)
{
	assert_has(text, first);
	assert_has(text, second);
	assert_true(strstr(text, first) < strstr(text, second));
}

/* The whole rule set is what stands in the file: whoever changes a rule looks at it there. */
static void assert_is_file(const struct fw_case *c, const char *path)
{
	static char expected[16384];
	char *text = ruleset(c);
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	expected[fread(expected, 1, sizeof expected - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(text, expected);
	free(text);
}

static void every_word_of_it(void **state)
{
	static const char *const networks[] = {
	    "10.16.0.0/12", "2001:db8::/33", "192.0.2.7", "2001:db8:8000::1"};
	struct fw_case c;

	(void)state;
	fw_case_fill(&c);
	assert_is_file(&c, VECTORS "/../unit/ruleset_ports.nft");
	c.settings.guard = CONF_GUARD_ALL;
	c.settings.openspa.enabled = true;
	c.settings.established = CONF_ESTABLISHED_CUT;
	strcpy(c.settings.interface, "eth0");
	for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
		assert_true(cidr_parse(&c.cidrs[i], networks[i]));
	c.settings.guard_allow_networks = (struct span){0, 4};
	c.settings.guard_allow_ports = (struct span){1, 3};
	assert_is_file(&c, VECTORS "/../unit/ruleset_all.nft");
}

static void one_chain_alone(void **state)
{
	struct fw_case c;
	char *text;

	(void)state;
	fw_case_fill(&c);
	text = ruleset(&c);
	assert_lacks(text, "hook output");
	assert_has(text, "type filter hook input priority -1; policy accept;");
	assert_lacks(text, "interval");
	free(text);
}

static void policies_have_sets_and_a_chain(void **state)
{
	struct fw_case c;
	char *text;
	size_t sets = 0;

	(void)state;
	fw_case_fill(&c);
	text = ruleset(&c);
	for (const char *at = text; (at = strstr(at, "\tset g_")) != NULL; at++)
		sets++;
	assert_int_equal(sets, 6);
	assert_has(text, "tcp dport { 22, 8080-8090 } accept\n");
	assert_has(text, "udp dport 53 accept\n");
	assert_order(text, "jump ports_", "udp dport 54154 accept");
	assert_order(text, "udp dport 54154 accept", "udp dport 53 drop");
	assert_has(text, "tcp dport { 22, 8080-8090, 443 } drop");
	assert_has(text, "tcp dport 54155 drop");
	free(text);
}

/* A policy keeps its names wherever it stands; another has others. */
static void names_follow_the_ports(void **state)
{
	struct fw_case one, two;
	char *a, *b;
	char name[sizeof "set g_0123456789abcdef_4"] = "";

	(void)state;
	fw_case_fill(&one);
	fw_case_swap(&two);
	a = ruleset(&one);
	b = ruleset(&two);
	memcpy(name, strstr(a, "set g_"), sizeof name - 1);
	assert_has(b, name);
	assert_int_not_equal(strstr(a, name) - a, strstr(b, name) - b);
	free(a);
	free(b);
}

static void assert_once(const char *text, const char *part)
{
	assert_has(text, part);
	assert_lacks(strstr(text, part) + 1, part);
}

static void twins_share(void **state)
{
	struct fw_case c;
	char *text;

	(void)state;
	for (size_t twin = 0; twin < 2; twin++) {
		fw_case_fill(&c);
		c.policies[2] = c.policies[twin];
		text = ruleset(&c);
		assert_once(text, "tcp dport 443 accept");
		assert_once(text, "tcp dport { 22, 8080-8090 } accept");
		assert_once(text, "set g_8982986835ede296_4 {");
		assert_once(text, "set g_8982986835ede296_6 {");
		assert_once(text, "set g_7ce11467a98a7182_4 {");
		assert_once(text, "set g_7ce11467a98a7182_6 {");
		free(text);
	}
}

/* The only place where the bit is given, and what is not granted leaves without it. */
static void the_mark_goes_with_a_grant(void **state)
{
	static const char looked_for[] = "\t\tmeta mark set meta mark | 0x00100000\n"
	                                 "\t\tjump granted\n"
	                                 "\t\tmeta mark set meta mark & 0xffefffff\n";
	struct fw_case c;
	char *text;

	(void)state;
	fw_case_fill(&c);
	text = ruleset(&c);
	assert_order(text, "only a grant gives this bit", looked_for);
	assert_order(text, looked_for, "udp dport 53 drop");
	assert_null(strstr(strstr(text, looked_for) + strlen(looked_for), "mark | "));
	free(text);
}

/* Managed ports go to one chain before anything can translate them, whatever interface. */
static void the_hook_by_settings(void **state)
{
	static const char before[] = "type filter hook prerouting priority -199; policy accept;";
	struct fw_case c;
	char *text;

	(void)state;
	fw_case_fill(&c);
	text = ruleset(&c);
	assert_order(text, before, "tcp dport { 22, 8080-8090, 443 } goto guarded");
	assert_order(text, before, "udp dport 53 goto guarded");
	assert_order(text, "fib daddr type != local return", before);
	free(text);
	c.settings.guard = CONF_GUARD_ALL;
	text = ruleset(&c);
	assert_order(text, before, "\t\tgoto guarded\n");
	free(text);
	c.settings.hook = CONF_HOOK_FORWARD;
	text = ruleset(&c);
	assert_order(text, before, "\t\tgoto guarded\n");
	assert_lacks(text, "fib");
	free(text);
	c.settings.hook = CONF_HOOK_INPUT;
	text = ruleset(&c);
	assert_lacks(text, "prerouting");
	assert_lacks(text, "guarded\n");
	free(text);
	fw_case_fill(&c);
	c.settings.drop_ports = false;
	text = ruleset(&c);
	assert_lacks(text, "prerouting");
	free(text);
}

static void the_guard_by_settings(void **state)
{
	struct fw_case c;
	char *text;

	(void)state;
	fw_case_fill(&c);
	c.settings.drop_ports = false;
	text = ruleset(&c);
	assert_lacks(text, "managed ports");
	assert_has(text, "tcp dport 54155 drop");
	free(text);

	c.settings.health_port = 0;
	c.settings.open_knock_port = false;
	text = ruleset(&c);
	assert_lacks(text, "drop");
	assert_lacks(text, "54154");
	free(text);

	c.settings.open_knock_port = true;
	c.settings.openme = false;
	c.settings.openspa.enabled = true;
	text = ruleset(&c);
	assert_lacks(text, "54154");
	assert_has(text, "udp dport 22211 accept");
	free(text);
	c.settings.openspa.enabled = false;

	c.settings.guard = CONF_GUARD_ALL;
	c.settings.guard_allow_ports = (struct span){3, 1};
	text = ruleset(&c);
	assert_order(text, "icmpv6 type { 135, 136, 134 }", "\t\tdrop comment");
	assert_order(text, "tcp dport 443 accept comment", "\t\tdrop comment");
	assert_order(text, "hook output", "icmp code 4 accept");
	assert_order(text, "icmp code 4 accept", "icmpv6 type { 1, 3, 4 } drop");
	assert_lacks(text, "137");
	free(text);
}

static void connections_by_settings(void **state)
{
	struct fw_case c;
	char *text;

	(void)state;
	fw_case_fill(&c);
	text = ruleset(&c);
	assert_has(text, "\t\tct state established accept");
	assert_lacks(text, "direction");
	free(text);
	c.settings.established = CONF_ESTABLISHED_CUT;
	text = ruleset(&c);
	assert_has(text, "\t\tct state established ct direction reply accept");
	assert_lacks(text, "\t\tct state established accept");
	free(text);
}

static void one_interface_alone(void **state)
{
	struct fw_case c;
	char *text;

	(void)state;
	fw_case_fill(&c);
	strcpy(c.settings.interface, "eth0.7");
	text = ruleset(&c);
	assert_order(text, "iifname != \"eth0.7\" return", "iifname \"lo\" accept");
	free(text);
	strcpy(c.settings.interface, "e");
	text = ruleset(&c);
	assert_order(text, "iifname != \"e\" return", "iifname \"lo\" accept");
	free(text);
}

static void networks_of_both_kinds(void **state)
{
	struct fw_case c;
	char *text;

	(void)state;
	fw_case_fill(&c);
	assert_true(cidr_parse(&c.cidrs[0], "10.0.0.0/8"));
	assert_true(cidr_parse(&c.cidrs[1], "2001:db8::/32"));
	assert_true(cidr_parse(&c.cidrs[2], "192.0.2.7"));
	c.settings.guard_allow_networks = (struct span){0, 3};
	text = ruleset(&c);
	assert_has(text, "ip saddr { 10.0.0.0/8, 192.0.2.7/32 } accept");
	assert_has(text, "ip6 saddr 2001:db8::/32 accept");
	free(text);
	/* Whatever stands behind the prefix. */
	c.cidrs[2].bits -= 9;
	text = ruleset(&c);
	assert_has(text, "ip saddr { 10.0.0.0/8, 192.0.2.0/23 } accept");
	free(text);
}

/* In each place, and there alone; the first or the last of two. */
static void odd_numbers_are_refused(void **state)
{
	static const struct ports good = {6, 0, 1, 1},
	                          bad[] = {{6, 0, 0, 0}, {6, 0, 2, 1}, {1, 0, 1, 1}, {1, 0, 0, 0}};
	struct fw_case c;

	(void)state;
	for (size_t i = 0; i < 8 * sizeof bad / sizeof *bad; i++) {
		struct span *const places[] = {&c.policies[0].ports, &c.policies[2].ports,
		    &c.settings.managed_ports, &c.settings.guard_allow_ports};

		fw_case_fill(&c);
		c.settings.managed_ports.count = 0;
		c.policies[0].ports.count = 0;
		c.ports[4] = c.ports[5] = good;
		*places[i % 4] = (struct span){4, 2};
		free(ruleset(&c));
		c.ports[4 + i / 4 % 2] = bad[i / 8];
		errno = 0;
		assert_null(fw_nft_ruleset(&c.s));
		assert_int_equal(errno, EINVAL);
	}
}

static void a_mark_is_one_bit(void **state)
{
	static const uint32_t marks[] = {1, 2, 0x80000000, 0, 3, 0x80000001, UINT32_MAX};
	struct fw_case c;

	(void)state;
	fw_case_fill(&c);
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		char *text;

		c.settings.mark = marks[i];
		text = fw_nft_ruleset(&c.s);
		assert_true((text != NULL) == (i < 3));
		free(text);
	}
}

/* Whatever there is no memory for. */
static void without_memory(void **state)
{
	struct fw_case c;
	char *text = NULL;
	size_t nth = 0;

	(void)state;
	fw_case_fill(&c);
	while (text == NULL) {
		errno = 0;
		short_memory(++nth);
		text = fw_nft_ruleset(&c.s);
		short_memory(0);
		assert_true(text != NULL || errno == ENOMEM);
	}
	assert_int_equal(nth, 5);
	free(text);
	close_fails = true;
	errno = 0;
	assert_null(fw_nft_ruleset(&c.s));
	assert_int_equal(errno, ENOMEM);
	c.settings.mark = 0;
	assert_null(fw_nft_ruleset(&c.s));
	assert_int_equal(errno, EINVAL);
	close_fails = false;
}

static void none_does_nothing_and_cannot_fail(void **state)
{
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 1000, "alice");
	struct fw_case c;
	struct fw fw;

	(void)state;
	fw_case_fill(&c);
	assert_int_equal(fw_open(&fw, CONF_FIREWALL_NONE, "", -1), 0);
	assert_string_equal(fw.ops->name, "none");
	assert_int_equal(fw_case_install(&fw, &c.s, &g, 1), 0);
	assert_int_equal(fw_case_open(&fw, &g, 1), 0);
	assert_int_equal(fw_case_close(&fw, &g), 0);
	assert_int_equal(fw.ops->remove(&fw), 0);
	fw_close(&fw);
	assert_null(fw.ops);
}

/* Of what is not open nothing is left to close. */
static void what_there_is_none_of_is_not_opened(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct fw fw;

	(void)state;
	caught_log_begin(LOG_LEVEL_ERROR);
	assert_int_equal(
	    fw_open(&fw, (enum conf_firewall)(CONF_FIREWALL_NONE + 1), "", -1), -EINVAL);
	assert_has(caught_log_end(), "no firewall back-end has the number 2\n");
	assert_null(fw.ops);
	fw_close(&fw);
	caught_log_begin(LOG_LEVEL_ERROR);
	assert_int_equal(fw_open(&fw, CONF_FIREWALL_NFT, "", fd), -ENOTSOCK);
	assert_has(caught_log_end(), "cannot open the firewall");
	assert_null(fw.ops);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	fw_close(&fw);
}

static const char *said_by_none(const struct fw_change *c)
{
	struct fw_change changes[2] = {*c, *c};
	const char *said;
	struct fw fw;

	changes[1].owner = "who stands behind it";
	changes[1].close = !c->close;
	assert_int_equal(fw_open(&fw, CONF_FIREWALL_NONE, "", -1), 0);
	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(fw.ops->change(&fw, changes, 1), 0);
	assert_int_equal(changes[0].outcome, 0);
	assert_int_equal(changes[1].outcome, c->outcome);
	fw_close(&fw);
	said = caught_log_end();
	assert_lacks(said, changes[1].owner);
	return said;
}

static void none_says_what_it_would_do(void **state)
{
	static const struct {
		int64_t left_ns;
		const char *said;
	} cases[] = {{-1, " timeout=0ms "}, {0, " timeout=0ms "}, {1, " timeout=1ms "},
	    {1000000, " timeout=1ms "}, {1000001, " timeout=2ms "}};
	struct fw_change c = {.owner = "alice", .outcome = 1};

	(void)state;
	assert_true(addr_parse(&c.opening.address, "192.0.2.1"));
	c.opening.policy = 7;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		c.opening.until_ns = clock_boot_ns() + cases[i].left_ns;
		assert_has(said_by_none(&c), cases[i].said);
	}
	assert_has(said_by_none(&c),
	    "dry run: would open address=192.0.2.1 policy=7 timeout=2ms owner=alice\n");
	c.opening.ports = (struct ports){6, 0, 22, 23};
	assert_has(said_by_none(&c), " protocol=6 ports=22-23 timeout=2ms owner=alice\n");
	c.close = true;
	assert_has(said_by_none(&c), "dry run: would close");
}

static void none_says_which_rules(void **state)
{
	struct fw_case_element g[] = {fw_case_grant("192.0.2.1", 0, 1000, "alice"),
	    fw_case_grant("192.0.2.2", 1, 1000, "bob")};
	const char *said, *first;
	struct fw_case c;
	struct fw fw;

	(void)state;
	fw_case_fill(&c);
	assert_int_equal(fw_open(&fw, CONF_FIREWALL_NONE, "", -1), 0);
	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(fw_case_install(&fw, &c.s, g, 2), 0);
	said = caught_log_end();
	assert_order(said, "would put these rules in place", ":     table inet postern {\n");
	assert_order(said, ":     table inet postern {\n", ":     chain input {\n");
	assert_order(said, ":     udp dport 53 accept\n", "would keep open");
	assert_lacks(said, ":     \n");
	first = strstr(said, "would keep open");
	assert_has(first, "owner=alice");
	assert_has(first, "owner=bob");
	assert_lacks(strstr(first, "owner=bob"), "would keep open");
	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(fw.ops->remove(&fw), 0);
	assert_has(caught_log_end(), "dry run: would take all rules away");
	c.settings.mark = 0;
	assert_int_equal(fw_case_install(&fw, &c.s, g, 2), -EINVAL);
	fw_close(&fw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_word_of_it),
	    cmocka_unit_test(one_chain_alone),
	    cmocka_unit_test(policies_have_sets_and_a_chain),
	    cmocka_unit_test(names_follow_the_ports),
	    cmocka_unit_test(twins_share),
	    cmocka_unit_test(the_mark_goes_with_a_grant),
	    cmocka_unit_test(the_hook_by_settings),
	    cmocka_unit_test(the_guard_by_settings),
	    cmocka_unit_test(connections_by_settings),
	    cmocka_unit_test(one_interface_alone),
	    cmocka_unit_test(networks_of_both_kinds),
	    cmocka_unit_test(odd_numbers_are_refused),
	    cmocka_unit_test(a_mark_is_one_bit),
	    cmocka_unit_test(without_memory),
	    cmocka_unit_test(none_does_nothing_and_cannot_fail),
	    cmocka_unit_test(what_there_is_none_of_is_not_opened),
	    cmocka_unit_test(none_says_what_it_would_do),
	    cmocka_unit_test(none_says_which_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
