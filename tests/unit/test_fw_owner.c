/* The table as a whole against the real kernel: whose it is, what is in it, how much it holds. */
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
#include <netinet/in.h> /* before the kernel's twin of it */
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "base/clock.h"
#include "caught_log.h"
#include "emulated.h"
#include "fw/hold.h"
#include "fw/nft_rule.h"
#include "fw_bench.h"
#include "short_memory.h"

#define DROPPING \
	"table inet filter { chain input { type filter hook input priority 0; policy drop; }; }"
#define MANY     65536U
#define TOO_MANY 80 /* chains to look at */

static void install(struct fw_bench *b)
{
	assert_int_equal(fw_case_install(&b->fw, &b->c.s, NULL, 0), 0);
}

static void install_owned(struct fw_bench *b)
{
	if (!fw_bench_has_owners())
		skip();
	install(b);
	assert_false(fw_bench_tries("delete table inet postern"));
}

static void assert_as_before(const char *before)
{
	char *after = fw_bench_listing("list ruleset");

	assert_string_equal(before, after);
	free(after);
}

static void nobody_else_changes_it(void **state)
{
	static const char *const attempts[] = {"delete table inet postern",
	    "flush table inet postern", "flush chain inet postern input",
	    "insert rule inet postern input accept", "delete chain inet postern input",
	    "add chain inet postern input { policy drop; }",
	    "add table inet postern { flags dormant; }",
	    "add set inet postern more { type ipv4_addr; }",
	    "table inet postern { chain more { type filter hook input priority -9; }; }"};
	struct fw_bench *b = *state;
	char *before;

	install_owned(b);
	before = fw_bench_listing("list ruleset");
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		assert_false(fw_bench_tries(attempts[i]));
		assert_as_before(before);
	}
	fw_bench_does("flush ruleset");
	assert_as_before(before);
	assert_false(b->fw.ops->disturbed(&b->fw));
	free(before);
}

static void a_second_one_changes_nothing(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");
	struct fw second;
	char *before;

	fw_bench_does(DROPPING);
	install_owned(b);
	assert_int_equal(fw_case_open(&b->fw, &g, 1), 0);
	before = fw_bench_listing("list chain inet postern input");
	assert_int_equal(fw_open(&second, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
	assert_true(second.ops->stands(&second));
	caught_log_begin(LOG_LEVEL_INFO);
	assert_int_equal(fw_case_install(&second, &b->c.s, NULL, 0), -EPERM);
	assert_int_equal(fw_bench_count(caught_log_end(), "owns the table inet postern"), 1);
	assert_int_equal(second.ops->remove(&second), -EPERM);
	fw_close(&second);
	free(before);
	before = fw_bench_listing("list table inet filter");
	assert_int_equal(fw_bench_count(before, "let granted packets by"), 1);
	free(before);
	assert_int_equal(fw_bench_held(b, false, b->found), 1);
	assert_false(b->fw.ops->disturbed(&b->fw));
}

static void a_successor_takes_it_over(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");

	install_owned(b);
	assert_int_equal(fw_case_open(&b->fw, &g, 1), 0);
	fw_close(&b->fw);
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
	assert_int_equal(fw_bench_held(b, false, b->found), 1);
	assert_int_equal(fw_case_install(&b->fw, &b->c.s, b->found, 1), 0);
	assert_int_equal(fw_bench_held(b, false, b->found), 1);
	assert_false(fw_bench_tries("delete table inet postern"));
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	assert_as_before("");
}

/* It has been told to end, and its socket closes a moment later. */
static void a_predecessor_is_waited_for(void **state)
{
	struct fw_bench *b = *state;
	int ready[2];
	char byte;
	pid_t pid;

	if (!fw_bench_has_owners())
		skip();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		bool stands = fw_case_install(&b->fw, &b->c.s, NULL, 0) == 0;

		if (write(ready[1], "+", 1) != 1)
			_exit(1);
		usleep(300000);
		_exit(stands ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fw_close(&b->fw); /* it is the child's now */
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, FW_BENCH_BOOT, -1), 0);
	install(b);
	assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
	close(ready[0]);
	close(ready[1]);
}

static int other_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
}

