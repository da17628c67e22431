/* The nft back-end against the real kernel, in a network namespace of this process alone. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulated.h"
#include "fw_bench.h"

#define PASS_RULE "postern: let granted packets by"

static size_t pass_rules(void)
{
	char *text = fw_bench_listing("list ruleset");
	size_t count = fw_bench_count(text, PASS_RULE);

	free(text);
	return count;
}

static void install(struct fw_bench *b)
{
	assert_int_equal(fw_case_install(&b->fw, &b->c.s, NULL, 0), 0);
}

static int held(struct fw_bench *b)
{
	return fw_bench_held(b, false, b->found);
}

static void grant_one(struct fw_bench *b, const char *address, uint32_t policy, uint64_t ms)
{
	struct fw_case_element g = fw_case_grant(address, policy, ms, "alice");

	assert_int_equal(fw_case_open(&b->fw, &g, 1), 0);
}

static void grants_of_both_families(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g[] = {fw_case_grant("192.0.2.1", 0, 600000, "alice"),
	    fw_case_grant("2001:db8::1", 1, 600000, "bob.b-b@host_1")};
	char *text;

	install(b);
	assert_int_equal(fw_case_open(&b->fw, g, 2), 0);
	assert_int_equal(held(b), 2);
	for (int i = 0; i < 2; i++) {
		assert_true(addr_equal(&b->found[i].address, &g[i].address));
		assert_int_equal(b->found[i].policy, g[i].policy);
		assert_string_equal(b->found[i].owner, g[i].owner);
		assert_in_range(b->found[i].timeout_ms, 1, 600000);
	}
	text = fw_bench_listing("list table inet postern");
	assert_non_null(strstr(text, "comment \"bob.b-b@host_1\""));
	free(text);
}

static void a_refresh_sets_the_time_anew(void **state)
{
	struct fw_bench *b = *state;

	install(b);
	grant_one(b, "192.0.2.1", 0, 60000);
	grant_one(b, "192.0.2.1", 0, 600000);
	assert_int_equal(held(b), 1);
	assert_in_range(b->found[0].timeout_ms, 60001, 600000);
	grant_one(b, "192.0.2.1", 0, 30000);
	assert_int_equal(held(b), 1);
	assert_in_range(b->found[0].timeout_ms, 1, 30000);
}

static void the_same_again_is_a_refresh_too(void **state)
{
	struct fw_bench *b = *state;
	uint64_t before;

	install(b);
	grant_one(b, "192.0.2.1", 0, 60000);
	usleep(200000);
	assert_int_equal(held(b), 1);
	before = b->found[0].timeout_ms;
	grant_one(b, "192.0.2.1", 0, 60000);
	assert_int_equal(held(b), 1);
	assert_true(b->found[0].timeout_ms > before);
}

/* Beside one that is new, and one that comes twice. */
static void what_is_taken_for_closed_is_refreshed(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element e[3];

	install(b);
	grant_one(b, "192.0.2.1", 0, 60000);
	e[0] = fw_case_grant("192.0.2.2", 0, 600000, "alice");
	e[1] = fw_case_grant("192.0.2.1", 0, 600000, "alice");
	e[2] = e[0];
	for (int i = 0; i < 3; i++)
		e[i].fresh = true;
	assert_int_equal(fw_case_open(&b->fw, &e[0], 1), 0);
	assert_int_equal(held(b), 2);
	assert_int_equal(fw_case_open(&b->fw, e, 3), 0);
	assert_int_equal(held(b), 2);
	for (int i = 0; i < 2; i++)
		assert_in_range(b->found[i].timeout_ms, 60001, 600000);
}

static void the_kernel_ends_grants(void **state)
{
	struct fw_bench *b = *state;
	int left = 1;

	install(b);
	grant_one(b, "192.0.2.1", 0, 50);
	fw_close(&b->fw); /* as if killed */
	for (int i = 0; i < 1000 && left > 0; i++) {
		usleep(10000);
		left = held(b);
	}
	assert_int_equal(left, 0);
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
}

static void revoking_twice_is_fine(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("2001:db8::1", 0, 600000, "alice");

	install(b);
	grant_one(b, "2001:db8::1", 0, 600000);
	grant_one(b, "192.0.2.1", 0, 600000);
	assert_int_equal(fw_case_close(&b->fw, &g), 0);
	assert_int_equal(fw_case_close(&b->fw, &g), 0);
	assert_int_equal(held(b), 1);
}

