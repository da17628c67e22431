/* Any rules, as the kernel may tell them of others: names, expressions, sets and tables of legacy
 * iptables are what whoever may write rules has made them.
 *
 * Input: what is asked; then pieces: kind, family, size of what follows, that. A kind below 0x80 is
 * the type of a message of nf_tables and its attributes follow; else it is a table of iptables: a
 * byte each for five hooks' beginnings and ends (in eights), then the entries. */
#include <netinet/in.h> /* before the kernel's twin of it */
#include <string.h>

#include "base/bytes.h"
#include "explain/legacy.h"
#include "explain/walk.h"
#include "fuzz.h"

#define LEGACY      0x80
#define MOST        4096
#define ALL_HOOKS   0x1f
#define QUESTION(b) ((asked & (b)) != 0)

static void take_message(
    struct rules *r, uint8_t type, uint8_t family, const uint8_t *data, size_t size)
{
	_Alignas(8) uint8_t buffer[NLMSG_LENGTH(sizeof(struct nfgenmsg)) + MOST];
	struct nlmsghdr head = {.nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
	    .nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(struct nfgenmsg)) + size)};
	struct nfgenmsg more = {.nfgen_family = family};

	memcpy(buffer, &head, sizeof head);
	memcpy(buffer + NLMSG_HDRLEN, &more, sizeof more);
	memcpy(buffer + NLMSG_LENGTH(sizeof more), data, size);
	must(rules_take(r, (const struct nlmsghdr *)(const void *)buffer) == 0);
}

static void take_legacy(struct rules *r, uint8_t kind, uint8_t family, struct reader in)
{
	static const char *const names[] = {"filter", "nat", "mangle", "raw"};
	uint32_t entry[NF_INET_NUMHOOKS], underflow[NF_INET_NUMHOOKS];
	uint8_t *entries;
	size_t size;

	for (size_t i = 0; i < NF_INET_NUMHOOKS; i++) {
		entry[i] = 8U * reader_u8(&in);
		underflow[i] = 8U * reader_u8(&in);
	}
	size = in.left;
	entries = rules_alloc(r, size);
	must(entries != NULL);
	reader_take(&in, entries, size);
	(void)legacy_take(r, &(struct legacy_table){.name = names[kind % 4],
	                         .family = (family & 1) != 0 ? NFPROTO_IPV4 : NFPROTO_IPV6,
	                         .valid_hooks = ALL_HOOKS,
	                         .hook_entry = entry,
	                         .underflow = underflow,
	                         .entries = entries,
	                         .size = size});
}

static enum walk_end route(void *context, struct packet *p)
{
	p->out = (struct packet_device){.index = 7, .name = "wire3"};
	return *(enum walk_end *)context;
}

static void check(const struct walk *w)
{
	must(w->doubt_count <= WALK_DOUBTS && w->step_count <= WALK_STEPS);
	must(w->result != WALK_DROPPED || w->cause.chain != NULL || w->end == WALK_NO_WAY);
	for (size_t i = 0; i < w->doubt_count; i++)
		must(w->doubts[i].cause.chain != NULL && strlen(w->doubts[i].what) < MOST);
	for (size_t i = 0; i < w->step_count; i++)
		must(strlen(w->steps[i].cause.chain->name) < MOST);
}

static void ask(const struct rules *r, uint8_t asked, uint16_t port)
{
	struct addr from, to;
	struct walk w = {.rules = r, .route = route};
	enum walk_end end = (enum walk_end)(asked >> 6);

	must(addr_parse(&from, QUESTION(1) ? "2001:db8::7" : "203.0.113.7"));
	must(addr_parse(&to, QUESTION(1) ? "2001:db8::1" : "192.0.2.1"));
	w.context = &end;
	w.packet = packet_of(
	    QUESTION(2) ? IPPROTO_UDP : IPPROTO_TCP, &from, QUESTION(4) ? 1234 : 0, &to, port);
	w.packet.in = (struct packet_device){.index = 2, .name = "wire"};
	if (QUESTION(8))
		w.packet.back = w.packet.in;
	w.packet.source_type = QUESTION(16) ? 1 : 0;
	w.packet.target_type = QUESTION(32) ? 2 : 0;
	walk_all(&w);
	check(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader in = reader_of(data, size);
	struct rules r = {.messages = NULL};
	uint8_t asked = reader_u8(&in);
	uint16_t port = reader_u16(&in);

	while (in.left >= 4) {
		uint8_t kind = reader_u8(&in), family = reader_u8(&in);
		size_t most = reader_u16(&in), part = most < in.left ? most : in.left;

		part = part < MOST ? part : MOST;
		if (kind < LEGACY)
			take_message(&r, kind, family, in.data, part);
		else
			take_legacy(&r, kind, family, reader_of(in.data, part));
		reader_skip(&in, part);
	}
	ask(&r, asked, port);
	rules_free(&r);
	return 0;
}
