/* What postern-doctor makes of what cannot be made on purpose: clocks, and a full table; and of
 * what iptables prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "doctor/clock.h"
#include "doctor/kernel.h"
#include "doctor/legacy_save.h"
#include "doctor/remedy.h"

#define NOW (1800000000 * NS_PER_SECOND)

static struct clock_facts well(void)
{
	return (struct clock_facts){.now_ns = NOW,
	    .not_before_ns = NOW - 1,
	    .window_ns = 60 * NS_PER_SECOND,
	    .error_ns = 16 * NS_PER_SECOND,
	    .synchronised = true};
}

static void assert_judged(const struct clock_facts *f, enum finding expected, const char *text)
{
	struct clock_judgement j = clock_judge(f);

	assert_int_equal(j.what, expected);
	assert_non_null(strstr(j.text, text));
	assert_int_equal(j.remedy == NULL, expected == FINDING_OK);
}

static void a_clock_that_is_right(void **state)
{
	struct clock_facts f = well();

	(void)state;
	assert_judged(&f, FINDING_OK, "kept right");
	f.error_ns = f.window_ns;
	assert_judged(&f, FINDING_OK, "kept right");
}

static void a_clock_that_nothing_keeps(void **state)
{
	struct clock_facts f = well();

	(void)state;
	f.synchronised = false;
	assert_judged(&f, FINDING_WARNING, "nothing keeps it right");
}

static void a_clock_that_may_be_off(void **state)
{
	struct clock_facts f = well();

	(void)state;
	f.error_ns = f.window_ns + 1;
	assert_judged(&f, FINDING_WARNING, "may be off");
}

/* Files are dated by a coarser clock: a minute is nothing. */
static void a_clock_that_was_set_back(void **state)
{
	struct clock_facts f = well();

	(void)state;
	f.not_before_ns = NOW + 60 * NS_PER_SECOND;
	assert_judged(&f, FINDING_OK, "kept right");
	f.not_before_ns++;
	assert_judged(&f, FINDING_PROBLEM, "over already");
	f.now_ns = 0; /* as without a battery */
	f.synchronised = false;
	assert_judged(&f, FINDING_PROBLEM, "over already");
}

static void a_table_of_connections(void **state)
{
	(void)state;
	assert_int_equal(connections_judge(0, 262144), FINDING_OK);
	assert_int_equal(connections_judge(800, 1000), FINDING_OK);
	assert_int_equal(connections_judge(801, 1000), FINDING_WARNING);
	assert_int_equal(connections_judge(950, 1000), FINDING_WARNING);
	assert_int_equal(connections_judge(951, 1000), FINDING_PROBLEM);
	assert_int_equal(connections_judge(1000, 1000), FINDING_PROBLEM);
	assert_int_equal(connections_judge(5, 0), FINDING_OK); /* without a limit */
	assert_int_equal(connections_judge(UINT64_MAX, UINT64_MAX), FINDING_PROBLEM);
}

/* As a line each, and what was told of them. */
static char told[1024];

static void note(void *context, const struct legacy_rule *r)
{
	size_t used = strlen(told);

	(void)context;
	snprintf(told + used, sizeof told - used, "%s %s %s%s %u/%u-%u%s %x/%x\n", r->table,
	    r->chain, r->policy ? "policy " : "", r->target, r->ports.protocol, r->ports.first,
	    r->ports.last, r->narrow ? " narrow" : "", r->mark, r->mark_mask);
}

static void assert_read(const char *line, const char *expected)
{
	char text[512];

	snprintf(text, sizeof text, "# by somebody\n*filter\n%s\nCOMMIT\n", line);
	told[0] = '\0';
	legacy_save_read(text, note, NULL);
	assert_string_equal(told, expected);
}

