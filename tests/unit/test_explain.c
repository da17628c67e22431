/* The rules of others as the kernel tells them, and what becomes of a packet by them: what is known
 * is decided, what is not is said, and nothing that cannot be is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/rtnetlink.h>

#include "emulated.h"
#include "explain/legacy.h"
#include "explain/lookup.h"
#include "explain/walk.h"
#include "fw/nft_rule.h"

#define TABLE "filter"
#define CHAIN "input"

static struct nft_link l;
static struct rules rules;

static int begin(void **state)
{
	(void)state;
	rules = (struct rules){.messages = NULL};
	return nft_link_open(&l, -1) == 0 ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	rules_free(&rules);
	nft_link_close(&l);
	return 0;
}

/* The latest message, as if the kernel had told it. */
static void told(void)
{
	assert_int_equal(rules_take(&rules, l.message), 0);
}

static void put_chain(const char *name, int hook, int32_t priority, uint32_t policy)
{
	struct nlmsghdr *m;
	struct nlattr *nest;

	nft_batch_begin(&l);
	m = nft_batch_add(&l, NFT_MSG_NEWCHAIN, NFPROTO_INET, 0);
	mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, TABLE);
	mnl_attr_put_strz(m, NFTA_CHAIN_NAME, name);
	mnl_attr_put_u32(m, NFTA_CHAIN_POLICY, htobe32(policy));
	if (hook >= 0) {
		nest = mnl_attr_nest_start(m, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(m, NFTA_HOOK_HOOKNUM, htobe32((uint32_t)hook));
		mnl_attr_put_u32(m, NFTA_HOOK_PRIORITY, htobe32((uint32_t)priority));
		mnl_attr_nest_end(m, nest);
	}
	told();
}

/* One expression without data; what cannot be told matches perhaps. */
static void put_strange(struct nft_building *b, const char *name)
{
	struct nlattr *nest = mnl_attr_nest_start(b->message, NFTA_LIST_ELEM);

	mnl_attr_put_strz(b->message, NFTA_EXPR_NAME, name);
	mnl_attr_nest_end(b->message, nest);
}

#define SURE    NULL
#define PERHAPS "limit"
static void put_rule(
    const char *chain, const char *perhaps, uint16_t port, int verdict, const char *to)
{
	struct nft_building b;
	uint16_t wire = htobe16(port);

	nft_batch_begin(&l);
	b = nft_rule_start(&l, NFPROTO_INET, TABLE, chain, 0);
	if (port != 0) {
		nft_load(&b, NFT_TRANSPORT, 2, sizeof wire, NFT_REG_1);
		nft_compare(&b, NFT_CMP_EQ, &wire, sizeof wire);
	}
	if (perhaps != NULL)
		put_strange(&b, perhaps);
	nft_verdict(&b, verdict, to);
	nft_rule_end(&b, NULL);
	told();
}

static enum walk_end arrives(void *context, struct packet *p)
{
	(void)context;
	p->target_type = RTN_LOCAL;
	return WALK_ARRIVES;
}

static struct packet packet(const char *source, const char *target, uint16_t port)
{
	struct addr from, to;

	assert_true(addr_parse(&from, source) && addr_parse(&to, target));
	return packet_of(IPPROTO_TCP, &from, 0, &to, port);
}

static struct walk walk(uint16_t port)
{
	struct walk w = {
	    .rules = &rules, .packet = packet("203.0.113.7", "192.0.2.1", port), .route = arrives};

	walk_all(&w);
	return w;
}

static enum walk_result result(uint16_t port)
{
	return walk(port).result;
}

/* --- Values */

static void what_is_not_known_is_not_compared(void **state)
{
	struct value v = value_of("\x12\x34", 2);

	(void)state;
	assert_int_equal(value_equals(&v, "\x12\x34", 2), ANSWER_YES);
	assert_int_equal(value_equals(&v, "\x12\x35", 2), ANSWER_NO);
	v.known[1] = 0xf0;
	v.bytes[1] = 0x30;
	assert_int_equal(value_equals(&v, "\x12\x34", 2), ANSWER_MAY);
	assert_int_equal(value_equals(&v, "\x12\x44", 2), ANSWER_NO);
	assert_int_equal(
	    value_between(&v, 0, (const uint8_t *)"\x12\x30", (const uint8_t *)"\x12\x3f", 2),
	    ANSWER_YES);
	assert_int_equal(
	    value_between(&v, 0, (const uint8_t *)"\x12\x31", (const uint8_t *)"\x13\x00", 2),
	    ANSWER_MAY);
	assert_int_equal(
	    value_between(&v, 0, (const uint8_t *)"\x12\x40", (const uint8_t *)"\x13\x00", 2),
	    ANSWER_NO);
	assert_int_equal(value_equals(&v, "\x12\x34\x56", 3), ANSWER_MAY);
}

