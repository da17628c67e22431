/* Elements as they go to the kernel and come back, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "emulated.h"
#include "fw/nft_rule.h"

/* As it is: what comes back is read by functions of its own. */
#include "fw/nft_element.c" /* NOLINT(bugprone-suspicious-include) */

#define HALF    "a123456789b123456789c123456789d123456789e123456789f123456789abc"
#define LONGEST HALF HALF "x"

_Static_assert(sizeof LONGEST == CLIENT_NAME_BYTES, "as long as a name can be");

/* What the kernel would say of an element, with room for what it would not. */
struct told {
	bool no_expiration, no_owner, no_key;
	uint64_t expiration_ms;
	const void *owner;
	size_t owner_bytes;
	size_t key_bytes;
};

static bool reads(const struct told *t, struct nft_element *out)
{
	static char buffer[2048];
	static const uint8_t key[NFT_KEY_BYTES] = {192, 0, 2, 1};
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	struct nlattr *element = mnl_attr_nest_start(m, NFTA_LIST_ELEM), *nest;

	if (!t->no_key) {
		nest = mnl_attr_nest_start(m, NFTA_SET_ELEM_KEY);
		mnl_attr_put(m, NFTA_DATA_VALUE, t->key_bytes, key);
		mnl_attr_nest_end(m, nest);
	}
	if (!t->no_expiration)
		mnl_attr_put_u64(m, NFTA_SET_ELEM_EXPIRATION, htobe64(t->expiration_ms));
	if (!t->no_owner)
		mnl_attr_put(m, NFTA_SET_ELEM_USERDATA, t->owner_bytes, t->owner);
	mnl_attr_nest_end(m, element);
	memset(out, 0x55, sizeof *out);
	return read_element(out, element, V4_BYTES);
}

#define OWNER(bytes) .owner = (bytes), .owner_bytes = sizeof(bytes) - 1
#define ALICE        OWNER("\0\6alice\0")

static void one_of_ours(void **state)
{
	const struct told t = {.expiration_ms = 1234, ALICE, .key_bytes = V4_BYTES};
	struct nft_element e;

	(void)state;
	assert_true(reads(&t, &e));
	assert_int_equal(e.timeout_ms, 1234);
	assert_string_equal(e.owner, "alice");
	assert_int_equal(e.key_bytes, V4_BYTES);
	assert_memory_equal(e.key, "\xc0\0\2\1", V4_BYTES);
}

/* One that ends this moment, or never, would be kept for ever. */
static void without_time_left(void **state)
{
	struct told t = {.expiration_ms = 1, ALICE, .key_bytes = V4_BYTES};
	struct nft_element e;

	(void)state;
	assert_true(reads(&t, &e));
	t.expiration_ms = 0;
	assert_false(reads(&t, &e));
	t.expiration_ms = 1;
	t.no_expiration = true;
	assert_false(reads(&t, &e));
}

static void of_another_shape(void **state)
{
	struct told t = {.expiration_ms = 1, ALICE, .key_bytes = V4_BYTES + 4};
	struct nft_element e;

	(void)state;
	assert_false(reads(&t, &e));
	t.key_bytes = V4_BYTES;
	assert_true(reads(&t, &e));
	t.no_key = true;
	assert_false(reads(&t, &e));
	t.no_key = false;
	t.no_owner = true;
	assert_false(reads(&t, &e));
}

/* Reads it into memory that ends with the owner; how much of what lies behind is changed. */
static size_t bytes_of_owner(const char *data, size_t size)
{
	static char buffer[512];
	struct {
		char owner[CLIENT_NAME_BYTES];
		char behind[256];
	} memory;
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
	size_t changed = 0;
	char *owner = memory.owner;

	__asm__("" : "+r"(owner)); /* the compiler is not to know where it ends */
	memset(&memory, 0x55, sizeof memory);
	mnl_attr_put(m, NFTA_SET_ELEM_USERDATA, size, data);
	read_owner(owner, mnl_nlmsg_get_payload(m));
	for (size_t i = 0; i < sizeof memory.behind; i++)
		changed += memory.behind[i] != 0x55;
	return changed;
}