static void installing_keeps_what_is_live_and_nothing_else(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element live[] = {fw_case_grant("192.0.2.1", 1, 600000, "alice"),
	    fw_case_grant("2001:db8::1", 0, 600000, "bob"),
	    fw_case_grant("192.0.2.1", 1, 5000, "carol")};

	install(b);
	grant_one(b, "192.0.2.9", 0, 600000);
	fw_case_swap(&b->c);
	assert_int_equal(fw_case_install(&b->fw, &b->c.s, live, 3), 0);
	assert_int_equal(held(b), 2);
	assert_int_equal(b->found[0].policy, 0);
	assert_string_equal(b->found[0].owner, "bob");
	assert_string_equal(b->found[1].owner, "alice");
	assert_in_range(b->found[1].timeout_ms, 5001, 600000);
	/* and the index of a policy now means another set */
	grant_one(b, "192.0.2.7", 0, 600000);
	fw_case_fill(&b->c);
	assert_int_equal(held(b), 3);
}

/* A successor finds grants by what they open, not by where the policy stood; what others put into
 * the sets is not taken for a grant. */
static void adopting_by_policy(void **state)
{
	struct fw_bench *b = *state;

	assert_int_equal(held(b), 0);
	install(b);
	grant_one(b, "192.0.2.1", 1, 600000);
	fw_case_swap(&b->c);
	assert_int_equal(held(b), 1);
	assert_int_equal(b->found[0].policy, 0);
	b->c.ports[3].last = 444;
	assert_int_equal(held(b), 0);
}

static void strangers_in_our_sets_are_not_adopted(void **state)
{
	struct fw_bench *b = *state;
	char *text, *name, command[128];

	install(b);
	text = fw_bench_listing("list table inet postern");
	name = strstr(text, "g_");
	name[strlen("g_0123456789abcdef_4")] = '\0';
	snprintf(command, sizeof command,
	    "add element inet postern %s { 192.0.2.1, 192.0.2.2 timeout 1h, "
	    "192.0.2.3 timeout 1h comment \"a b\" }",
	    name);
	fw_bench_does(command);
	free(text);
	assert_int_equal(held(b), 0);
}

static void odd_grants_open_nothing(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element good = fw_case_grant("192.0.2.1", 0, 1000, "alice");
	struct fw_case_element bad[][2] = {{good, fw_case_grant("192.0.2.2", 0, 1000, "a\"b")},
	    {good, fw_case_grant("192.0.2.2", 0, 0, "bob")},
	    {good, fw_case_grant("192.0.2.2", 3, 1000, "bob")}};

	assert_int_equal(fw_case_open(&b->fw, &good, 1), -EINVAL); /* nothing installed yet */
	install(b);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(fw_case_open(&b->fw, bad[i], 2), -EINVAL);
	assert_int_equal(held(b), 0);
}

static void many_at_once(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g[400];

	install(b);
	for (unsigned int i = 0; i < 400; i++) {
		char address[32];

		snprintf(address, sizeof address, "2001:db8::%x", i + 1);
		g[i] = fw_case_grant(address, 0, 600000,
		    "a-name-as-long-as-a-name-can-be-0123456789-0123456789-012345678");
	}
	assert_int_equal(fw_case_open(&b->fw, g, 400), 0);
	assert_int_equal(held(b), 400);
	assert_int_equal(fw_case_open(&b->fw, g, 0), 0);
}

/* The kernel refuses the second of two, so the first must not open either; and the answers to the
 * bad transaction must not be taken for those of the next. */
static void a_transaction_fails_as_a_whole(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g[] = {fw_case_grant("192.0.2.1", 0, 600000, "alice"),
	    fw_case_grant("192.0.2.2", 1, 600000, "bob")};
	char *text, *first, command[256];

	install(b);
	text = fw_bench_listing("list table inet postern");
	first = strstr(text, "g_"); /* of policy 0 */
	first[strlen("g_0123456789abcdef_4")] = '\0';
	snprintf(command, sizeof command,
	    "delete table inet postern; table inet postern { comment \"%s\"; set %s { type "
	    "ipv4_addr; flags timeout; size 65536; }; }",
	    fw_bench_boot(), first);
	free(text);
	fw_bench_does(command);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fw_case_open(&b->fw, g, 2), -ENOENT);
		assert_int_equal(held(b), 0);
	}
	assert_int_equal(fw_case_open(&b->fw, g, 1), 0);
	assert_int_equal(held(b), 1);
	fw_bench_does("flush ruleset");
	assert_int_equal(fw_case_open(&b->fw, g, 1), -ENOENT);
	assert_int_equal(fw_case_close(&b->fw, g), 0);
}

