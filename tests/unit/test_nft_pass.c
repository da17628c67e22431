/* Rules of others as the kernel hands them over, whatever is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "emulated.h"
#include "fw/nft_rule.h"

#define MARK 0x40U

static struct nft_link l;

static int enter(void **state)
{
	(void)state;
	return nft_link_open(&l, -1);
}

static int leave(void **state)
{
	(void)state;
	nft_link_close(&l);
	return 0;
}

static struct nft_building start(void)
{
	nft_batch_begin(&l);
	return nft_rule_start(&l, NFPROTO_INET, "filter", "input", 0);
}

static enum nft_rule_verdict_kind meaning(void)
{
	return nft_pass_read(l.message, MARK).meaning;
}

static void our_own_is_known(void **state)
{
	(void)state;
	nft_batch_begin(&l);
	nft_pass_insert(&l, NFPROTO_INET, "filter", "input", MARK);
	assert_int_equal(meaning(), NFT_RULE_PASS);
	assert_int_equal(nft_pass_read(l.message, 2 * MARK).meaning, NFT_RULE_PASS_STALE);
}

/* A name, and that many bytes of data which are not attributes. */
static void strange(struct nft_building *b, const char *name, size_t size)
{
	static const uint8_t bytes[64] = {3, 0, 1};
	struct nlattr *e = mnl_attr_nest_start(b->message, NFTA_LIST_ELEM);

	if (name != NULL)
		mnl_attr_put_strz(b->message, NFTA_EXPR_NAME, name);
	mnl_attr_put(b->message, NFTA_EXPR_DATA, size, bytes);
	mnl_attr_put_u32(b->message, 31, 1);
	mnl_attr_put_u32(b->message, 300, 1);
	mnl_attr_nest_end(b->message, e);
}

static void what_is_strange_means_little(void **state)
{
	static const char *const names[] = {NULL, "", "meta", "bitwise", "cmp", "immediate",
	    "match", "target", "of a later kernel"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		for (size_t size = 0; size < 64; size++) {
			struct nft_building b = start();

			strange(&b, names[i], size);
			nft_verdict(&b, NF_DROP, NULL);
			nft_rule_end(&b, i % 2 == 0 ? NULL : "a comment");
			assert_int_equal(meaning(), NFT_RULE_LITTLE);
		}
	}
}

static void what_decides_is_seen(void **state)
{
	struct nft_rule_verdict v;
	struct nft_building b = start();

	(void)state;
	strange(&b, "counter", 0);
	strange(&b, "log", 7);
	nft_verdict(&b, NF_DROP, NULL);
	nft_rule_end(&b, NULL);
	assert_int_equal(meaning(), NFT_RULE_DROP);
	b = start();
	strange(&b, "reject", 3);
	nft_rule_end(&b, NULL);
	assert_int_equal(meaning(), NFT_RULE_DROP);
	b = start();
	nft_verdict(&b, NFT_GOTO, "elsewhere");
	nft_rule_end(&b, NULL);
	v = nft_pass_read(l.message, MARK);
	assert_int_equal(v.meaning, NFT_RULE_JUMP);
	assert_string_equal(v.chain, "elsewhere");
}

/* Our own rule, or one of its parts otherwise. */
struct pass {
	uint32_t key, mask, bits, op, value;
	int verdict;
	int counter;  /* stands before the part of that number; 0: none */
	int without;  /* this part is missing; 0: none */
	bool another; /* is behind it */
	enum nft_rule_verdict_kind meaning;
};
#define WHOLE NFT_META_MARK, MARK, 0, NFT_CMP_EQ, MARK, NF_ACCEPT

static void put_pass(const struct pass *p)
{
	struct nft_building b = start();

	for (int part = 1; part <= 4; part++) {
		if (part == p->counter)
			strange(&b, "counter", 0);
		if (part == p->without)
			continue;
		if (part == 1)
			nft_load(&b, NFT_META, p->key, sizeof p->mask, NFT_REG_1);
		else if (part == 2)
			nft_mask(&b, &p->mask, &p->bits, sizeof p->mask);
		else if (part == 3)
			nft_compare(&b, p->op, &p->value, sizeof p->value);
		else
			nft_verdict(&b, p->verdict, NULL);
	}
	if (p->another)
		strange(&b, "log", 0);
	nft_rule_end(&b, "postern: let granted packets by");
}