static void registers_lie_over_each_other(void **state)
{
	struct registers r = {{0}, {0}};
	struct value v = value_of("0123456789abcdef", 16);

	(void)state;
	assert_true(registers_put(&r, NFT_REG_1, &v));
	assert_true(registers_get(&r, NFT_REG32_01, 4, &v));
	assert_int_equal(value_equals(&v, "4567", 4), ANSWER_YES);
	for (uint32_t number = 0; number < 40; number++) {
		bool is = (number >= NFT_REG_1 && number <= NFT_REG_4) ||
		          (number >= NFT_REG32_00 && number <= NFT_REG32_15);

		assert_int_equal(registers_get(&r, number, 4, &v), is);
	}
	assert_false(registers_get(&r, NFT_REG32_15, 5, &v));
	assert_true(registers_get(&r, NFT_REG_4, 16, &v));
	assert_false(registers_get(&r, NFT_REG_4, 17, &v));
}

static void marks_are_known_bit_by_bit(void **state)
{
	uint32_t mark = 0x5, known = UINT32_MAX;
	const uint32_t to = 0x6;
	struct value v = value_of(&to, sizeof to);

	(void)state;
	packet_set_mark(&mark, &known, &v, false);
	assert_int_equal(known, ~0x3U);
	assert_int_equal(mark, 0x4);
	packet_set_mark(&mark, &known, &v, true);
	assert_true(mark == 0x6 && known == UINT32_MAX);
}

/* --- Sets */

struct row {
	const char *first, *last; /* NULL: none; "": none is told, though there is one */
	uint32_t flags;
};

static void put_set(uint32_t flags, uint32_t size, const struct row *rows, size_t count)
{
	struct nlmsghdr *m;
	struct nlattr *list, *element;

	nft_batch_begin(&l);
	m = nft_batch_add(&l, NFT_MSG_NEWSET, NFPROTO_INET, 0);
	mnl_attr_put_strz(m, NFTA_SET_TABLE, TABLE);
	mnl_attr_put_strz(m, NFTA_SET_NAME, "s");
	mnl_attr_put_u32(m, NFTA_SET_FLAGS, htobe32(flags));
	mnl_attr_put_u32(m, NFTA_SET_KEY_LEN, htobe32(size));
	told();
	nft_batch_begin(&l);
	m = nft_batch_add(&l, NFT_MSG_NEWSETELEM, NFPROTO_INET, 0);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, TABLE);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, "s");
	list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < count; i++) {
		element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
		if (rows[i].first != NULL)
			nft_put_data(m, NFTA_SET_ELEM_KEY, rows[i].first, size);
		if (rows[i].last != NULL)
			nft_put_data(m, NFTA_SET_ELEM_KEY_END, rows[i].last, size);
		mnl_attr_put_u32(m, NFTA_SET_ELEM_FLAGS, htobe32(rows[i].flags));
		mnl_attr_nest_end(m, element);
	}
	mnl_attr_nest_end(m, list);
	told();
}

static enum answer has(const char *key)
{
	const struct rules_set *s = rules_set_named(&rules, NFPROTO_INET, TABLE, "s");
	struct value v = value_of(key, s->key_bytes);

	return lookup_in(s, &v).found;
}

#define ENDS NFT_SET_ELEM_INTERVAL_END
static void intervals_end_where_they_end(void **state)
{
	/* 22..29, 30..39, and from 50 on; in the kernel's order, the greatest first. */
	static const struct row rows[] = {{"50", NULL, 0}, {"40", NULL, ENDS}, {"30", NULL, 0},
	    {"30", NULL, ENDS}, {"22", NULL, 0}, {"\0\0", NULL, ENDS}};

	(void)state;
	put_set(NFT_SET_INTERVAL, 2, rows, sizeof rows / sizeof *rows);
	for (int tens = '0'; tens <= '9'; tens++) {
		for (int ones = '0'; ones <= '9'; ones++) {
			char key[] = {(char)tens, (char)ones, '\0'};
			bool in = strcmp(key, "22") >= 0 &&
			          (strcmp(key, "40") < 0 || strcmp(key, "50") >= 0);

			assert_int_equal(has(key), in ? ANSWER_YES : ANSWER_NO);
		}
	}
}