static void owners_of_any_length(void **state)
{
	static const struct told good[] = {
	    {.expiration_ms = 1, OWNER("\0\2a\0"), .key_bytes = V4_BYTES},
	    {.expiration_ms = 1, OWNER("\0\1a"), .key_bytes = V4_BYTES}, /* without its end */
	    {.expiration_ms = 1, OWNER("\0\x80" LONGEST "\0"), .key_bytes = V4_BYTES},
	    /* More behind it is somebody else's to read. */
	    {.expiration_ms = 1, OWNER("\0\2a\0\1\2xy"), .key_bytes = V4_BYTES},
	};
	static const struct told bad[] = {
	    {.expiration_ms = 1, OWNER(""), .key_bytes = V4_BYTES},
	    {.expiration_ms = 1, OWNER("\0"), .key_bytes = V4_BYTES},
	    {.expiration_ms = 1, OWNER("\0\0"), .key_bytes = V4_BYTES},
	    {.expiration_ms = 1, OWNER("\0\1\0"), .key_bytes = V4_BYTES},      /* empty */
	    {.expiration_ms = 1, OWNER("\1\6alice\0"), .key_bytes = V4_BYTES}, /* no comment */
	    {.expiration_ms = 1, OWNER("\0\7alice\0"), .key_bytes = V4_BYTES}, /* past the end */
	    {.expiration_ms = 1, OWNER("\0\6al ce\0"), .key_bytes = V4_BYTES}, /* no name */
	    {.expiration_ms = 1, OWNER("\0\x80" LONGEST "x"), .key_bytes = V4_BYTES}, /* no end */
	    {.expiration_ms = 1, OWNER("\0\x81" LONGEST "x\0"), .key_bytes = V4_BYTES},
	    {.expiration_ms = 1, OWNER("\0\xff" LONGEST "\0"), .key_bytes = V4_BYTES},
	};
	struct nft_element e;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(reads(&good[i], &e));
	assert_string_equal(e.owner, "a");
	assert_true(reads(&good[2], &e));
	assert_string_equal(e.owner, LONGEST);
	assert_int_equal(bytes_of_owner("\0\x81" LONGEST "x", sizeof LONGEST + 3), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (reads(&bad[i], &e))
			fail_msg("bad owner %zu", i);
	}
}

/* As nft writes and reads comments: type, length with the closing zero, text. */
static void written_as_nft_reads_it(void **state)
{
	static const char *const owners[] = {"a", "alice", LONGEST};
	static char buffer[2048];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
		const struct nlattr *a;
		const uint8_t *data;
		char read_back[CLIENT_NAME_BYTES];

		nft_put_comment(m, NFTA_SET_ELEM_USERDATA, owners[i]);
		a = mnl_nlmsg_get_payload(m);
		data = mnl_attr_get_payload(a);
		assert_int_equal(mnl_attr_get_type(a), NFTA_SET_ELEM_USERDATA);
		assert_int_equal(mnl_attr_get_payload_len(a), strlen(owners[i]) + 3);
		assert_int_equal(data[0], 0);
		assert_int_equal(data[1], strlen(owners[i]) + 1);
		assert_memory_equal(data + 2, owners[i], strlen(owners[i]) + 1);
		assert_true(read_owner(read_back, a));
		assert_string_equal(read_back, owners[i]);
	}
}

static void addresses_there_and_back(void **state)
{
	static const char *const addresses[] = {"192.0.2.1", "2001:db8::1"};
	static const char owner[CLIENT_NAME_BYTES] = "alice";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct addr a, back;
		struct nft_element e;

		assert_true(addr_parse(&a, addresses[i]));
		e = nft_element_of(&a, 77, owner);
		assert_int_equal(e.key_bytes, i == 0 ? 4 : 16);
		assert_int_equal(e.timeout_ms, 77);
		assert_string_equal(e.owner, "alice");
		back = nft_element_address(&e, i == 0);
		assert_true(addr_equal(&a, &back));
	}
}

