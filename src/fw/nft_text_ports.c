/* Openings that name their ports, as text: their sets and what lives in them. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fw/nft_text.h"

struct nft_text_opening {
	struct nft_place place;
	const struct fw_opening *opening;
};

static int same_place(const struct nft_text_opening *x, const struct nft_text_opening *y)
{
	int order = strcmp(x->place.set, y->place.set);

	return order != 0 ? order
	                  : memcmp(x->place.element.key, y->place.element.key, NFT_KEY_BYTES);
}

/* By set, then key; of equals the one that lasts longest comes first. */
static int opening_order(const void *a, const void *b)
{
	const struct nft_text_opening *x = a, *y = b;
	uint64_t left = x->opening->timeout_ms, right = y->opening->timeout_ms;
	int order = same_place(x, y);

	return order != 0 ? order : (left < right) - (left > right);
}

struct nft_text_opening *nft_sort_openings(const struct fw_opening *openings, size_t count)
{
	struct nft_text_opening *sorted = calloc(count + 1, sizeof *sorted);

	if (sorted == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		sorted[i].place = nft_ports_place(&openings[i]);
		sorted[i].opening = &openings[i];
	}
	qsort(sorted, count, sizeof *sorted, opening_order);
	return sorted;
}

static void put_key(struct nft_text *t, const struct fw_opening *o)
{
	char address[ADDR_TEXT_BYTES];

	nft_put(t, "%s", addr_text(&o->address, address));
	if (o->ports.first == o->ports.last)
		nft_put(t, " . %u", o->ports.protocol);
	if (o->ports.first == o->ports.last && o->ports.first != 0)
		nft_put(t, " . %u", o->ports.first);
}

/* The openings of one set, which are in a row; returns how many. */
static size_t put_openings(
    struct nft_text *t, const char *set, const struct nft_text_opening *o, size_t count)
{
	const char *before = "\t\telements = {\n";
	size_t i;

	for (i = 0; i < count && strcmp(o[i].place.set, set) == 0; i++) {
		if (i > 0 && same_place(&o[i - 1], &o[i]) == 0)
			continue;
		nft_put(t, "%s\t\t\t", before);
		put_key(t, o[i].opening);
		nft_put_end(t, o[i].opening->timeout_ms, o[i].opening->owner);
		before = ",\n";
	}
	if (*before == ',')
		nft_put(t, "\n\t\t}\n");
	return i;
}

static size_t put_set(struct nft_text *t, const char *set, const char *type,
    const struct nft_text_opening *o, size_t count)
{
	size_t put;

	nft_put_set_head(t, set, type);
	put = put_openings(t, set, o, count);
	nft_put(t, "\t}\n");
	return put;
}

static void put_fixed_sets(struct nft_text *t, const struct nft_text_opening *o, size_t count)
{
	static const struct {
		const char *name, *type;
	} sets[] = {
	    {NFT_PORTS_4, "ipv4_addr . inet_proto . inet_service"},
	    {NFT_PORTS_6, "ipv6_addr . inet_proto . inet_service"},
	    {NFT_PROTOCOLS_4, "ipv4_addr . inet_proto"},
	    {NFT_PROTOCOLS_6, "ipv6_addr . inet_proto"},
	};

	for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
		size_t first = 0;

		while (first < count && strcmp(o[first].place.set, sets[k].name) != 0)
			first++;
		put_set(t, sets[k].name, sets[k].type, o + first, count - first);
	}
}

/* Who comes when there is no room closes early rather than that everybody else does. */
static void leave_out(const struct fw_opening *o)
{
	log_event(LOG_LEVEL_ERROR, "too many distinct ranges of ports; one is closed early",
	    "owner", o->owner, NULL);
}

/* The openings of one range, which are in a row; returns how many. */
static size_t put_range(
    struct nft_text *t, const struct nft_range *r, const struct nft_text_opening *o, size_t count)
{
	uint32_t at = nft_ranges_append(t->ranges, r);
	size_t put = put_set(t, o->place.set, r->v4 ? "ipv4_addr" : "ipv6_addr", o, count);

	for (size_t i = 0; i < put; i++)
		nft_range_hold(&t->ranges->use[at], o[i].opening->timeout_ms);
	return put;
}

void nft_put_opened_sets(struct nft_text *t, const struct nft_text_opening *o, size_t count)
{
	size_t i = 0;

	put_fixed_sets(t, o, count);
	while (i < count) {
		struct nft_range r = nft_range_of(o[i].opening);

		if (r.ports.first == r.ports.last)
			i++;
		else if (t->ranges->count == FW_RANGES)
			leave_out(o[i++].opening);
		else
			i += put_range(t, &r, o + i, count - i);
	}
}
