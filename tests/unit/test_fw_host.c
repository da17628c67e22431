/* What becomes of the host's own input chains, whatever they are like, and what is said of it. */
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
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "caught_log.h"
#include "emulated.h"
#include "fw/hold.h"
#include "fw/nft.h"
#include "fw_bench.h"
#include "short_memory.h"

#define PASS    "postern: let granted packets by"
#define LETTING "letting granted packets by"
#define EARLIER "drops packets before ours sees them"
#define OWNER   "only its table's owner can change it"

static struct nft_link l;
static struct nft_host host;
static unsigned int waits;

int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);

int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
	waits++;
	return __real_poll(fds, count, ms);
}

static int enter(void **state)
{
	host = (struct nft_host){.mark = CASE_MARK, .priority = -1, .which = CONF_HOST_CHAINS_AUTO};
	return fw_bench_setup(state) != 0 ? -1 : nft_link_open(&l, -1);
}

static int enter_old(void **state)
{
	return fw_bench_setup_old(state) != 0 ? -1 : nft_link_open(&l, -1);
}

static int leave(void **state)
{
	nft_link_close(&l);
	fw_bench_tear(0, 0);
	return fw_bench_teardown(state);
}

static size_t in_ruleset(const char *part)
{
	char *text = fw_bench_listing("list ruleset");
	size_t count = fw_bench_count(text, part);

	free(text);
	return count;
}

/* How many rules of ours there are then; what was said is in caught_log. */
static const char *said;

static size_t settled_with(void (*more)(struct nft_link *l))
{
	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(nft_host_settle(&l, &host, more), 0);
	said = caught_log_end();
	return in_ruleset(PASS);
}

static size_t settled(void)
{
	return settled_with(NULL);
}

static size_t settled_host(const char *text)
{
	fw_bench_does("flush ruleset");
	fw_bench_does(text);
	return settled();
}