/* --- Where an opening stands */

#define NOW INT64_C(5000000000)

static const struct {
	const char *address;
	struct ports ports;
	uint32_t policy;
	const char *set; /* NULL: nowhere */
	size_t after;    /* bytes behind the address in its key */
	uint8_t behind[8];
} places[] = {
    {"192.0.2.1", {6, 0, 0x1234, 0x1234}, 0, NFT_PORTS_4, 8, {6, 0, 0, 0, 0x12, 0x34}},
    {"2001:db8::1", {17, 0, 22, 22}, 0, NFT_PORTS_6, 8, {17, 0, 0, 0, 0, 22}},
    {"192.0.2.1", {1, 0, 0, 0}, 0, NFT_PROTOCOLS_4, 4, {1}},
    {"2001:db8::1", {58, 0, 0, 0}, 0, NFT_PROTOCOLS_6, 4, {58}},
    {"192.0.2.1", {58, 0, 0, 0}, 0, NULL, 0, {0}},
    {"2001:db8::1", {1, 0, 0, 0}, 0, NULL, 0, {0}},
    {"192.0.2.1", {4, 0, 0, 0}, 0, NFT_PROTOCOLS_4, 4, {4}},
    {"2001:db8::1", {4, 0, 0, 0}, 0, NFT_PROTOCOLS_6, 4, {4}},
    {"192.0.2.1", {6, 0, 1000, 2000}, 0, "opened_tcp_1000_2000_4", 0, {0}},
    {"2001:db8::1", {17, 0, 1, 65535}, 0, "opened_udp_1_65535_6", 0, {0}},
    {"192.0.2.1", {6, 0, 2000, 1000}, 0, NULL, 0, {0}},
    {"192.0.2.1", {6, 0, 0, 0}, 0, NULL, 0, {0}},
    {"192.0.2.1", {1, 0, 1, 1}, 0, NFT_PROTOCOLS_4, 4, {1}}, /* whatever ports */
    {"192.0.2.1", {1, 0, 2, 1}, 0, NULL, 0, {0}},
    {"192.0.2.1", {0}, 0, "first_4", 0, {0}},
    {"2001:db8::1", {0}, 1, "second_6", 0, {0}},
    {"192.0.2.1", {0}, 2, NULL, 0, {0}},
};

static bool stands(struct nft_place *p, size_t i, int64_t until_ns, const char *owner)
{
	struct nft_sets sets[] = {
	    {.v4 = "first_4", .v6 = "first_6"}, {.v4 = "second_4", .v6 = "second_6"}};
	const struct nft_policies policies = {sets, 2};
	struct fw_change c = {.owner = owner,
	    .opening = {
	        .ports = places[i].ports, .policy = places[i].policy, .until_ns = until_ns}};

	assert_true(addr_parse(&c.opening.address, places[i].address));
	return nft_place_of(p, &policies, &c, NOW);
}

static void each_kind_has_its_place(void **state)
{
	static const char alice[CLIENT_NAME_BYTES] = "alice", nobody[CLIENT_NAME_BYTES] = "";
	struct nft_place p;

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		size_t address = strchr(places[i].address, ':') != NULL ? ADDR_BYTES : V4_BYTES;

		if (stands(&p, i, NOW + 1, alice) != (places[i].set != NULL))
			fail_msg("place %zu", i);
		assert_false(stands(&p, i, NOW + 1, nobody));
		if (places[i].set == NULL)
			continue;
		stands(&p, i, NOW + 1, alice);
		assert_string_equal(p.set, places[i].set);
		assert_string_equal(p.element.owner, "alice");
		assert_int_equal(p.element.key_bytes, address + places[i].after);
		assert_memory_equal(
		    p.element.key + address, places[i].behind, sizeof places[i].behind);
	}
}