static void what_is_in_no_element_is_in_the_one_for_all(void **state)
{
	static const struct row rows[] = {{"aa", NULL, 0}, {NULL, NULL, NFT_SET_ELEM_CATCHALL}};

	(void)state;
	put_set(0, 2, rows, 1);
	assert_int_equal(has("bb"), ANSWER_NO);
	rules_free(&rules);
	put_set(0, 2, rows, 2);
	assert_int_equal(has("bb"), ANSWER_YES);
	assert_int_equal(has("aa"), ANSWER_YES);
}

static void a_part_that_is_not_known_leaves_it_open(void **state)
{
	static const struct row rows[] = {{"aaaa1111", "aaaa2222", 0}, {"bbbb1111", "bbbb2222", 0}};
	const struct rules_set *s;
	struct value v = value_of("aaaa\0\0\0\0", 8);

	(void)state;
	put_set(NFT_SET_INTERVAL | NFT_SET_CONCAT, 8, rows, 2);
	s = rules_set_named(&rules, NFPROTO_INET, TABLE, "s");
	assert_int_equal(has("aaaa1500"), ANSWER_YES);
	assert_int_equal(has("cccc1500"), ANSWER_NO);
	memset(v.known + 4, 0, 4);
	assert_int_equal(lookup_in(s, &v).found, ANSWER_MAY);
	memcpy(v.bytes, "cccc", 4);
	assert_int_equal(lookup_in(s, &v).found, ANSWER_NO);
}

static void elements_of_another_size_are_not_believed(void **state)
{
	static const struct row rows[] = {{NULL, NULL, 0}};

	(void)state;
	put_set(0, 2, rows, 1);
	assert_int_equal(has("aa"), ANSWER_MAY);
	rules_free(&rules);
	put_set(0, 2000, NULL, 0);
	assert_int_equal(lookup_in(rules.sets, &(struct value){.size = 2}).found, ANSWER_MAY);
}

/* --- Chains */

static void the_first_that_matches_decides(void **state)
{
	(void)state;
	put_chain(CHAIN, NF_INET_LOCAL_IN, 0, NF_DROP);
	put_rule(CHAIN, SURE, 22, NF_ACCEPT, NULL);
	put_rule(CHAIN, SURE, 22, NF_DROP, NULL);
	assert_int_equal(result(22), WALK_PASSES);
	assert_int_equal(result(23), WALK_DROPPED);
	assert_null(walk(23).cause.rule);
}

static void a_drop_ends_all_and_an_accept_one(void **state)
{
	(void)state;
	put_chain(CHAIN, NF_INET_LOCAL_IN, -1, NF_DROP);
	put_chain("later", NF_INET_LOCAL_IN, 1, NF_ACCEPT);
	put_rule(CHAIN, SURE, 0, NF_ACCEPT, NULL);
	put_rule("later", SURE, 22, NF_DROP, NULL);
	assert_int_equal(result(22), WALK_DROPPED);
	assert_string_equal(walk(22).cause.chain->name, "later");
	assert_int_equal(walk(23).step_count, 2);
}

static void doubts_are_told_where_they_count(void **state)
{
	struct walk w;

	(void)state;
	put_chain(CHAIN, NF_INET_LOCAL_IN, 0, NF_DROP);
	put_rule(CHAIN, PERHAPS, 22, NF_ACCEPT, NULL);
	put_rule(CHAIN, PERHAPS, 23, NF_DROP, NULL);
	put_rule(CHAIN, SURE, 24, NF_ACCEPT, NULL);
	w = walk(22);
	assert_int_equal(w.result, WALK_UNSURE);
	assert_int_equal(w.doubt_count, 1);
	assert_string_equal(w.doubts[0].what, PERHAPS);
	assert_int_equal(w.doubts[0].code, NF_ACCEPT);
	w = walk(23);
	assert_int_equal(w.result, WALK_DROPPED);
	assert_int_equal(w.doubt_count, 0);
	assert_int_equal(result(24), WALK_PASSES);
}