static void which_chains_are_meant(void **state)
{
#define DROPS(family, name, type, hook, priority)                                               \
	"table " family " " name " { chain in { type " type " hook " hook " priority " priority \
	"; policy drop; }; }"
	static const struct {
		const char *text;
		size_t rules;
	} cases[] = {
	    {DROPS("inet", "fw", "filter", "input", "-1"), 1}, /* as ours */
	    {DROPS("inet", "fw", "filter", "input", "-2"), 0},
	    {DROPS("ip", "fw", "filter", "input", "0"), 1},
	    {DROPS("ip6", "fw", "filter", "input", "0"), 1},
	    {DROPS("bridge", "fw", "filter", "input", "0"), 0},
	    {DROPS("inet", "fw", "filter", "forward", "0"), 0},
	    {DROPS("inet", "fw", "filter", "output", "0"), 0},
	    {DROPS("ip", "postern", "filter", "input", "0"), 1}, /* ours is inet */
	    {DROPS("inet", "postern", "filter", "input", "0"), 0},
	    {"table inet fw { chain in { type nat hook input priority 100; policy accept; drop; }; }",
	        0},
	    {"table inet fw { chain in { drop; }; }", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (settled_host(cases[i].text) != cases[i].rules)
			fail_msg("%s", cases[i].text);
		assert_int_equal(fw_bench_count(said, LETTING), cases[i].rules);
		assert_int_equal(fw_bench_count(said, EARLIER), i == 1);
		assert_false(nft_host_lacks(&l, &host));
		assert_int_equal(settled(), cases[i].rules);
		assert_int_equal(fw_bench_count(said, LETTING), 0);
		host.which = CONF_HOST_CHAINS_ALL; /* all that are meant drop anyway */
		if (settled_host(cases[i].text) != cases[i].rules)
			fail_msg("all: %s", cases[i].text);
		host.which = CONF_HOST_CHAINS_AUTO;
	}
}

static void it_lacks_until_it_is_settled(void **state)
{
	(void)state;
	fw_bench_does(DROPS("inet", "fw", "filter", "input", "0"));
	assert_true(nft_host_lacks(&l, &host));
	host.which = CONF_HOST_CHAINS_NONE;
	assert_false(nft_host_lacks(&l, &host));
	assert_int_equal(settled(), 0);
	host.which = CONF_HOST_CHAINS_ALL;
	assert_int_equal(settled(), 1);
	assert_false(nft_host_lacks(&l, &host));
	host.which = CONF_HOST_CHAINS_NONE;
	assert_int_equal(settled(), 0);
	assert_string_equal(said, "");
}

/* A chain of so many that each jump to the next; the last one drops. */
static size_t settled_depth(int depth)
{
	char text[2048];
	size_t used = 0;

	fw_bench_does("flush ruleset");
	for (int i = depth; i > 0; i--)
		used += (size_t)snprintf(text + used, sizeof text - used,
		    i == depth ? "add chain inet fw c%d; add rule inet fw c%d drop; "
		               : "add chain inet fw c%d; add rule inet fw c%d jump c%d; ",
		    i, i, i + 1);
	snprintf(text + used, sizeof text - used,
	    "add chain inet fw in { type filter hook input priority 0; }; "
	    "add rule inet fw in jump c1;");
	fw_bench_does("add table inet fw");
	fw_bench_does(text);
	return settled();
}

static size_t settled_jumps(int count, int dropping)
{
	char text[2048];
	size_t used = (size_t)snprintf(text, sizeof text, "table inet fw { ");

	fw_bench_does("flush ruleset");
	for (int i = 1; i <= count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "chain c%d { %s }; ", i,
		    i == dropping ? "drop;" : "tcp dport 1 drop;");
	used += (size_t)snprintf(
	    text + used, sizeof text - used, "chain in { type filter hook input priority 0; ");
	for (int i = 1; i <= count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "jump c%d; ", i);
	snprintf(text + used, sizeof text - used, "}; }");
	fw_bench_does(text);
	return settled();
}

/* As far as we look; the rest counts as one that drops nothing. */
static void jumps_are_followed(void **state)
{
	(void)state;
	assert_int_equal(settled_depth(1), 1);
	assert_int_equal(settled_depth(8), 1);
	assert_int_equal(settled_depth(9), 0);
	assert_int_equal(settled_jumps(2, 1), 1);
	assert_int_equal(settled_jumps(8, 8), 1);
	assert_int_equal(settled_jumps(12, 9), 0);
	assert_int_equal(settled_jumps(12, 0), 0);
}

/* Left by somebody who copied our rule; so many go at once. */
static void more_of_ours_than_one(void **state)
{
	(void)state;
	fw_bench_does("add table inet fw; "
	              "add chain inet fw in { type filter hook input priority 0; policy drop; }");
	for (int i = 0; i < 12; i++)
		fw_bench_does("add rule inet fw in accept comment \"" PASS "\"");
	assert_int_equal(settled(), 12 - 8 + 1);
	assert_int_equal(settled(), 1);
	assert_false(nft_host_lacks(&l, &host));
	for (int i = 0; i < 2; i++)
		fw_bench_does("add rule inet fw in meta mark & 0x00100000 == 0x00100000 accept "
		              "comment \"" PASS "\"");
	assert_int_equal(settled(), 1);
}

static void a_listing_that_is_torn(void **state)
{
	(void)state;
	fw_bench_does(DROPS("inet", "fw", "filter", "input", "0"));
	fw_bench_tear(0, 8);
	assert_int_equal(nft_host_settle(&l, &host, NULL), -EINTR);
	fw_bench_tear(0, 8);
	assert_true(nft_host_lacks(&l, &host));
	assert_int_equal(in_ruleset(PASS), 0);
	fw_bench_tear(0, 7);
	assert_int_equal(settled(), 1);
	fw_bench_tear(0, 8);
	assert_true(nft_host_lacks(&l, &host)); /* not to be found out */
	fw_bench_tear(0, 7);
	assert_false(nft_host_lacks(&l, &host));
	fw_bench_tear(1, 8); /* with its chains, but not the rules in them */
	assert_true(nft_host_lacks(&l, &host));
	fw_bench_tear(1, 7);
	assert_false(nft_host_lacks(&l, &host));
	fw_bench_tear(0, 0);
}

static void a_chain_that_goes_meanwhile(void **state)
{
	(void)state;
	fw_bench_does(DROPS("inet", "fw", "filter", "input", "0"));
	fw_bench_does(DROPS("ip", "fw", "filter", "input", "0"));
	fw_bench_before_batch("delete table inet fw");
	assert_int_equal(settled(), 1);
	assert_int_equal(fw_bench_count(said, LETTING), 1);
}

static void what_comes_earlier_is_told_once(void **state)
{
	(void)state;
	assert_int_equal(settled_host(DROPS("inet", "fw", "filter", "input", "-2")), 0);
	assert_int_equal(fw_bench_count(said, EARLIER), 1);
	host.warned = true;
	settled();
	assert_int_equal(fw_bench_count(said, EARLIER), 0);
	host.warned = false;
	host.which = CONF_HOST_CHAINS_NONE;
	settled();
	assert_int_equal(fw_bench_count(said, EARLIER), 0);
	host.which = CONF_HOST_CHAINS_ALL;
	settled_host("table inet fw { chain in { type filter hook input priority -2; }; }");
	assert_int_equal(fw_bench_count(said, EARLIER), 0);
}

static void what_others_own_is_told_once(void **state)
{
	struct nft_link owner;

	(void)state;
	if (!fw_bench_has_owners())
		skip();
	fw_bench_does(DROPS("inet", "fw", "filter", "input", "0"));
	fw_bench_does("add table inet postern");
	assert_int_equal(nft_link_open(&owner, -1), 0);
	fw_bench_put_owned_chain(&owner);
	assert_int_equal(settled_with(nft_table_delete), 1);
	assert_int_equal(in_ruleset("table inet postern"), 0);
	assert_true(host.warned);
	assert_int_equal(fw_bench_count(said, LETTING), 1);
	assert_int_equal(fw_bench_count(said, "table=fw chain=in\n"), 1);
	assert_int_equal(fw_bench_count(said, OWNER), 1);
	assert_int_equal(fw_bench_count(said, "table=theirs chain=input\n"), 1);
	assert_int_equal(settled(), 1);
	assert_string_equal(said, "");
	assert_true(nft_host_lacks(&l, &host));
	nft_link_close(&owner);
	assert_int_equal(settled(), 1);
	assert_false(host.warned);
}

static struct nft_table looked(const char *boot)
{
	struct nft_table t;

	assert_int_equal(nft_table_look(&l, boot, &t), 0);
	return t;
}

static void what_the_table_says(void **state)
{
	(void)state;
	waits = 0;
	assert_false(looked("o").there);
	for (uint32_t flags = 0; flags <= 6; flags += 6) { /* nobody's, and ours */
		if (flags != 0 && !fw_bench_has_owners())
			break;
		nft_batch_begin(&l);
		nft_table_create(&l, flags, "o");
		assert_int_equal(nft_batch_commit(&l), 0);
		assert_true(looked("o").there && looked("").there && looked("x").there);
		assert_true(looked("o").this_boot);
		assert_false(looked("").this_boot || looked("x").this_boot);
		assert_int_equal(looked("o").owner, flags == 0 ? 0 : l.port);
		assert_int_equal(nft_table_wait(&l), 0);
		assert_int_equal(waits, 0);
		assert_int_equal(settled_with(nft_table_delete), 0);
		assert_false(looked("o").there);
	}
}

/* --- The same by the back-end, and what it makes of what others do to our table */

#define FAILED "cannot let granted packets by in the host's chains"
#define NO_FIB "CONFIG_NFT_FIB_INET"
#define MOST   64

static int installed(struct fw_bench *b)
{
	int err;

	caught_log_begin(LOG_LEVEL_INFO);
	err = fw_case_install(&b->fw, &b->c.s, NULL, 0);
	said = caught_log_end();
	return err;
}

static bool disturbed(struct fw_bench *b)
{
	bool is;

	caught_log_begin(LOG_LEVEL_INFO);
	is = b->fw.ops->disturbed(&b->fw);
	said = caught_log_end();
	return is;
}

static void put_chains(int count)
{
	char text[128 * (MOST + 1)] = "add table inet host";
	size_t used = strlen(text);

	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used,
		    "; add chain inet host c%d { type filter hook input priority 0; policy drop; }",
		    i);
	fw_bench_does(text);
}