/* As the guard that stays does: with its grants, and before anything was installed. */
static void what_stands_is_had_as_it_is(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");
	int owner = other_socket(), another = other_socket();
	struct fw_hold *h = fw_hold_open(FW_BENCH_BOOT);

	assert_non_null(h);
	assert_int_equal(fw_hold(h, owner), -ENOENT);
	install_owned(b);
	assert_int_equal(fw_case_open(&b->fw, &g, 1), 0);
	assert_int_equal(fw_hold(h, owner), -EPERM);
	fw_close(&b->fw);
	assert_int_equal(fw_hold(h, -1), -EPERM);
	assert_int_equal(fw_hold(h, owner), 0);
	assert_int_equal(fw_hold(h, owner), 0);
	assert_int_equal(fw_hold(h, another), -EPERM);
	fw_hold_close(h);
	assert_false(fw_bench_tries("delete table inet postern"));
	assert_int_equal(fw_open(&b->fw, CONF_FIREWALL_NFT, FW_BENCH_BOOT, owner), 0);
	assert_int_equal(fw_bench_held(b, false, b->found), 1);
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	assert_as_before("");
	close(another);
}

/* The one that a process may have which was the first in its namespace. */
static void an_owner_with_the_first_port(void **state)
{
	struct sockaddr_nl first = {.nl_family = AF_NETLINK, .nl_pid = 1};
	struct fw_bench *b = *state;
	struct fw_hold *h;
	struct fw ours;
	int owner, none;

	if (!fw_bench_has_owners())
		skip();
	h = fw_hold_open(FW_BENCH_BOOT);
	assert_non_null(h);
	owner = other_socket();
	none = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(owner, (struct sockaddr *)&first, sizeof first), 0);
	assert_int_equal(fw_open(&ours, CONF_FIREWALL_NFT, FW_BENCH_BOOT, dup(owner)), 0);
	assert_int_equal(fw_case_install(&ours, &b->c.s, NULL, 0), 0);
	assert_int_equal(fw_hold(h, -1), -EPERM);
	assert_int_equal(fw_hold(h, none), -EPERM);
	assert_int_equal(fw_hold(h, owner), 0);
	fw_close(&ours);
	fw_hold_close(h);
	close(owner);
	close(none);
}

static void holding_leaves_nothing_open(void **state)
{
	struct fw_bench *b = *state;
	int owner = other_socket(), another = other_socket(), input;
	size_t before = fw_bench_descriptors();
	struct fw_hold *h = fw_hold_open(FW_BENCH_BOOT);

	assert_non_null(h);
	fw_hold_close(h);
	fw_hold_close(NULL);
	assert_int_equal(fw_bench_descriptors(), before);
	for (size_t nth = 1; nth <= 3; nth++) {
		caught_log_begin(LOG_LEVEL_INFO);
		short_memory(nth);
		assert_null(fw_hold_open(FW_BENCH_BOOT));
		short_memory(0);
		assert_int_equal(
		    fw_bench_count(caught_log_end(), "cannot look at the firewall"), 1);
		assert_int_equal(fw_bench_descriptors(), before);
		assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	}
	install_owned(b);
	fw_close(&b->fw);
	h = fw_hold_open(FW_BENCH_BOOT);
	input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	/* As any other where the caller has closed its input. */
	assert_int_equal(dup2(another, STDIN_FILENO), STDIN_FILENO);
	close(another);
	assert_int_equal(fw_hold(h, STDIN_FILENO), 0);
	close(STDIN_FILENO);
	assert_int_equal(fw_hold(h, owner), 0);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
	close(input);
	fw_hold_close(h);
	close(owner);
}