static void rules_of_legacy_iptables(void **state)
{
	(void)state;
	assert_read(":INPUT DROP [0:0]", "filter INPUT policy DROP 0/0-65535 0/0\n");
	assert_read(":own - [7:8]", "filter own policy - 0/0-65535 0/0\n");
	assert_read("-A INPUT -j DROP", "filter INPUT DROP 0/0-65535 0/0\n");
	assert_read(
	    "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "filter INPUT ACCEPT 6/22-22 0/0\n");
	assert_read("-A INPUT -p udp --dport 7:99999 -g own", "filter INPUT own 17/7-65535 0/0\n");
	assert_read("-A INPUT -p sctp --dport 7 -j ACCEPT", "filter INPUT ACCEPT 255/7-7 0/0\n");
	assert_read("-A INPUT -p tcp -m multiport --dports 22,80:90 -j DNAT --to-destination :22",
	    "filter INPUT DNAT 6/22-22 0/0\nfilter INPUT DNAT 6/80-90 0/0\n");
	assert_read(
	    "-A INPUT -m mark --mark 0x40/0x60 -j ACCEPT", "filter INPUT ACCEPT 0/0-65535 40/60\n");
	assert_read("-A INPUT -m connmark --mark 0x40 -j ACCEPT",
	    "filter INPUT ACCEPT 0/0-65535 narrow 0/0\n");
	assert_read(
	    "-A INPUT -p tcp ! --dport 22 -j ACCEPT", "filter INPUT ACCEPT 6/0-65535 narrow 0/0\n");
	assert_read("-A INPUT -m state --state NEW -s 192.0.2.0/24 -j ACCEPT",
	    "filter INPUT ACCEPT 0/0-65535 narrow 0/0\n");
	assert_read(
	    "-A INPUT -m conntrack --ctstate NEW -j ACCEPT", "filter INPUT ACCEPT 0/0-65535 0/0\n");
	assert_read("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
	    "filter INPUT ACCEPT 0/0-65535 narrow 0/0\n");
	/* What somebody has written beside it is none of it. */
	assert_read("-A INPUT -m comment --comment \"a \\\"b\\\" -j DROP --dport 1\" -j ACCEPT",
	    "filter INPUT ACCEPT 0/0-65535 0/0\n");
}

static void lines_that_are_none(void **state)
{
	static const char *const lines[] = {
	    "", "A", "-N own", "-Anything", "COMMIT", "[0:0] -A INPUT"};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		assert_read(lines[i], "");
	assert_read("-A ", "filter   0/0-65535 0/0\n");
	assert_read(":", "filter  policy  0/0-65535 0/0\n");
	assert_read("-A INPUT -m", "filter INPUT  0/0-65535 0/0\n");
	assert_read("-A INPUT --dport", "");
	assert_read("-A INPUT -j", "filter INPUT  0/0-65535 0/0\n");
	assert_read("-A INPUT --comment \"no end", "filter INPUT  0/0-65535 0/0\n");
	assert_read("-A INPUT --comment \"no end\\", "filter INPUT  0/0-65535 0/0\n");
}

static void assert_said(const char *remedy, enum service_manager manager, const char *expected)
{
	char text[REMEDY_BYTES];

	assert_string_equal(remedy_for(remedy, manager, text), expected);
}

static void what_starts_services_here(void **state)
{
	const char *both = "name one that is there, then: systemctl restart postern-guard posternd";
	const char *then = "systemctl unmask posternd.service && systemctl enable posternd.service";
	char text[REMEDY_BYTES];

	(void)state;
	assert_said(both, MANAGER_SYSTEMD, both);
	assert_said(both, MANAGER_OPENRC,
	    "name one that is there, then: rc-service postern-guard restart && "
	    "rc-service posternd restart");
	assert_said("systemctl restart posternd", MANAGER_SCRIPTS, "/etc/init.d/posternd restart");
	assert_said("systemctl start posternd", MANAGER_NONE, "start posternd");
	assert_said("systemctl enable --now postern-guard", MANAGER_OPENRC,
	    "rc-update add postern-guard && rc-service postern-guard start");
	assert_said("systemctl enable --now postern-guard", MANAGER_SCRIPTS,
	    "/etc/init.d/postern-guard enable && /etc/init.d/postern-guard start");
	assert_said("systemctl stop posternd (see below)", MANAGER_SCRIPTS,
	    "/etc/init.d/posternd stop (see below)");
	assert_said(then, MANAGER_SYSTEMD, then);
	assert_said("sudo postern doctor", MANAGER_OPENRC, "sudo postern doctor");
	assert_said("systemctl", MANAGER_OPENRC, "systemctl");
	assert_null(remedy_for(NULL, MANAGER_OPENRC, text));
}

/* Rather systemd's words than half a command. */
static void a_remedy_that_is_too_long(void **state)
{
	char remedy[REMEDY_BYTES + 64], text[REMEDY_BYTES];

	(void)state;
	memset(remedy, 'x', sizeof remedy);
	snprintf(remedy + REMEDY_BYTES, 64, " systemctl restart posternd");
	assert_ptr_equal(remedy_for(remedy, MANAGER_OPENRC, text), remedy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_clock_that_is_right),
	    cmocka_unit_test(a_clock_that_nothing_keeps),
	    cmocka_unit_test(a_clock_that_may_be_off),
	    cmocka_unit_test(a_clock_that_was_set_back),
	    cmocka_unit_test(a_table_of_connections),
	    cmocka_unit_test(rules_of_legacy_iptables),
	    cmocka_unit_test(lines_that_are_none),
	    cmocka_unit_test(what_starts_services_here),
	    cmocka_unit_test(a_remedy_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