static void what_fails_is_told_once(void **state)
{
	struct fw_bench *b = *state;

	for (int i = 0; i < 2; i++) {
		put_chains(MOST + 1);
		assert_int_equal(installed(b), 0);
		assert_int_equal(fw_bench_count(said, FAILED), 1);
		assert_int_equal(installed(b), 0);
		assert_false(disturbed(b));
		assert_string_equal(said, "");
		fw_bench_does("delete table inet host");
		assert_false(disturbed(b));
		assert_int_equal(installed(b), 0);
		assert_string_equal(said, "");
	}
	put_chains(MOST);
	assert_false(disturbed(b));
	assert_int_equal(fw_bench_count(said, LETTING), MOST);
	fw_bench_does("delete table inet host");
	fw_bench_does(DROPS("inet", "fw", "filter", "input", "0"));
	fw_bench_tear(0, 16); /* looked at, and settled */
	assert_false(disturbed(b));
	assert_string_equal(said, "");
	assert_false(disturbed(b));
	assert_int_equal(fw_bench_count(said, LETTING), 1);
}

static void what_comes_anew_is_told_anew(void **state)
{
	struct fw_bench *b = *state;

	if (!fw_bench_has_owners())
		skip();
	for (int i = 0; i < 2; i++) {
		struct nft_link owner;

		assert_int_equal(nft_link_open(&owner, -1), 0);
		fw_bench_put_owned_chain(&owner);
		if (i == 0)
			assert_int_equal(installed(b), 0);
		else
			assert_false(disturbed(b));
		assert_int_equal(fw_bench_count(said, OWNER), 1);
		assert_false(disturbed(b));
		assert_string_equal(said, "");
		nft_link_close(&owner);
		assert_false(disturbed(b));
	}
}