/* Hosts of many habits; the number is of our rules they need. */
static const struct {
	const char *text;
	size_t automatic, every;
} hosts[] = {
    {"table inet filter { chain input { type filter hook input priority 0; policy drop; "
     "ct state established accept; iif lo accept; }; }",
        1, 1},
    {"table ip filter { chain INPUT { type filter hook input priority 0; policy accept; "
     "counter drop; }; }; table ip6 filter { chain INPUT { type filter hook input priority 0; "
     "policy accept; log reject; }; }",
        2, 2},
    {"table inet fw { chain last { counter reject; }; chain mid { tcp dport 1 drop; goto last; }; "
     "chain in { type filter hook input priority 10; policy accept; counter jump mid; }; }",
        1, 1},
    {"table inet fw { chain in { type filter hook input priority 10; policy accept; "
     "tcp dport 23 drop; }; }",
        0, 1},
    /* earlier than ours, not filtering, another hook, another family */
    {"table inet fw { chain in { type filter hook input priority -10; policy drop; }; "
     "chain through { type filter hook forward priority 0; policy drop; }; "
     "chain turn { type nat hook input priority 100; policy accept; }; }; "
     "table arp fw { chain in { type filter hook input priority 0; policy drop; }; }",
        0, 0},
};

static void with_the_host(
    struct fw_bench *b, const char *host, enum conf_host_chains which, size_t expected)
{
	char *before, *after, *head;

	fw_bench_does("flush ruleset");
	fw_bench_does(host);
	before = fw_bench_listing("list ruleset");
	b->c.settings.host_chains = (uint8_t)which;
	install(b);
	install(b);
	assert_int_equal(pass_rules(), expected);
	assert_false(b->fw.ops->disturbed(&b->fw));
	head = fw_bench_listing("list ruleset");
	if (expected == 1)
		assert_non_null(strstr(
		    head, "meta mark & 0x00100000 == 0x00100000 accept comment \"" PASS_RULE "\""));
	free(head);
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	after =
	    fw_bench_listing("list ruleset"); /* with handles: not even put back, but untouched */
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void host_chains_get_one_rule(void **state)
{
	struct fw_bench *b = *state;

	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		with_the_host(b, hosts[i].text, CONF_HOST_CHAINS_AUTO, hosts[i].automatic);
		with_the_host(b, hosts[i].text, CONF_HOST_CHAINS_ALL, hosts[i].every);
		with_the_host(b, hosts[i].text, CONF_HOST_CHAINS_NONE, 0);
	}
}

static void our_rule_stands_at_the_head(void **state)
{
	struct fw_bench *b = *state;
	char *text;

	fw_bench_does(hosts[1].text);
	install(b);
	text = fw_bench_listing("list table ip filter");
	assert_true(strstr(text, PASS_RULE) < strstr(text, "drop #"));
	free(text);
}

static void another_mark_replaces_the_rule(void **state)
{
	struct fw_bench *b = *state;
	char *text;

	fw_bench_does(hosts[0].text);
	install(b);
	b->c.settings.mark = 0x40;
	install(b);
	assert_int_equal(pass_rules(), 1);
	text = fw_bench_listing("list table inet filter");
	assert_non_null(strstr(text, "meta mark & 0x00000040 == 0x00000040 accept"));
	free(text);
	b->c.settings.host_chains = CONF_HOST_CHAINS_NONE;
	install(b);
	assert_int_equal(pass_rules(), 0);
}

/* Rules with a mark or a comment that are nearly ours are somebody else's. */
static void near_twins_are_left_alone(void **state)
{
	struct fw_bench *b = *state;

	with_the_host(b,
	    "table inet filter { chain input { type filter hook input priority 0; "
	    "policy drop; meta mark & 0x00100000 == 0x00100000 accept; "
	    "accept comment \"postern: let granted packets BY\"; "
	    "accept comment \"postern: let granted packets by.\"; }; }",
	    CONF_HOST_CHAINS_AUTO, 2); /* the longer comment holds ours */
}

static void removing_twice_is_fine(void **state)
{
	struct fw_bench *b = *state;
	char *text;

	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	install(b);
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	text = fw_bench_listing("list ruleset");
	assert_string_equal(text, "");
	free(text);
}