static void a_certain_drop_outdoes_a_doubt_before(void **state)
{
	(void)state;
	put_chain(CHAIN, NF_INET_LOCAL_IN, 0, NF_ACCEPT);
	put_chain("later", NF_INET_LOCAL_IN, 1, NF_DROP);
	put_rule(CHAIN, PERHAPS, 0, NF_DROP, NULL);
	assert_int_equal(result(22), WALK_DROPPED);
	put_rule("later", SURE, 22, NF_ACCEPT, NULL);
	assert_int_equal(result(22), WALK_UNSURE);
}

static void jumps_come_back_and_gotos_do_not(void **state)
{
	(void)state;
	put_chain(CHAIN, NF_INET_LOCAL_IN, 0, NF_DROP);
	put_chain("inner", -1, 0, NF_ACCEPT);
	put_rule(CHAIN, SURE, 22, NFT_JUMP, "inner");
	put_rule(CHAIN, SURE, 23, NFT_GOTO, "inner");
	put_rule(CHAIN, PERHAPS, 24, NFT_GOTO, "inner");
	put_rule(CHAIN, SURE, 25, NFT_RETURN, NULL);
	put_rule(CHAIN, SURE, 0, NF_ACCEPT, NULL);
	put_rule("inner", SURE, 22, NFT_RETURN, NULL);
	put_rule("inner", SURE, 22, NF_DROP, NULL);
	assert_int_equal(result(22), WALK_PASSES);
	assert_int_equal(result(23), WALK_DROPPED);
	assert_int_equal(result(24), WALK_UNSURE);
	assert_int_equal(result(25), WALK_DROPPED);
}

static void a_jump_in_doubt_for_nothing_is_no_doubt(void **state)
{
	(void)state;
	put_chain(CHAIN, NF_INET_LOCAL_IN, 0, NF_DROP);
	put_chain("inner", -1, 0, NF_ACCEPT);
	put_rule(CHAIN, PERHAPS, 0, NFT_JUMP, "inner");
	put_rule("inner", SURE, 22, NF_ACCEPT, NULL);
	assert_int_equal(result(22), WALK_UNSURE);
	assert_int_equal(result(23), WALK_DROPPED);
}

static void circles_and_crowds_end(void **state)
{
	char name[3] = "c0";
	struct walk w;

	(void)state;
	put_chain(CHAIN, NF_INET_LOCAL_IN, 0, NF_DROP);
	put_rule(CHAIN, SURE, 22, NFT_JUMP, CHAIN);
	put_rule(CHAIN, SURE, 23, NFT_JUMP, "nowhere");
	put_rule(CHAIN, SURE, 24, NFT_JUMP, "c0");
	for (name[1] = '0'; name[1] < '9'; name[1]++)
		put_chain(name, -1, 0, NF_ACCEPT);
	for (name[1] = '0'; name[1] < '8'; name[1]++) {
		char next[] = {'c', (char)(name[1] + 1), '\0'};

		for (int i = 0; i < 16; i++)
			put_rule(name, SURE, 0, NFT_JUMP, next);
	}
	put_rule("c8", SURE, 9, NF_DROP, NULL);
	assert_int_equal(result(22), WALK_UNSURE);
	assert_int_equal(result(23), WALK_UNSURE);
	w = walk(24); /* 16^8 rules would be asked */
	assert_int_equal(w.result, WALK_UNSURE);
	assert_int_equal(result(25), WALK_DROPPED);
}

/* --- Legacy */

struct blob {
	_Alignas(8) uint8_t bytes[8192];
	size_t used;
	uint32_t hook_entry[NF_INET_NUMHOOKS], underflow[NF_INET_NUMHOOKS];
};

/* A rule for everything; `name`: of a target, with `data` behind it. Returns where it stands. */
static uint32_t put_entry(struct blob *b, const char *name, const void *data, size_t size)
{
	struct ipt_entry e = {.target_offset = sizeof e};
	struct xt_entry_target t = {.u.user.name = ""};
	uint32_t at = (uint32_t)b->used;

	size = (size + 7) / 8 * 8;
	e.next_offset = (uint16_t)(sizeof e + sizeof t + size);
	t.u.user.target_size = (uint16_t)(sizeof t + size);
	snprintf(t.u.user.name, sizeof t.u.user.name, "%s", name);
	memcpy(b->bytes + at, &e, sizeof e);
	memcpy(b->bytes + at + sizeof e, &t, sizeof t);
	memcpy(b->bytes + at + sizeof e + sizeof t, data, size);
	b->used += e.next_offset;
	return at;
}