static void what_nobody_can_own_is_watched(void **state)
{
	struct fw_bench *b = *state;
	int owner = other_socket();
	struct fw_hold *h = fw_hold_open(FW_BENCH_BOOT);

	assert_non_null(h);
	assert_int_equal(fw_hold(h, owner), -ENOENT);
	install(b);
	assert_int_equal(fw_hold(h, owner), -EOPNOTSUPP);
	assert_true(fw_hold_changed(h));
	assert_false(fw_hold_changed(h));
	fw_bench_does("add table inet other");
	assert_false(fw_hold_changed(h));
	fw_bench_does("flush chain inet postern input");
	assert_true(fw_hold_changed(h));
	fw_bench_does("delete table inet postern");
	assert_int_equal(fw_hold(h, owner), -ENOENT);
	fw_hold_close(h);
	close(owner);
}

/* What a saved rule set has put there. */
static void what_another_boot_left_is_not_had(void **state)
{
	static const char *const boots[] = {"another", ""};
	struct fw_bench *b = *state;
	int owner = other_socket();

	install(b);
	fw_close(&b->fw);
	for (size_t i = 0; i < 2; i++) {
		struct fw_hold *h = fw_hold_open(boots[i]);

		assert_non_null(h);
		assert_int_equal(fw_hold(h, owner), -ENOENT);
		fw_hold_close(h);
	}
	close(owner);
}

static char *without_handles(void)
{
	char *text = fw_bench_listing("list table inet postern"), *at;

	for (at = text; (at = strstr(at, " # handle ")) != NULL;)
		memmove(at, at + strcspn(at, "\n"), strlen(at + strcspn(at, "\n")) + 1);
	return text;
}

static void a_table_that_others_own_keeps_nothing_open(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");
	struct nft_link firewalld;
	char *text;

	if (!fw_bench_has_owners())
		skip();
	assert_int_equal(nft_link_open(&firewalld, -1), 0);
	fw_bench_put_owned_chain(&firewalld);
	fw_bench_does(DROPPING);
	install(b);
	assert_int_equal(fw_case_open(&b->fw, &g, 1), 0);
	text = fw_bench_listing("list table inet filter");
	assert_int_equal(fw_bench_count(text, "let granted packets by"), 1);
	free(text);
	text = fw_bench_listing("list table inet postern");
	assert_int_not_equal(fw_bench_count(text, "managed ports, no grant"), 0);
	free(text);
	assert_false(b->fw.ops->disturbed(&b->fw));
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
	text = fw_bench_listing("list ruleset");
	assert_int_equal(fw_bench_count(text, "postern"), 0);
	free(text);
	nft_link_close(&firewalld);
}

/* In a log each notice would be a line. */
static void it_warns_once_of_each_that_comes(void **state)
{
	struct fw_bench *b = *state;
	struct nft_host host = {.mark = b->c.settings.mark, .which = CONF_HOST_CHAINS_AUTO};
	struct nft_link ours, firewalld;

	if (!fw_bench_has_owners())
		skip();
	assert_int_equal(nft_link_open(&ours, -1), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nft_link_open(&firewalld, -1), 0);
		fw_bench_put_owned_chain(&firewalld);
		assert_int_equal(nft_host_settle(&ours, &host, NULL), 0);
		assert_true(host.warned);
		assert_true(nft_host_lacks(&ours, &host));
		nft_link_close(&firewalld);
		assert_int_equal(nft_host_settle(&ours, &host, NULL), 0);
		assert_false(host.warned);
	}
	nft_link_close(&ours);
}

