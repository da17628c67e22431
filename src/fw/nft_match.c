/* Rules by what they look at. What nft makes of the same text is what the kernel gets, so that its
 * listings read well; a test compares the two. */
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "fw/nft_rule.h"

#define NEW_SET "__set%d" /* the kernel fills the number in */

static const struct field {
	const char *name;
	uint8_t from; /* enum nft_source */
	uint8_t what; /* key of meta or ct, or an offset */
	uint8_t bytes;
	uint8_t type;
	uint8_t family; /* of packets that have it; 0: all */
	uint8_t protocol;
	uint8_t is; /* the one value that is meant */
} fields[] = {
    [NFT_IIFNAME] = {"iifname", NFT_META, NFT_META_IIFNAME, INTERFACE_NAME_BYTES, NFT_NO_TYPE, 0, 0,
        0},
    [NFT_OIFNAME] = {"oifname", NFT_META, NFT_META_OIFNAME, INTERFACE_NAME_BYTES, NFT_NO_TYPE, 0, 0,
        0},
    [NFT_NOT_LOCAL] = {"fib daddr type != local", NFT_FIB, NFT_FIB_RESULT_ADDRTYPE, 4, NFT_NO_TYPE,
        0, 0, RTN_LOCAL},
    [NFT_L4PROTO] = {"meta l4proto", NFT_META, NFT_META_L4PROTO, 1, NFT_INET_PROTO, 0, 0, 0},
    [NFT_ESTABLISHED] = {"ct state established", NFT_CT, NFT_CT_STATE, 4, NFT_NO_TYPE, 0, 0, 2},
    [NFT_RELATED] = {"ct state related", NFT_CT, NFT_CT_STATE, 4, NFT_NO_TYPE, 0, 0, 4},
    [NFT_REPLY] = {"ct direction reply", NFT_CT, NFT_CT_DIRECTION, 1, NFT_NO_TYPE, 0, 0, 1},
    [NFT_IP_SADDR] = {"ip saddr", NFT_NETWORK, 12, 4, NFT_IPV4_ADDR, NFPROTO_IPV4, 0, 0},
    [NFT_IP6_SADDR] = {"ip6 saddr", NFT_NETWORK, 8, 16, NFT_IPV6_ADDR, NFPROTO_IPV6, 0, 0},
    [NFT_IP6_DADDR] = {"ip6 daddr", NFT_NETWORK, 24, 16, NFT_IPV6_ADDR, NFPROTO_IPV6, 0, 0},
    [NFT_IP6_HOPLIMIT] = {"ip6 hoplimit", NFT_NETWORK, 7, 1, NFT_NO_TYPE, NFPROTO_IPV6, 0, 0},
    [NFT_ICMP_TYPE] = {"icmp type", NFT_TRANSPORT, 0, 1, NFT_ICMP, NFPROTO_IPV4, IPPROTO_ICMP, 0},
    [NFT_ICMP_CODE] = {"icmp code", NFT_TRANSPORT, 1, 1, NFT_NO_TYPE, NFPROTO_IPV4, IPPROTO_ICMP,
        0},
    [NFT_ICMPV6_TYPE] = {"icmpv6 type", NFT_TRANSPORT, 0, 1, NFT_ICMPV6, NFPROTO_IPV6,
        IPPROTO_ICMPV6, 0},
    [NFT_TCP_DPORT] = {"tcp dport", NFT_TRANSPORT, 2, 2, NFT_INET_SERVICE, 0, IPPROTO_TCP, 0},
    [NFT_UDP_SPORT] = {"udp sport", NFT_TRANSPORT, 0, 2, NFT_INET_SERVICE, 0, IPPROTO_UDP, 0},
    [NFT_UDP_DPORT] = {"udp dport", NFT_TRANSPORT, 2, 2, NFT_INET_SERVICE, 0, IPPROTO_UDP, 0},
    [NFT_TH_DPORT] = {"th dport", NFT_TRANSPORT, 2, 2, NFT_INET_SERVICE, 0, 0, 0},
};