static uint32_t put_verdict(struct blob *b, int32_t verdict)
{
	const int32_t data[2] = {verdict};

	return put_entry(b, "", data, sizeof data);
}

static int take(struct blob *b, size_t size)
{
	return legacy_take(&rules, &(struct legacy_table){.name = TABLE,
	                               .family = NFPROTO_IPV4,
	                               .valid_hooks = 1U << NF_INET_LOCAL_IN,
	                               .hook_entry = b->hook_entry,
	                               .underflow = b->underflow,
	                               .entries = b->bytes,
	                               .size = size});
}

/* INPUT jumps to a chain that returns, or drops, and ends with its policy. */
static struct blob blob(int32_t inner, int32_t policy)
{
	struct blob b = {.used = 0};
	const char name[XT_FUNCTION_MAXNAMELEN + 2] = "mine";
	uint32_t jump = put_verdict(&b, 0), chain;
	int32_t to;

	b.hook_entry[NF_INET_LOCAL_IN] = jump;
	b.underflow[NF_INET_LOCAL_IN] = put_verdict(&b, policy);
	put_entry(&b, "ERROR", name, sizeof name);
	chain = put_verdict(&b, inner);
	put_verdict(&b, XT_RETURN);
	put_entry(&b, "ERROR", name, sizeof name);
	to = (int32_t)chain;
	memcpy(b.bytes + jump + sizeof(struct ipt_entry) + sizeof(struct xt_entry_target), &to,
	    sizeof to);
	return b;
}

static void legacy_tables_are_followed(void **state)
{
	static const struct {
		int32_t inner, policy;
		enum walk_result result;
	} rows[] = {{XT_RETURN, -NF_ACCEPT - 1, WALK_PASSES},
	    {XT_RETURN, -NF_DROP - 1, WALK_DROPPED}, {-NF_DROP - 1, -NF_ACCEPT - 1, WALK_DROPPED},
	    {-NF_ACCEPT - 1, -NF_DROP - 1, WALK_PASSES},
	    {-NF_QUEUE - 1, -NF_DROP - 1, WALK_UNSURE}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct blob b = blob(rows[i].inner, rows[i].policy);

		assert_int_equal(take(&b, b.used), 0);
		assert_int_equal(result(22), rows[i].result);
		rules_free(&rules);
	}
}

/* Cut anywhere, or with any byte changed, it is refused or followed, and nothing else. */
static void legacy_tables_that_are_not_sound_do_no_harm(void **state)
{
	struct blob good = blob(XT_RETURN, -NF_DROP - 1);

	(void)state;
	for (size_t size = 0; size < good.used; size++) {
		struct blob b = good;

		(void)take(&b, size);
		(void)result(22);
		rules_free(&rules);
	}
	for (size_t at = 0; at < good.used; at++) {
		struct blob b = good;

		b.bytes[at] ^= 0xff;
		(void)take(&b, b.used);
		(void)result(22);
		rules_free(&rules);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {TEST(what_is_not_known_is_not_compared),
	    TEST(registers_lie_over_each_other), TEST(marks_are_known_bit_by_bit),
	    TEST(intervals_end_where_they_end), TEST(what_is_in_no_element_is_in_the_one_for_all),
	    TEST(a_part_that_is_not_known_leaves_it_open),
	    TEST(elements_of_another_size_are_not_believed), TEST(the_first_that_matches_decides),
	    TEST(a_drop_ends_all_and_an_accept_one), TEST(doubts_are_told_where_they_count),
	    TEST(a_certain_drop_outdoes_a_doubt_before), TEST(jumps_come_back_and_gotos_do_not),
	    TEST(a_jump_in_doubt_for_nothing_is_no_doubt), TEST(circles_and_crowds_end),
	    TEST(legacy_tables_are_followed), TEST(legacy_tables_that_are_not_sound_do_no_harm)};

	not_when_emulated("netlink of nf_tables");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