/* Too many to look at; and when there are fewer, they get our rule. */
static void our_table_comes_first(void **state)
{
	struct fw_bench *b = *state;
	char text[160], *listing;

	for (int i = 0; i < TOO_MANY; i++) {
		snprintf(text, sizeof text,
		    "table inet host { chain input%d { type filter hook input priority %d; policy "
		    "drop; }; }",
		    i, i);
		fw_bench_does(text);
	}
	install(b);
	assert_true(b->fw.ops->stands(&b->fw));
	assert_false(b->fw.ops->disturbed(&b->fw));
	for (int i = 64; i < TOO_MANY; i++) {
		snprintf(text, sizeof text, "delete chain inet host input%d", i);
		fw_bench_does(text);
	}
	assert_false(b->fw.ops->disturbed(&b->fw));
	listing = fw_bench_listing("list table inet host");
	assert_int_equal(fw_bench_count(listing, "let granted packets by"), 64);
	free(listing);
}

/* Saved, and put back after the machine was started anew. */
static void what_another_boot_left_is_no_grant(void **state)
{
	struct fw_bench *b = *state;
	struct fw_case_element g = fw_case_grant("192.0.2.1", 0, 600000, "alice");
	char *saved, *id;

	install(b);
	assert_int_equal(fw_case_open(&b->fw, &g, 1), 0);
	assert_true(b->fw.ops->stands(&b->fw));
	saved = without_handles();
	id = strstr(saved, fw_bench_boot());
	assert_non_null(id);
	id[strlen(fw_bench_boot()) - 1] ^= 1;
	fw_bench_does("delete table inet postern");
	fw_bench_does(saved);
	assert_false(b->fw.ops->stands(&b->fw));
	assert_int_equal(fw_bench_held(b, false, b->found), 0);
	id[strlen(fw_bench_boot()) - 1] ^= 1;
	fw_bench_does("delete table inet postern");
	fw_bench_does(saved);
	assert_true(b->fw.ops->stands(&b->fw));
	assert_int_equal(fw_bench_held(b, false, b->found), 1);
	free(saved);
}

/* Left by an earlier version, or made by somebody. */
static void one_without_an_owner_is_taken_over(void **state)
{
	struct fw_bench *b = *state;
	char *text;

	fw_bench_does("table inet postern { chain input { type filter hook input priority 0; }; "
	              "chain theirs { accept; }; }");
	install_owned(b);
	text = fw_bench_listing("list table inet postern");
	assert_null(strstr(text, "theirs"));
	free(text);
}

/* What the host adds is no change of ours; what drops gets our rule. */
static void new_tables_are_no_alarm(void **state)
{
	struct fw_bench *b = *state;
	char *text;

	install(b);
	for (int i = 0; i < 20; i++) {
		fw_bench_does("add table inet unrelated; add chain inet unrelated x; "
		              "add rule inet unrelated x accept; delete table inet unrelated");
		assert_false(b->fw.ops->disturbed(&b->fw));
	}
	fw_bench_does(DROPPING);
	assert_false(b->fw.ops->disturbed(&b->fw));
	text = fw_bench_listing("list table inet filter");
	assert_int_equal(fw_bench_count(text, "let granted packets by"), 1);
	free(text);
}

/* Sent to the kernel by hand: user data that runs over its end, an expression that nft of Debian 12
 * knows nothing of, attributes without a meaning. */