static void time_is_never_cut_short(void **state)
{
	static const char alice[CLIENT_NAME_BYTES] = "alice";
	static const struct {
		int64_t left_ns;
		uint64_t ms;
	} cases[] = {{-1, 0}, {0, 0}, {1, 1}, {1000000, 1}, {1000001, 2}, {1999999, 2},
	    {3600000000000, 3600000}};
	struct nft_place p;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(stands(&p, 0, NOW + cases[i].left_ns, alice));
		assert_int_equal(p.element.timeout_ms, cases[i].ms);
	}
}

/* --- The words that the table says of its boot */

static void words_of_a_boot(void **state)
{
	static const char longest[CLOCK_BOOT_ID_BYTES + 1] =
	    "0123456789012345678901234567890123456789";
	static const char behind_a_line[] = "\n";
	static const struct {
		const char *id, *words;
	} cases[] = {{"", ""}, {"\n", ""}, {"7", "of boot 7"}, {"7a\n", "of boot 7a"}};
	char boot[NFT_BOOT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memset(boot, 0x55, sizeof boot);
		nft_table_boot(boot, cases[i].id);
		assert_string_equal(boot, cases[i].words);
		assert_int_equal(boot[NFT_BOOT_BYTES - 1], 0);
	}
	nft_table_boot(boot, behind_a_line + 1);
	assert_string_equal(boot, "");
	nft_table_boot(boot, longest);
	assert_int_equal(strlen(boot), strlen("of boot ") + CLOCK_BOOT_ID_BYTES);
}

/* --- The set of a rule that has several values */

static uint32_t size_of(const struct nlmsghdr *new_set)
{
	const struct nlattr *size =
	    nft_attributes_in(nft_attributes_of(new_set).at[NFTA_SET_DESC]).at[NFTA_SET_DESC_SIZE];
	uint32_t n = 0;

	assert_true(nft_attribute_u32(size, &n));
	return n;
}

static int count_element(const struct nlattr *element, void *count)
{
	(void)element;
	(*(uint32_t *)count)++;
	return MNL_CB_OK;
}

static uint32_t elements_of(const struct nlmsghdr *new_elements)
{
	uint32_t n = 0;

	mnl_attr_parse_nested(
	    nft_attributes_of(new_elements).at[NFTA_SET_ELEM_LIST_ELEMENTS], count_element, &n);
	return n;
}

static void room_for_what_is_put_there(void **state)
{
	static const struct nft_match matches[] = {
	    {.field = NFT_TCP_DPORT, .listed = true}, {.field = NFT_NO_FIELD}};
	static const struct {
		uint8_t ports[2][2][2]; /* the first and the last of two */
		uint32_t elements;
	} cases[] = {{{{{0, 22}, {0, 22}}, {{0, 30}, {0, 30}}}, 2},
	    {{{{0, 22}, {0, 25}}, {{0, 30}, {0, 30}}}, 5}};
	struct nft_value values[2];
	struct nft_link l;
	struct nft_writer w = {.link = &l, .values = values, .chain = "input"};

	(void)state;
	if (is_emulated("netlink of nf_tables"))
		skip();
	assert_int_equal(nft_link_open(&l, -1), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct nlmsghdr *m = (const struct nlmsghdr *)l.buffer;
		uint32_t size = 0, elements = 0;
		int left;

		nft_batch_begin(&l);
		for (size_t k = 0; k < 2; k++)
			nft_value_add(&w, cases[i].ports[k][0], cases[i].ports[k][1], 2);
		nft_put_rule(&w, matches, NF_ACCEPT, NULL, NULL);
		left = (int)((char *)l.message - l.buffer) + (int)l.message->nlmsg_len;
		for (; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET))
				size = size_of(m);
			if (m->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM))
				elements += elements_of(m);
		}
		assert_int_equal(size, cases[i].elements);
		assert_int_equal(elements, cases[i].elements);
	}
	nft_link_close(&l);
}