static bool awake(struct fw_bench *b)
{
	struct pollfd p = {.fd = b->fw.ops->watch(&b->fw), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void disturbance(struct fw_bench *b, const char *what, bool expected)
{
	install(b);
	assert_false(b->fw.ops->disturbed(&b->fw));
	assert_false(awake(b));
	fw_bench_does(what);
	assert_true(awake(b));
	if (b->fw.ops->disturbed(&b->fw) != expected)
		fail_msg("%s", what);
	assert_false(awake(b));
	if (expected)
		install(b);
	assert_false(b->fw.ops->disturbed(&b->fw));
}

static void what_others_do_is_noticed(void **state)
{
	struct fw_bench *b = *state;

	disturbance(b, "flush ruleset", true);
	disturbance(b, "delete table inet postern", true);
	disturbance(b, "flush chain inet postern input", true);
	disturbance(b, "insert rule inet postern input accept", true);
	disturbance(b, "add chain inet postern input { policy drop; }", true);
	disturbance(b, "add table inet postern { flags dormant; }", true);
	disturbance(b, "add table inet unrelated", false);
	disturbance(b, "table ip x { chain in { type filter hook input priority 0; }; }", false);
	disturbance(b, hosts[0].text, false); /* but it gets our rule */
	assert_int_equal(pass_rules(), 1);
	disturbance(b, "flush chain inet filter input", false);
	assert_int_equal(pass_rules(), 1);
	disturbance(b, "add rule inet filter input tcp dport 22 accept", false);
	disturbance(b, "flush table inet filter", false);
	assert_int_equal(pass_rules(), 1);
	disturbance(b,
	    "flush ruleset; table inet filter { chain input { type filter hook input "
	    "priority 0; policy drop; }; }",
	    true);
}

/* As many rules as before, and one of them another. */
static void a_replaced_rule_is_noticed(void **state)
{
	struct fw_bench *b = *state;
	char *text, command[128];
	unsigned int handle;

	install(b);
	text = fw_bench_listing("list chain inet postern input");
	assert_int_equal(
	    sscanf(strstr(text, "managed ports"), "managed ports, no grant\" # handle %u", &handle),
	    1);
	free(text);
	snprintf(
	    command, sizeof command, "replace rule inet postern input handle %u accept", handle);
	fw_bench_does(command);
	assert_true(b->fw.ops->disturbed(&b->fw));
}

static void our_own_grants_wake_nobody(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");

	assert_false(b->fw.ops->disturbed(&b->fw));
	install(b);
	b->fw.ops->disturbed(&b->fw);
	for (int i = 0; i < 100; i++)
		grant_one(b, "192.0.2.1", 0, 600000);
	assert_int_equal(fw_case_close(&b->fw, &g), 0);
	assert_false(awake(b));
	assert_false(b->fw.ops->disturbed(&b->fw));
}

/* As many notices as the socket holds are read to their end. */
static void a_flood_of_changes_is_survived(void **state)
{
	struct fw_bench *b = *state;

	install(b);
	for (int i = 0; i < 600; i++)
		fw_bench_does(i % 2 == 0 ? "add table ip flood" : "delete table ip flood");
	assert_false(b->fw.ops->disturbed(&b->fw));
	assert_false(awake(b));
	fw_bench_does("delete table inet postern");
	assert_true(b->fw.ops->disturbed(&b->fw));
}

/* More than it holds, and the one about us is among those that are lost. */
static void what_was_lost_may_have_been_about_us(void **state)
{
	struct fw_bench *b = *state;
	int least = 1;

	install(b);
	assert_false(b->fw.ops->disturbed(&b->fw));
	assert_int_equal(
	    setsockopt(b->fw.ops->watch(&b->fw), SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
	for (int i = 0; i < 40; i++)
		fw_bench_does(i % 2 == 0 ? "add table ip flood" : "delete table ip flood");
	fw_bench_does("delete table inet postern");
	assert_true(b->fw.ops->disturbed(&b->fw));
	install(b);
	assert_false(b->fw.ops->disturbed(&b->fw));
}

static void a_bad_reload_leaves_the_old_rules(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case bad;
	char *before, *after;

	fw_bench_does(hosts[0].text);
	install(b);
	before = fw_bench_listing("list ruleset");
	fw_case_swap(&bad);
	bad.ports[0].first = 0;
	assert_int_equal(fw_case_install(&b->fw, &bad.s, NULL, 0), -EINVAL);
	after = fw_bench_listing("list ruleset");
	assert_string_equal(before, after);
	assert_false(b->fw.ops->disturbed(&b->fw));
	free(before);
	free(after);
	grant_one(b, "192.0.2.1", 1, 600000);
	assert_int_equal(held(b), 1);
	assert_int_equal(b->found[0].policy, 1);
}

static void every_shape_of_rule_set_loads(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g[] = {fw_case_grant("255.1.2.3", 0, 1, "alice"),
	    fw_case_grant("::1.2.3.4", 1, UINT32_MAX, "bob")};

	assert_true(cidr_parse(&b->c.cidrs[0], "0.0.0.0/0"));
	assert_true(cidr_parse(&b->c.cidrs[1], "::/0"));
	assert_true(cidr_parse(&b->c.cidrs[2], "10.0.0.0/8"));
	assert_true(cidr_parse(&b->c.cidrs[3], "2001:db8::1"));
	b->c.ports[4] = (struct ports){6, 0, 1, 65535};
	b->c.ports[5] = (struct ports){17, 0, 53, 60};
	for (unsigned int i = 0; i < 32; i++) {
		b->c.settings.guard = i & 1;
		b->c.settings.established = i >> 1 & 1;
		b->c.settings.drop_ports = i >> 2 & 1;
		b->c.settings.open_knock_port = i >> 3 & 1;
		snprintf(b->c.settings.interface, sizeof b->c.settings.interface, "%s",
		    i >> 4 & 1 ? "eth0" : "");
		b->c.settings.guard_allow_ports = (struct span){0, i & 4};
		b->c.settings.guard_allow_networks = (struct span){0, i & 4};
		b->c.settings.managed_ports = (struct span){0, 6}; /* with overlaps */
		b->c.settings.priority = i & 2 ? -400 : 5;
		assert_int_equal(fw_case_install(&b->fw, &b->c.s, g, 2), 0);
		assert_false(b->fw.ops->disturbed(&b->fw));
	}
}

/* iptables must still be able to read its own chains. */
static void iptables_reads_its_chains(void **state)
{
	struct fw_bench *b = *state;
	char line[256], *pass = NULL;
	FILE *save;
	int status;

	if (system(
	        "iptables-nft -P INPUT DROP && iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT") !=
	    0)
		skip();
	install(b);
	save = popen("iptables-nft-save", "r");
	assert_non_null(save);
	while (fgets(line, sizeof line, save) != NULL) {
		if (pass == NULL && strstr(line, PASS_RULE) != NULL)
			pass = strdup(line);
	}
	status = pclose(save);
	assert_int_equal(status, 0);
	assert_non_null(pass);
	assert_non_null(
	    strstr(pass == NULL ? "" : pass, "-A INPUT -m mark --mark 0x100000/0x100000"));
	assert_non_null(strstr(pass, "-j ACCEPT"));
	free(pass);
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	assert_int_equal(pass_rules(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FW_TEST(grants_of_both_families),
	    FW_TEST(a_refresh_sets_the_time_anew),
	    FW_TEST(the_same_again_is_a_refresh_too),
	    FW_TEST(what_is_taken_for_closed_is_refreshed),
	    FW_TEST(the_kernel_ends_grants),
	    FW_TEST(revoking_twice_is_fine),
	    FW_TEST(installing_keeps_what_is_live_and_nothing_else),
	    FW_TEST(adopting_by_policy),
	    FW_OLD_TEST(strangers_in_our_sets_are_not_adopted),
	    FW_TEST(odd_grants_open_nothing),
	    FW_TEST(many_at_once),
	    FW_OLD_TEST(a_transaction_fails_as_a_whole),
	    FW_TEST(host_chains_get_one_rule),
	    FW_TEST(our_rule_stands_at_the_head),
	    FW_TEST(another_mark_replaces_the_rule),
	    FW_TEST(near_twins_are_left_alone),
	    FW_TEST(removing_twice_is_fine),
	    FW_OLD_TEST(what_others_do_is_noticed),
	    FW_OLD_TEST(a_replaced_rule_is_noticed),
	    FW_TEST(our_own_grants_wake_nobody),
	    FW_OLD_TEST(a_flood_of_changes_is_survived),
	    FW_OLD_TEST(what_was_lost_may_have_been_about_us),
	    FW_TEST(a_bad_reload_leaves_the_old_rules),
	    FW_TEST(every_shape_of_rule_set_loads),
	    FW_TEST(iptables_reads_its_chains),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, fw_bench_enter, NULL);
}