void nft_value_add(struct nft_writer *w, const void *first, const void *last, size_t size)
{
	struct nft_value *v = &w->values[w->count++];

	memset(v, 0, sizeof *v);
	memcpy(v->first, first, size);
	memcpy(v->last, last, size);
}

/* --- The values of a rule */

static int value_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nft_value));
}

/* The one after it, in `bytes`; false when there is none. */
static bool value_next(uint8_t *out, const uint8_t *value, size_t bytes)
{
	memcpy(out, value, bytes);
	while (bytes > 0 && ++out[bytes - 1] == 0)
		bytes--;
	return bytes > 0;
}

static bool is_single(const struct nft_value *v)
{
	return memcmp(v->first, v->last, sizeof v->first) == 0;
}

/* What overlaps, and of ranges what touches, becomes one. */
static void values_merge(struct nft_writer *w, size_t bytes, bool ranges)
{
	size_t kept = 0;

	qsort(w->values, w->count, sizeof *w->values, value_order);
	for (size_t i = 1; i < w->count; i++) {
		struct nft_value *before = &w->values[kept], *v = &w->values[i];
		uint8_t next[ADDR_BYTES];
		bool touches = memcmp(v->first, before->last, bytes) <= 0 ||
		               (ranges && value_next(next, before->last, bytes) &&
		                   memcmp(v->first, next, bytes) == 0);

		if (!touches)
			w->values[++kept] = *v;
		else if (memcmp(before->last, v->last, bytes) < 0)
			memcpy(before->last, v->last, bytes);
	}
	w->count = kept + 1;
}

static struct nlattr *start_values(struct nft_writer *w)
{
	struct nlmsghdr *m = nft_batch_add(w->link, NFT_MSG_NEWSETELEM, NFPROTO_INET, NLM_F_CREATE);

	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, NEW_SET);
	mnl_attr_put_u32(m, NFTA_SET_ELEM_LIST_SET_ID, htobe32(w->sets));
	return mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static void put_value(struct nlmsghdr *m, const uint8_t *key, size_t bytes, bool is_end)
{
	struct nlattr *element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);

	nft_put_data(m, NFTA_SET_ELEM_KEY, key, bytes);
	if (is_end)
		mnl_attr_put_u32(m, NFTA_SET_ELEM_FLAGS, htobe32(NFT_SET_ELEM_INTERVAL_END));
	mnl_attr_nest_end(m, element);
}

/* A set without a name. A range is its first and, marked as an end, the one after its last; both in
 * one message, as nft sends them. */
static void put_values(struct nft_writer *w, const struct field *f)
{
	static const uint8_t zero[ADDR_BYTES];
	bool ranges = f->bytes >= 4;
	uint32_t flags = NFT_SET_ANONYMOUS | NFT_SET_CONSTANT;
	uint8_t after[ADDR_BYTES];
	struct nlattr *list;

	for (size_t i = 0; i < w->count; i++)
		ranges = ranges || !is_single(&w->values[i]);
	values_merge(w, f->bytes, ranges);
	nft_new_set(w, NEW_SET, ranges ? flags | NFT_SET_INTERVAL : flags, f->type, f->bytes,
	    ranges ? 2 * w->count + 1 : w->count);
	list = start_values(w);
	if (ranges && memcmp(w->values[0].first, zero, f->bytes) != 0)
		put_value(w->link->message, zero, f->bytes, true);
	for (size_t i = 0; i < w->count; i++) {
		if (w->link->message->nlmsg_len > NFT_MESSAGE_BYTES / 2) {
			mnl_attr_nest_end(w->link->message, list);
			list = start_values(w);
		}
		put_value(w->link->message, w->values[i].first, f->bytes, false);
		if (ranges && value_next(after, w->values[i].last, f->bytes))
			put_value(w->link->message, after, f->bytes, true);
	}
	mnl_attr_nest_end(w->link->message, list);
}

/* --- Matches as text */

static unsigned int number_of(const uint8_t *value, size_t bytes)
{
	return bytes == 1 ? value[0] : (unsigned int)(value[0] << 8 | value[1]);
}

