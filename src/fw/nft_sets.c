/* The sets as text, with what lives in them. Names were checked before they get here, never
 * escaped.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "fw/nft_text.h"

void nft_put(struct nft_text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(t->out, format, args);
	va_end(args);
}

static int same_place(const struct nft_place *x, const struct nft_place *y)
{
	int order = strcmp(x->set, y->set);

	return order != 0 ? order : memcmp(x->element.key, y->element.key, NFT_KEY_BYTES);
}

/* By set, then key; of equals the one that lasts longest comes first. */
static int element_order(const void *a, const void *b)
{
	const struct nft_place *x = &((const struct nft_text_element *)a)->place;
	const struct nft_place *y = &((const struct nft_text_element *)b)->place;
	uint64_t left = x->element.timeout_ms, right = y->element.timeout_ms;
	int order = same_place(x, y);

	return order != 0 ? order : (left < right) - (left > right);
}

struct nft_text_element *nft_sort_openings(
    const struct nft_policies *policies, const struct fw_change *open, size_t count)
{
	struct nft_text_element *sorted = calloc(count + 1, sizeof *sorted);
	int64_t now = clock_boot_ns();

	if (sorted == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		sorted[i].opening = &open[i].opening;
		if (!nft_place_of(&sorted[i].place, policies, &open[i], now)) {
			free(sorted);
			errno = EINVAL;
			return NULL;
		}
	}
	qsort(sorted, count, sizeof *sorted, element_order);
	return sorted;
}

static void put_key(struct nft_text *t, const struct opening *o)
{
	char address[ADDR_TEXT_BYTES];
	bool single = o->ports.protocol != 0 && !nft_is_range(o);

	nft_put(t, "%s", addr_text(&o->address, address));
	if (single)
		nft_put(t, " . %u", o->ports.protocol);
	if (single && o->ports.first != 0)
		nft_put(t, " . %u", o->ports.first);
}

/* The time as "1d2h3m4s5ms": nft refuses large numbers of any one unit. */
static void put_end(struct nft_text *t, const struct nft_element *e)
{
	uint64_t ms = e->timeout_ms;

	nft_put(t, " timeout %" PRIu64 "d%" PRIu64 "h%" PRIu64 "m%" PRIu64 "s%" PRIu64 "ms",
	    ms / 86400000, ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
	nft_put(t, " comment \"%s\"", e->owner);
}

/* The elements of one set, which are in a row; returns how many. */
static size_t put_elements(
    struct nft_text *t, const char *set, const struct nft_text_element *e, size_t count)
{
	const char *before = "\t\telements = {\n";
	size_t i;

	for (i = 0; i < count && strcmp(e[i].place.set, set) == 0; i++) {
		if (e[i].place.element.timeout_ms == 0 ||
		    (i > 0 && same_place(&e[i - 1].place, &e[i].place) == 0))
			continue;
		nft_put(t, "%s\t\t\t", before);
		put_key(t, e[i].opening);
		put_end(t, &e[i].place.element);
		before = ",\n";
	}
	if (*before == ',')
		nft_put(t, "\n\t\t}\n");
	return i;
}

static size_t put_set(struct nft_text *t, const char *set, const char *type,
    const struct nft_text_element *e, size_t count)
{
	size_t put;

	nft_put(t, "\tset %s {\n\t\ttype %s\n\t\tflags timeout\n\t\tsize %d\n", set, type,
	    NFT_SET_SIZE);
	put = put_elements(t, set, e, count);
	nft_put(t, "\t}\n");
	return put;
}

/* A set that is there whether or not anything is in it. */
static void put_fixed_set(struct nft_text *t, const char *set, const char *type,
    const struct nft_text_element *e, size_t count)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(e[middle].place.set, set) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	put_set(t, set, type, e + low, count - low);
}

/* Who comes when there is no room closes early rather than that everybody else does. */
static void leave_out(const struct nft_element *e)
{
	log_event(LOG_LEVEL_ERROR, "too many distinct ranges of ports; one is closed early",
	    "owner", e->owner, NULL);
}

/* The openings of one range, which are in a row; returns how many. */
static size_t put_range(struct nft_text *t, const struct nft_text_element *e, size_t count)
{
	struct nft_range r = nft_range_of(e->opening);
	uint32_t at = nft_ranges_append(t->ranges, &r);
	size_t put = put_set(t, e->place.set, r.v4 ? "ipv4_addr" : "ipv6_addr", e, count);

	for (size_t i = 0; i < put; i++)
		nft_range_hold(&t->ranges->use[at], e[i].opening->until_ns);
	return put;
}

static void put_opened_sets(struct nft_text *t, const struct nft_text_element *e, size_t count)
{
	static const struct {
		const char *name, *type;
	} sets[] = {
	    {NFT_PORTS_4, "ipv4_addr . inet_proto . inet_service"},
	    {NFT_PORTS_6, "ipv6_addr . inet_proto . inet_service"},
	    {NFT_PROTOCOLS_4, "ipv4_addr . inet_proto"},
	    {NFT_PROTOCOLS_6, "ipv6_addr . inet_proto"},
	};
	size_t i = 0;

	for (size_t k = 0; k < sizeof sets / sizeof *sets; k++)
		put_fixed_set(t, sets[k].name, sets[k].type, e, count);
	while (i < count) {
		if (!nft_is_range(e[i].opening))
			i++;
		else if (t->ranges->count == FW_RANGES)
			leave_out(&e[i++].place.element);
		else
			i += put_range(t, e + i, count - i);
	}
}

void nft_put_sets(struct nft_text *t, const struct nft_text_element *e, size_t count)
{
	for (uint32_t i = 0; i < t->s->policy_count; i++) {
		const struct nft_sets *p = &t->policies->sets[i];

		if (p->twin)
			continue;
		put_fixed_set(t, p->v4, "ipv4_addr", e, count);
		put_fixed_set(t, p->v6, "ipv6_addr", e, count);
	}
	if (nft_ports_wanted(t->s))
		put_opened_sets(t, e, count);
}