static void what_was_before_is_over(void **state)
{
	struct fw_bench *b = *state;

	assert_int_equal(installed(b), 0);
	fw_bench_does("insert rule inet postern input accept");
	assert_int_equal(installed(b), 0);
	assert_false(disturbed(b));
	fw_bench_does("insert rule inet postern input accept");
	b->c.settings.mark = 3;
	assert_int_equal(installed(b), -EINVAL);
	assert_int_equal(fw_bench_count(said, "cannot put the rule set in place"), 1);
	assert_int_equal(fw_bench_count(said, NO_FIB), 0);
	assert_true(disturbed(b)); /* it is there still */
	b->c.settings.mark = CASE_MARK;
	assert_int_equal(installed(b), 0);
	assert_false(disturbed(b));
}

/* As a kernel says that knows no such expression. */
static void the_likely_cause_is_named(void **state)
{
	struct fw_bench *b = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(installed(b), 0);
		fw_bench_before_batch("delete table inet postern");
		b->c.settings.hook = i == 0 ? CONF_HOOK_PREROUTING : CONF_HOOK_INPUT;
		assert_int_equal(installed(b), -ENOENT);
		assert_int_equal(fw_bench_count(said, NO_FIB), i == 0);
	}
}

static void closing_leaves_nothing_open(void **state)
{
	size_t before = fw_bench_descriptors();
	struct fw second;

	(void)state;
	assert_int_equal(fw_open(&second, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
	fw_close(&second);
	assert_null(second.ops);
	assert_int_equal(fw_bench_descriptors(), before);
}

/* Where the caller has closed its input, its number is like any other. */
static void the_first_descriptor_is_like_others(void **state)
{
	int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	int ours = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	struct fw second;

	(void)state;
	assert_true(input >= 0 && ours > 0);
	close(STDIN_FILENO);
	assert_int_equal(nft_watch_open(7), STDIN_FILENO);
	close(STDIN_FILENO);
	assert_int_equal(fw_open(&second, CONF_FIREWALL_NFT, FW_BENCH_BOOT, ours), 0);
	assert_int_equal(second.ops->watch(&second), STDIN_FILENO);
	fw_close(&second);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
	close(input);
}

/* Nobody else may listen; and no socket is left of the attempt. */
static void a_watch_that_is_refused(void **state)
{
	pid_t pid = fork();
	int status = 0;

	(void)state;
	if (pid == 0) {
		size_t before = fw_bench_descriptors();
		struct fw second;

		if (setresuid(65534, 65534, 65534) != 0)
			_exit(1);
		if (nft_watch_open(7) != -EPERM || fw_bench_descriptors() != before)
			_exit(2);
		if (fw_open(&second, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1) != -EPERM)
			_exit(3);
		if (fw_hold_open(FW_BENCH_BOOT) != NULL)
			_exit(4);
		_exit(fw_bench_descriptors() == before ? 0 : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int held(struct fw_bench *b)
{
	int count;

	caught_log_begin(LOG_LEVEL_INFO);
	count = fw_bench_held(b, false, b->found);
	said = caught_log_end();
	return count;
}

static void what_is_taken_over(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 1, 600000, "alice");

	assert_false(b->fw.ops->stands(&b->fw));
	assert_int_equal(held(b), 0);
	assert_string_equal(said, "");
	assert_int_equal(fw_case_install(&b->fw, &b->c.s, &g, 1), 0);
	b->c.s.policy_count = 1; /* what stands behind it is none */
	assert_int_equal(held(b), 0);
	b->c.s.policy_count = 2;
	assert_int_equal(held(b), 1);
	assert_string_equal(said, "");
	fw_close(&b->fw);
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, "another", -1), 0);
	assert_int_equal(held(b), 0);
	assert_int_equal(fw_bench_count(said, "it is not of this boot"), 1);
}

static void what_fails_is_said(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");

	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(fw_case_open(&b->fw, &g, 1), -EINVAL);
	said = caught_log_end();
	assert_int_equal(fw_bench_count(said, "cannot change what is open"), 1);
	assert_int_equal(installed(b), 0);
	fw_bench_tear(0, 8);
	assert_int_equal(held(b), -EINTR);
	assert_int_equal(fw_bench_count(said, "cannot read what a predecessor left open"), 1);
	fw_bench_tear(0, 8);
	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(b->fw.ops->remove(&b->fw), -EINTR);
	said = caught_log_end();
	assert_int_equal(fw_bench_count(said, "cannot take the rule set away"), 1);
	assert_int_equal(fw_case_open(&b->fw, &g, 1), 0);
}

static void change_much(const char *table)
{
	enum { RULES = 3000 };
	static char text[64 * RULES];
	size_t used = (size_t)sprintf(text, "add table ip %s; add chain ip %s c;", table, table);

	for (int i = 0; i < RULES; i++)
		used += (size_t)sprintf(text + used, "add rule ip %s c accept;", table);
	fw_bench_does(text);
}

/* As long as all notices are read, they are known to be about others. */
static void what_was_lost_may_have_been_about_us(void **state)
{
	struct fw_bench *b = *state;
	int least = 1;

	assert_int_equal(installed(b), 0);
	change_much("one");
	assert_false(disturbed(b));
	assert_int_equal(
	    setsockopt(b->fw.ops->watch(&b->fw), SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
	change_much("two");
	assert_true(disturbed(b));
}

/* Whatever there is no memory for: the rules of before stay. */
static void without_memory(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");
	struct fw second;
	size_t nth;

	assert_int_equal(fw_case_install(&b->fw, &b->c.s, &g, 1), 0);
	for (nth = 1;; nth++) {
		short_memory(nth);
		if (installed(b) == 0)
			break;
		short_memory(0);
		assert_int_equal(fw_bench_held(b, false, b->found), 1);
	}
	assert_in_range(nth, 5, 8); /* some are the test's own */
	assert_int_equal(fw_bench_held(b, false, b->found), 0);
	for (nth = 1; nth <= 4; nth++) {
		short_memory(nth);
		caught_log_begin(LOG_LEVEL_INFO);
		assert_int_equal(fw_open(&second, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), -ENOMEM);
		said = caught_log_end();
		assert_int_equal(fw_bench_count(said, "cannot open the firewall"), 1);
	}
	short_memory(nth);
	assert_int_equal(fw_open(&second, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
	short_memory(0);
	fw_close(&second);
}

/* Whatever the kernel had against one rule set, it has nothing against owners. */
static void a_refusal_does_not_cost_the_owner(void **state)
{
	struct fw_bench *b = *state;

	if (!fw_bench_has_owners())
		skip();
	b->c.settings.mark = 3;
	assert_int_equal(installed(b), -EINVAL);
	b->c.settings.mark = CASE_MARK;
	assert_int_equal(installed(b), 0);
	assert_false(fw_bench_tries("delete table inet postern"));
}

int main(void)
{
#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
	    HOST_TEST(what_fails_is_told_once), /* first: what stood in the list stays there */
	    HOST_TEST(which_chains_are_meant),
	    HOST_TEST(it_lacks_until_it_is_settled),
	    HOST_TEST(jumps_are_followed),
	    HOST_TEST(more_of_ours_than_one),
	    HOST_TEST(a_listing_that_is_torn),
	    HOST_TEST(a_chain_that_goes_meanwhile),
	    HOST_TEST(what_comes_earlier_is_told_once),
	    HOST_TEST(what_others_own_is_told_once),
	    HOST_TEST(what_the_table_says),
	    HOST_TEST(what_comes_anew_is_told_anew),
	    cmocka_unit_test_setup_teardown(what_was_before_is_over, enter_old, leave),
	    cmocka_unit_test_setup_teardown(the_likely_cause_is_named, enter_old, leave),
	    HOST_TEST(closing_leaves_nothing_open),
	    HOST_TEST(the_first_descriptor_is_like_others),
	    HOST_TEST(a_watch_that_is_refused),
	    HOST_TEST(what_is_taken_over),
	    HOST_TEST(what_fails_is_said),
	    cmocka_unit_test_setup_teardown(what_was_lost_may_have_been_about_us, enter_old, leave),
	    HOST_TEST(without_memory),
	    HOST_TEST(a_refusal_does_not_cost_the_owner),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, fw_bench_enter, NULL);
}