static void text_value(FILE *text, const struct field *f, const struct nft_value *v)
{
	char address[ADDR_TEXT_BYTES];
	struct addr a;
	int bits = 0;

	if (f->bytes < 4) {
		fprintf(text, "%u", number_of(v->first, f->bytes));
		if (!is_single(v))
			fprintf(text, "-%u", number_of(v->last, f->bytes));
		return;
	}
	a = addr_from_bytes(v->first, f->bytes);
	for (size_t i = 0; i < f->bytes; i++)
		bits += 8 - __builtin_popcount(v->first[i] ^ v->last[i]);
	fprintf(text, "%s/%d", addr_text(&a, address), bits);
}

static void text_values(const struct nft_writer *w, const struct field *f)
{
	fputs(w->count > 1 ? " { " : " ", w->text);
	for (size_t i = 0; i < w->count; i++) {
		if (i > 0)
			fputs(", ", w->text);
		text_value(w->text, f, &w->values[i]);
	}
	fputs(w->count > 1 ? " }" : "", w->text);
}

static void text_match(const struct nft_writer *w, const struct nft_match *m)
{
	const struct field *f = &fields[m->field];

	fputs(f->name, w->text);
	if (m->name != NULL)
		fprintf(w->text, " %s\"%s\"", m->except ? "!= " : "", m->name);
	else if (m->set != NULL)
		fprintf(w->text, "%s%s @%s", m->more > 0 ? " . meta l4proto" : "",
		    m->more > 1 ? " . th dport" : "", m->set);
	else if (m->listed)
		text_values(w, f);
	else if (f->is == 0)
		fprintf(w->text, " %" PRIu32, m->is);
	fputs(" ", w->text);
}

static void text_rule(const struct nft_writer *w, const struct nft_match *matches, int verdict,
    const char *to, const char *comment)
{
	fputs("\t\t", w->text);
	for (const struct nft_match *m = matches; m != NULL && m->field != NFT_NO_FIELD; m++)
		text_match(w, m);
	if (verdict == NFT_MARK)
		fprintf(w->text, "meta mark set meta mark | 0x%08" PRIx32, w->mark);
	else if (verdict == NFT_UNMARK)
		fprintf(w->text, "meta mark set meta mark & 0x%08" PRIx32, ~w->mark);
	else if (to != NULL)
		fprintf(w->text, "%s %s", verdict == NFT_JUMP ? "jump" : "goto", to);
	else
		fputs(verdict == NF_ACCEPT ? "accept"
		      : verdict == NF_DROP ? "drop"
		                           : "return",
		    w->text);
	if (comment != NULL)
		fprintf(w->text, " comment \"%s\"", comment);
	fputs("\n", w->text);
}

/* --- Matches as expressions */

struct known {
	uint8_t family, protocol;
};

static void load(struct nft_building *b, const struct field *f, uint32_t reg)
{
	nft_load(b, f->from, f->what, f->bytes, reg);
}

/* A field that not every packet has is looked for in those that have it. */
static void require(struct nft_building *b, struct known *known, const struct field *f)
{
	if (f->family != 0 && f->family != known->family) {
		nft_load(b, NFT_META, NFT_META_NFPROTO, 1, NFT_REG_1);
		nft_compare(b, NFT_CMP_EQ, &f->family, 1);
		known->family = f->family;
	}
	if (f->protocol != 0 && f->protocol != known->protocol) {
		load(b, &fields[NFT_L4PROTO], NFT_REG_1);
		nft_compare(b, NFT_CMP_EQ, &f->protocol, 1);
		known->protocol = f->protocol;
	}
}

static void compare_name(struct nft_building *b, uint32_t op, const char *name)
{
	char whole[INTERFACE_NAME_BYTES] = "";

	memcpy(whole, name, strnlen(name, sizeof whole - 1));
	nft_compare(b, op, whole, sizeof whole);
}

static void compare_number(struct nft_building *b, const struct field *f, uint32_t number)
{
	static const uint32_t zero;
	uint8_t small[] = {(uint8_t)(number >> 8), (uint8_t)number};

	if (f->bytes <= 2) {
		nft_compare(b, NFT_CMP_EQ, small + 2 - f->bytes, f->bytes);
	} else { /* bits of the host's own order */
		nft_mask(b, &number, &zero, sizeof number);
		nft_compare(b, NFT_CMP_NEQ, &zero, sizeof zero);
	}
}