static void strange_tables_do_no_harm(void **state)
{
	static const uint8_t lying[] = {0, 255, 'x'};
	struct fw_bench *b = *state;
	struct nft_building rule;
	struct nft_link l;
	struct nlattr *e;
	struct nlmsghdr *m;
	char *text;

	fw_bench_does(DROPPING);
	assert_int_equal(nft_link_open(&l, -1), 0);
	nft_batch_begin(&l);
	rule = nft_rule_start(&l, NFPROTO_INET, "filter", "input", 0);
	e = mnl_attr_nest_start(rule.message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(rule.message, NFTA_EXPR_NAME, "last");
	mnl_attr_nest_end(rule.message, e);
	nft_verdict(&rule, NF_ACCEPT, NULL);
	nft_rule_end(&rule, NULL);
	mnl_attr_put(rule.message, NFTA_RULE_USERDATA, sizeof lying, lying);
	mnl_attr_put_u32(rule.message, 60, 1);
	m = nft_batch_add(&l, NFT_MSG_NEWSET, NFPROTO_INET, NLM_F_CREATE);
	mnl_attr_put_strz(m, NFTA_SET_TABLE, "filter");
	mnl_attr_put_strz(m, NFTA_SET_NAME, "opened_tcp_5_9_4");
	mnl_attr_put_u32(m, NFTA_SET_KEY_TYPE, htobe32(12345));
	mnl_attr_put_u32(m, NFTA_SET_KEY_LEN, htobe32(7));
	mnl_attr_put_u32(m, NFTA_SET_ID, htobe32(1));
	mnl_attr_put(m, NFTA_SET_USERDATA, sizeof lying, lying);
	assert_int_equal(nft_batch_commit(&l), 0);
	nft_link_close(&l);
	install(b);
	assert_false(b->fw.ops->disturbed(&b->fw));
	assert_int_equal(fw_bench_held(b, true, b->opened), 0);
	text = fw_bench_listing("list chain inet filter input");
	assert_int_equal(fw_bench_count(text, "let granted packets by"), 1);
	free(text);
	assert_int_equal(b->fw.ops->remove(&b->fw), 0);
}

static void count_one(void *context, const struct opening *o, const char *owner)
{
	size_t *count = context;

	*count += o->address.bytes[10] == 0xff && strcmp(owner, "alice") == 0;
}

static void it_holds_as_many_as_a_set(void **state)
{
	struct fw_bench *b = *state;
	struct fw_change *open = calloc(MANY, sizeof *open);
	int64_t until_ns = clock_boot_ns() + 600 * NS_PER_SECOND;
	char owner[CLIENT_NAME_BYTES] = "alice";

	assert_non_null(open);
	for (uint32_t i = 0; i < MANY; i++) {
		open[i] = (struct fw_change){.owner = owner, .opening.until_ns = until_ns};
		open[i].opening.address = (struct addr){{[10] = 0xff, 0xff, 10, 9}};
		open[i].opening.address.bytes[14] = (uint8_t)(i >> 8);
		open[i].opening.address.bytes[15] = (uint8_t)i;
	}
	for (int i = 0; i < 2; i++) { /* the first time, and in the place of as many */
		size_t count = 0;

		assert_int_equal(b->fw.ops->install(&b->fw, &b->c.s, open, MANY), 0);
		assert_int_equal(b->fw.ops->adopt(&b->fw, &b->c.s, count_one, &count), 0);
		assert_int_equal(count, MANY);
	}
	free(open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    FW_TEST(nobody_else_changes_it),
	    FW_TEST(a_second_one_changes_nothing),
	    FW_TEST(a_successor_takes_it_over),
	    FW_TEST(a_predecessor_is_waited_for),
	    FW_TEST(what_stands_is_had_as_it_is),
	    FW_TEST(an_owner_with_the_first_port),
	    FW_TEST(holding_leaves_nothing_open),
	    FW_OLD_TEST(what_nobody_can_own_is_watched),
	    FW_TEST(what_another_boot_left_is_not_had),
	    FW_TEST(one_without_an_owner_is_taken_over),
	    FW_TEST(new_tables_are_no_alarm),
	    FW_OLD_TEST(new_tables_are_no_alarm),
	    FW_TEST(strange_tables_do_no_harm),
	    FW_TEST(it_holds_as_many_as_a_set),
	    FW_OLD_TEST(it_holds_as_many_as_a_set),
	    FW_TEST(a_table_that_others_own_keeps_nothing_open),
	    FW_TEST(it_warns_once_of_each_that_comes),
	    FW_TEST(our_table_comes_first),
	    FW_OLD_TEST(our_table_comes_first),
	    FW_OLD_TEST(what_another_boot_left_is_no_grant),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, fw_bench_enter, NULL);
}