static void ours_in_each_of_its_parts(void **state)
{
	static const struct pass cases[] = {
	    {WHOLE, 0, 0, false, NFT_RULE_PASS},
	    {WHOLE, 1, 0, false, NFT_RULE_PASS},
	    {WHOLE, 4, 0, false, NFT_RULE_PASS},
	    {WHOLE, 0, 0, true, NFT_RULE_PASS_STALE},
	    {WHOLE, 0, 1, false, NFT_RULE_PASS_STALE},
	    {WHOLE, 0, 2, false, NFT_RULE_PASS_STALE},
	    {WHOLE, 0, 3, false, NFT_RULE_PASS_STALE},
	    {WHOLE, 0, 4, false, NFT_RULE_PASS_STALE},
	    {NFT_META_PRIORITY, MARK, 0, NFT_CMP_EQ, MARK, NF_ACCEPT, 0, 0, false,
	        NFT_RULE_PASS_STALE},
	    {NFT_META_MARK, 3 * MARK, 0, NFT_CMP_EQ, MARK, NF_ACCEPT, 0, 0, false,
	        NFT_RULE_PASS_STALE},
	    {NFT_META_MARK, MARK, 1, NFT_CMP_EQ, MARK, NF_ACCEPT, 0, 0, false, NFT_RULE_PASS_STALE},
	    {NFT_META_MARK, MARK, 0, NFT_CMP_NEQ, MARK, NF_ACCEPT, 0, 0, false,
	        NFT_RULE_PASS_STALE},
	    {NFT_META_MARK, MARK, 0, NFT_CMP_EQ, 3 * MARK, NF_ACCEPT, 0, 0, false,
	        NFT_RULE_PASS_STALE},
	    {NFT_META_MARK, MARK, 0, NFT_CMP_EQ, MARK, NF_DROP, 0, 0, false, NFT_RULE_PASS_STALE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		put_pass(&cases[i]);
		mnl_attr_put_u64(l.message, NFTA_RULE_HANDLE, htobe64(77 + i));
		if (meaning() != cases[i].meaning)
			fail_msg("case %zu", i);
		assert_int_equal(nft_pass_read(l.message, MARK).handle, 77 + i);
	}
}

/* They begin as ours do. */
static void values_of_another_size_are_not_ours(void **state)
{
	static const struct {
		size_t mask, compared;
		enum nft_rule_verdict_kind meaning;
	} cases[] = {{4, 4, NFT_RULE_PASS}, {2, 4, NFT_RULE_PASS_STALE},
	    {8, 4, NFT_RULE_PASS_STALE}, {4, 2, NFT_RULE_PASS_STALE}, {4, 8, NFT_RULE_PASS_STALE}};
	const uint32_t mark[2] = {MARK}, zero[2] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct nft_building b = start();

		nft_load(&b, NFT_META, NFT_META_MARK, sizeof *mark, NFT_REG_1);
		nft_mask(&b, mark, zero, cases[i].mask);
		nft_compare(&b, NFT_CMP_EQ, mark, cases[i].compared);
		nft_verdict(&b, NF_ACCEPT, NULL);
		nft_rule_end(&b, "postern: let granted packets by");
		if (meaning() != cases[i].meaning)
			fail_msg("case %zu", i);
	}
}

/* As iptables puts it. */
static void extension(struct nft_building *b, const char *kind, const char *name)
{
	struct nlattr *e = mnl_attr_nest_start(b->message, NFTA_LIST_ELEM), *data;

	mnl_attr_put_strz(b->message, NFTA_EXPR_NAME, kind);
	data = mnl_attr_nest_start(b->message, NFTA_EXPR_DATA);
	mnl_attr_put_strz(b->message, NFTA_MATCH_NAME, name);
	mnl_attr_nest_end(b->message, data);
	mnl_attr_nest_end(b->message, e);
}

static void extensions_of_iptables(void **state)
{
	static const struct {
		const char *kind, *name;
		enum nft_rule_verdict_kind meaning;
	} cases[] = {
	    {"match", "comment", NFT_RULE_DROP},
	    {"match", "REJECT", NFT_RULE_LITTLE},
	    {"match", "conntrack", NFT_RULE_LITTLE},
	    {"target", "comment", NFT_RULE_LITTLE},
	    {"target", "REJECT", NFT_RULE_DROP},
	    {"target", "LOG", NFT_RULE_LITTLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct nft_building b = start();

		extension(&b, cases[i].kind, cases[i].name);
		if (strcmp(cases[i].kind, "match") == 0)
			nft_verdict(&b, NF_DROP, NULL);
		nft_rule_end(&b, NULL);
		if (meaning() != cases[i].meaning)
			fail_msg("%s %s", cases[i].kind, cases[i].name);
	}
}

static void where_a_rule_sends(void **state)
{
	char longest[NFT_NAME_BYTES + 1] = "";
	const struct {
		int verdict;
		const char *chain;
		enum nft_rule_verdict_kind meaning;
	} cases[] = {
	    {NF_ACCEPT, NULL, NFT_RULE_LITTLE},
	    {NFT_RETURN, NULL, NFT_RULE_LITTLE},
	    {NFT_JUMP, NULL, NFT_RULE_LITTLE},
	    {NFT_GOTO, "", NFT_RULE_LITTLE},
	    {NFT_CONTINUE, "there", NFT_RULE_LITTLE},
	    {NFT_JUMP, longest + 1, NFT_RULE_JUMP},
	    {NFT_GOTO, longest + 1, NFT_RULE_JUMP},
	    {NFT_JUMP, longest, NFT_RULE_LITTLE},
	};

	(void)state;
	memset(longest, 'x', NFT_NAME_BYTES);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct nft_building b = start();
		struct nft_rule_verdict v;

		nft_verdict(&b, cases[i].verdict, cases[i].chain);
		nft_rule_end(&b, NULL);
		v = nft_pass_read(l.message, MARK);
		if (v.meaning != cases[i].meaning)
			fail_msg("case %zu", i);
		if (v.meaning == NFT_RULE_JUMP)
			assert_string_equal(v.chain, cases[i].chain);
	}
}