/* The only value there is; a range of addresses is a network. */
static void compare_value(struct nft_building *b, const struct field *f, const struct nft_value *v)
{
	static const uint8_t zero[ADDR_BYTES];
	uint8_t mask[ADDR_BYTES];

	if (is_single(v)) {
		nft_compare(b, NFT_CMP_EQ, v->first, f->bytes);
	} else if (f->bytes < 4) {
		nft_compare(b, NFT_CMP_GTE, v->first, f->bytes);
		nft_compare(b, NFT_CMP_LTE, v->last, f->bytes);
	} else {
		for (size_t i = 0; i < f->bytes; i++)
			mask[i] = (uint8_t) ~(v->first[i] ^ v->last[i]);
		nft_mask(b, mask, zero, f->bytes);
		nft_compare(b, NFT_CMP_EQ, v->first, f->bytes);
	}
}

static void put_match(const struct nft_writer *w, struct nft_building *b, struct known *known,
    const struct nft_match *m)
{
	static const uint32_t local = RTN_LOCAL;
	const struct field *f = &fields[m->field];
	uint32_t next = NFT_REG32_00 + (uint32_t)f->bytes / 4;

	require(b, known, f);
	load(b, f, NFT_REG_1);
	if (m->set != NULL && m->more > 0)
		load(b, &fields[NFT_L4PROTO], next);
	if (m->set != NULL && m->more > 1)
		load(b, &fields[NFT_TH_DPORT], next + 1);
	if (m->set != NULL)
		nft_look_up(b, m->set, 0);
	else if (m->listed && w->in_set)
		nft_look_up(b, NEW_SET, w->sets);
	else if (m->listed)
		compare_value(b, f, &w->values[0]);
	else if (m->name != NULL)
		compare_name(b, m->except ? NFT_CMP_NEQ : NFT_CMP_EQ, m->name);
	else if (m->field == NFT_NOT_LOCAL)
		nft_compare(b, NFT_CMP_NEQ, &local, sizeof local);
	else
		compare_number(b, f, f->is != 0 ? f->is : m->is);
}

/* What a granted packet has and no other; it is for the host's own chains (nft_host.c). */
static void put_mark(struct nft_building *b, uint32_t mark, bool granted)
{
	uint32_t others = ~mark, bits = granted ? mark : 0;

	nft_load(b, NFT_META, NFT_META_MARK, sizeof mark, NFT_REG_1);
	nft_mask(b, &others, &bits, sizeof mark);
	nft_set_mark(b);
}

static void put_verdict(
    struct nft_building *b, const struct nft_writer *w, int verdict, const char *to)
{
	if (verdict == NFT_MARK || verdict == NFT_UNMARK)
		put_mark(b, w->mark, verdict == NFT_MARK);
	else if (verdict == NFT_NOTRACK)
		nft_untrack(b);
	else
		nft_verdict(b, verdict, to);
}

void nft_put_rule(struct nft_writer *w, const struct nft_match *matches, int verdict,
    const char *to, const char *comment)
{
	struct known known = {0};
	struct nft_building b;

	if (w->text != NULL)
		text_rule(w, matches, verdict, to, comment);
	w->in_set = w->link != NULL && w->count > 1;
	for (const struct nft_match *m = matches; w->in_set && m->field != NFT_NO_FIELD; m++) {
		if (m->listed)
			put_values(w, &fields[m->field]);
	}
	if (w->link != NULL) {
		b = nft_rule_start(w->link, NFPROTO_INET, NFT_TABLE, w->chain,
		    (uint16_t)(NLM_F_APPEND | w->rule_flags));
		for (const struct nft_match *m = matches; m != NULL && m->field != NFT_NO_FIELD;
		     m++)
			put_match(w, &b, &known, m);
		put_verdict(&b, w, verdict, to);
		nft_rule_end(&b, comment);
	}
	w->count = 0;
}