/* Of no other rule the kernel is to send anything back. */
static void only_rules_of_ranges_are_sent_back(void **state)
{
	static const struct nft_range r = {{6, 0, 5, 9}, true};
	struct nft_value values[2];
	struct nft_link l;
	struct nft_writer w = {.link = &l, .values = values};

	(void)state;
	if (is_emulated("netlink of nf_tables"))
		skip();
	assert_int_equal(nft_link_open(&l, -1), 0);
	nft_batch_begin(&l);
	nft_put_range_rule(&w, &r);
	assert_int_equal(l.message->nlmsg_flags & NLM_F_ECHO, NLM_F_ECHO);
	nft_put_rule(&w, NULL, NF_DROP, NULL, NULL);
	assert_int_equal(l.message->nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND);
	assert_int_equal(w.rule_flags, 0);
	nft_link_close(&l);
}

/* --- Comments, as nft writes and reads them */

#define LONGEST_COMMENT LONGEST
_Static_assert(sizeof LONGEST_COMMENT == 127 + 1, "as long as it may be");

static const struct nlattr *user_data(const void *data, size_t size)
{
	static char buffer[512];
	struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);

	mnl_attr_put(m, NFTA_RULE_USERDATA, size, data);
	return mnl_nlmsg_get_payload(m);
}

static void comments_of_any_length(void **state)
{
	static const char *const comments[] = {LONGEST_COMMENT, HALF, "a", ""};
	static char buffer[512];

	(void)state;
	for (size_t i = 0; i < sizeof comments / sizeof *comments; i++) {
		struct nlmsghdr *m = mnl_nlmsg_put_header(buffer);
		const struct nlattr *a = mnl_nlmsg_get_payload(m);
		const uint8_t *data = mnl_attr_get_payload(a);
		size_t size = strlen(comments[i]) + 1;

		nft_put_comment(m, NFTA_RULE_USERDATA, comments[i]);
		assert_int_equal(mnl_attr_get_payload_len(a), 2 + size);
		assert_int_equal(data[0], NFT_COMMENT);
		assert_int_equal(data[1], size);
		assert_memory_equal(data + 2, comments[i], size);
		for (size_t k = 0; k < sizeof comments / sizeof *comments; k++)
			assert_true(nft_has_comment(a, comments[k]) == (k == i));
	}
}

static void comments_among_other_data(void **state)
{
#define DATA(bytes) (bytes), sizeof(bytes) - 1
	static const struct {
		const char *data;
		size_t size;
		bool has;
	} cases[] = {
	    {DATA("\0\2x\0"), true},
	    {DATA("\0\3yy\0\0\2x\0"), true},
	    {DATA("\1\2x\0\0\2x\0"), true},
	    {DATA("\5\1z\0\2x\0"), true},
	    {DATA("\0\2x\0\1"), true},
	    {DATA(""), false},
	    {DATA("\0"), false},
	    {DATA("\0\2"), false},
	    {DATA("\0\2x"), false},
	    {DATA("\0\2y\0"), false},
	    {DATA("\0\3x\0\0"), false},
	    {DATA("\0\1x\0"), false},
	    {DATA("\1\2x\0"), false},
	    {DATA("\1\4\0\2x\0"), false},
	    {DATA("\0\xffx\0"), false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (nft_has_comment(user_data(cases[i].data, cases[i].size), "x") != cases[i].has)
			fail_msg("data %zu", i);
	}
	assert_false(nft_has_comment(NULL, "x"));
	assert_false(nft_has_comment(NULL, ""));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_of_ours),
	    cmocka_unit_test(without_time_left),
	    cmocka_unit_test(of_another_shape),
	    cmocka_unit_test(owners_of_any_length),
	    cmocka_unit_test(written_as_nft_reads_it),
	    cmocka_unit_test(addresses_there_and_back),
	    cmocka_unit_test(each_kind_has_its_place),
	    cmocka_unit_test(time_is_never_cut_short),
	    cmocka_unit_test(words_of_a_boot),
	    cmocka_unit_test(room_for_what_is_put_there),
	    cmocka_unit_test(only_rules_of_ranges_are_sent_back),
	    cmocka_unit_test(comments_of_any_length),
	    cmocka_unit_test(comments_among_other_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