static void user_data_may_be_anything(void **state)
{
	static const uint8_t odd[][4] = {
	    {0}, {0, 255}, {0, 32, 'p'}, {255, 255, 255, 255}, {7, 0, 0, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		for (size_t size = 0; size <= sizeof *odd; size++) {
			struct nft_building b = start();

			nft_verdict(&b, NF_DROP, NULL);
			nft_rule_end(&b, NULL);
			mnl_attr_put(b.message, NFTA_RULE_USERDATA, size, odd[i]);
			assert_int_equal(meaning(), NFT_RULE_DROP);
		}
	}
}

/* The user data of a rule: type, length, value, one after the other. */
static const struct nlattr *user_data(const char *bytes, size_t size)
{
	struct nft_building b = start();
	const struct nlattr *a = mnl_nlmsg_get_payload_tail(b.message);

	mnl_attr_put(b.message, NFTA_RULE_USERDATA, size, bytes);
	return a;
}

static void comments_among_others(void **state)
{
#define DATA(bytes) (bytes), sizeof(bytes) - 1
	static const struct {
		const char *bytes;
		size_t size;
		bool has;
	} cases[] = {
	    {DATA("\0\3ab\0"), true},
	    {DATA("\0\3ac\0"), false},
	    {DATA("\1\3ab\0"), false},
	    {DATA("\0\2ab\0"), false},
	    {DATA("\0\4ab\0\0"), false},
	    {DATA("\0\3ab"), false},
	    {DATA("\1\3ab\0\0\3ab\0"), true},
	    {DATA("\0\3ac\0\0\3ab\0"), true},
	    {DATA("\0\1\0\0\3ab\0"), true},
	    {DATA("\0\0\0\3ab\0"), true},
	    {DATA("\1\377\0\3ab\0"), false},
	    {DATA("\0"), false},
	    {DATA(""), false},
	};
	char longest[128];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (nft_has_comment(user_data(cases[i].bytes, cases[i].size), "ab") != cases[i].has)
			fail_msg("case %zu", i);
	}
	assert_false(nft_has_comment(NULL, "ab"));
	assert_false(nft_has_comment(NULL, ""));
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	nft_batch_begin(&l);
	nft_batch_add(&l, NFT_MSG_NEWRULE, NFPROTO_INET, 0);
	nft_put_comment(l.message, NFTA_RULE_USERDATA, longest);
	assert_true(nft_has_comment(nft_attributes_of(l.message).at[NFTA_RULE_USERDATA], longest));
}

/* Cut anywhere but in its padding, or with any byte changed. */
static void bounds_are_kept(void **state)
{
	struct nlmsghdr *whole, *copy;

	(void)state;
	nft_batch_begin(&l);
	nft_pass_insert(&l, NFPROTO_INET, "filter", "input", MARK);
	whole = l.message;
	for (uint32_t cut = NLMSG_LENGTH(sizeof(struct nfgenmsg)); cut + 4 <= whole->nlmsg_len;
	     cut++) {
		copy = malloc(cut);
		assert_non_null(copy);
		memcpy(copy, whole, cut);
		copy->nlmsg_len = cut;
		assert_int_not_equal(nft_pass_read(copy, MARK).meaning, NFT_RULE_PASS);
		free(copy);
	}
	copy = malloc(whole->nlmsg_len);
	assert_non_null(copy);
	for (uint32_t at = NLMSG_LENGTH(sizeof(struct nfgenmsg)); at < whole->nlmsg_len; at++) {
		for (int value = 0; value < 256; value++) {
			memcpy(copy, whole, whole->nlmsg_len);
			((uint8_t *)copy)[at] = (uint8_t)value;
			(void)nft_pass_read(copy, MARK);
		}
	}
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(our_own_is_known),
	    cmocka_unit_test(what_is_strange_means_little),
	    cmocka_unit_test(what_decides_is_seen),
	    cmocka_unit_test(ours_in_each_of_its_parts),
	    cmocka_unit_test(values_of_another_size_are_not_ours),
	    cmocka_unit_test(extensions_of_iptables),
	    cmocka_unit_test(where_a_rule_sends),
	    cmocka_unit_test(user_data_may_be_anything),
	    cmocka_unit_test(comments_among_others),
	    cmocka_unit_test(bounds_are_kept),
	};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, enter, leave);
}
