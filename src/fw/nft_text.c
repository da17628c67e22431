/* The rule set as text for nft: checks, sets, elements. Names are checked before they enter the
 * text, never escaped. */
#include "fw/nft_text.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void nft_put(struct nft_text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(t->out, format, args);
	va_end(args);
}

static bool all_ports_fit(const struct snapshot *s, struct span span)
{
	const struct ports *p = snapshot_ports(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if ((p[i].protocol != IPPROTO_TCP && p[i].protocol != IPPROTO_UDP) ||
		    p[i].first == 0 || p[i].first > p[i].last)
			return false;
	}
	return true;
}

static bool networks_fit(const struct snapshot *s, struct span span)
{
	const struct cidr *n = snapshot_cidrs(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if (n[i].bits > 128 || (addr_is_v4(&n[i].address) && n[i].bits < 96))
			return false;
	}
	return true;
}

static bool settings_fit(const struct snapshot *s)
{
	const struct settings *set = s->settings;
	bool one_bit = set->mark != 0 && (set->mark & (set->mark - 1)) == 0;

	return one_bit && (set->interface[0] == '\0' || nft_interface_fits(set->interface)) &&
	       all_ports_fit(s, set->managed_ports) && all_ports_fit(s, set->guard_allow_ports) &&
	       networks_fit(s, set->guard_allow_networks);
}

static bool all_fit(const struct snapshot *s, const struct fw_live *live)
{
	const struct fw_grant *grants = live->grants;

	for (uint32_t i = 0; i < s->policy_count; i++) {
		if (!all_ports_fit(s, s->policies[i].ports))
			return false;
	}
	for (size_t i = 0; i < live->grant_count; i++) {
		if (grants[i].policy >= s->policy_count || !nft_owner_fits(grants[i].owner))
			return false;
	}
	for (size_t i = 0; i < live->opening_count; i++) {
		if (!fw_opening_fits(&live->openings[i]))
			return false;
	}
	return settings_fit(s);
}

static struct nft_text_policy *name_policies(const struct snapshot *s)
{
	/* One more, for calloc may return NULL for none. */
	struct nft_text_policy *policies = calloc((size_t)s->policy_count + 1, sizeof *policies);

	for (uint32_t i = 0; policies != NULL && i < s->policy_count; i++) {
		policies[i].id = nft_policy_id(s, i);
		policies[i].sets = nft_policy_sets(s, i);
		for (uint32_t k = 0; k < i && !policies[i].twin; k++)
			policies[i].twin = strcmp(policies[i].id.text, policies[k].id.text) == 0;
	}
	return policies;
}

struct element {
	const struct nft_sets *sets;
	const struct fw_grant *grant;
};

static int element_place(const struct element *x, const struct element *y)
{
	int order = strcmp(x->sets->v4, y->sets->v4);

	return order != 0 ? order
	                  : memcmp(&x->grant->address, &y->grant->address, sizeof(struct addr));
}

/* By policy, then address; of equals the one that lasts longest comes first. */
static int element_order(const void *a, const void *b)
{
	const struct element *x = a, *y = b;
	uint64_t left = x->grant->timeout_ms, right = y->grant->timeout_ms;
	int order = element_place(x, y);

	return order != 0 ? order : (left < right) - (left > right);
}

static struct element *sort_elements(
    const struct nft_text_policy *policies, const struct fw_grant *live, size_t count)
{
	struct element *elements = calloc(count + 1, sizeof *elements);

	if (elements == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		elements[i] = (struct element){&policies[live[i].policy].sets, &live[i]};
	qsort(elements, count, sizeof *elements, element_order);
	return elements;
}

void nft_put_set_head(struct nft_text *t, const char *name, const char *type)
{
	nft_put(t, "\tset %s {\n\t\ttype %s\n\t\tflags timeout\n\t\tsize %d\n", name, type,
	    NFT_SET_SIZE);
}

/* The time as "1d2h3m4s5ms": nft refuses large numbers of any one unit. */
void nft_put_end(struct nft_text *t, uint64_t timeout_ms, const char *owner)
{
	nft_put(t, " timeout %" PRIu64 "d%" PRIu64 "h%" PRIu64 "m%" PRIu64 "s%" PRIu64 "ms",
	    timeout_ms / 86400000, timeout_ms / 3600000 % 24, timeout_ms / 60000 % 60,
	    timeout_ms / 1000 % 60, timeout_ms % 1000);
	nft_put(t, " comment \"%s\"", owner);
}

/* The run of elements of one policy, those of one family. */
static void put_elements(struct nft_text *t, const struct element *e, size_t count, bool v4)
{
	const char *before = "\t\telements = {\n";
	char address[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct fw_grant *g = e[i].grant;

		if (addr_is_v4(&g->address) != v4 || g->timeout_ms == 0 ||
		    (i > 0 && element_place(&e[i - 1], &e[i]) == 0))
			continue;
		nft_put(t, "%s\t\t\t%s", before, addr_text(&g->address, address));
		nft_put_end(t, g->timeout_ms, g->owner);
		before = ",\n";
	}
	if (*before == ',')
		nft_put(t, "\n\t\t}\n");
}

static void put_set(
    struct nft_text *t, const char *name, const struct element *e, size_t count, bool v4)
{
	nft_put_set_head(t, name, v4 ? "ipv4_addr" : "ipv6_addr");
	put_elements(t, e, count, v4);
	nft_put(t, "\t}\n");
}

static void put_sets(struct nft_text *t, const struct element *elements, size_t count)
{
	for (uint32_t i = 0; i < t->s->policy_count; i++) {
		const struct nft_text_policy *p = &t->policies[i];
		size_t first = 0, end;

		if (p->twin)
			continue;
		while (first < count && strcmp(elements[first].sets->v4, p->sets.v4) != 0)
			first++;
		end = first;
		while (end < count && strcmp(elements[end].sets->v4, p->sets.v4) == 0)
			end++;
		put_set(t, p->sets.v4, elements + first, end - first, true);
		put_set(t, p->sets.v6, elements + first, end - first, false);
	}
}

/* Everything that goes into the text, in its order. */
struct sorted {
	struct element *grants;
	size_t grant_count;
	struct nft_text_opening *openings;
	size_t opening_count;
};

/* Deleting what was just added empties the table whether or not it was there, and all of the text
 * is one transaction. */
static void put_table(struct nft_text *t, const struct sorted *live)
{
	nft_put(t, "add table inet " NFT_TABLE "\ndelete table inet " NFT_TABLE "\n");
	nft_put(t, "table inet " NFT_TABLE " {\n");
	put_sets(t, live->grants, live->grant_count);
	if (nft_ports_wanted(t->s))
		nft_put_opened_sets(t, live->openings, live->opening_count);
	nft_put_chains(t);
	nft_put(t, "}\n");
}

/* Allocated, or NULL. */
static char *write_table(struct nft_text *t, const struct sorted *live)
{
	char *text = NULL;
	size_t size = 0;
	bool whole;

	t->out = open_memstream(&text, &size);
	if (t->out == NULL)
		return NULL;
	put_table(t, live);
	whole = !ferror(t->out);
	whole = fclose(t->out) == 0 && whole;
	if (!whole) {
		free(text);
		text = NULL;
	}
	return text;
}

char *nft_text(const struct snapshot *s, const struct fw_live *live, uint32_t *rules,
    struct nft_ranges *ranges)
{
	struct nft_text t = {.s = s, .ranges = ranges};
	struct sorted sorted = {
	    .grant_count = live->grant_count, .opening_count = live->opening_count};
	struct nft_text_policy *policies;
	char *text = NULL;

	if (!all_fit(s, live)) {
		errno = EINVAL;
		return NULL;
	}
	ranges->count = 0;
	policies = name_policies(s);
	sorted.openings = nft_sort_openings(live->openings, live->opening_count);
	if (policies != NULL)
		sorted.grants = sort_elements(policies, live->grants, live->grant_count);
	if (sorted.openings != NULL && sorted.grants != NULL) {
		t.policies = policies;
		text = write_table(&t, &sorted);
		*rules = t.rules;
	}
	free(sorted.openings);
	free(sorted.grants);
	free(policies);
	if (text == NULL)
		errno = ENOMEM;
	return text;
}

char *fw_nft_ruleset(const struct snapshot *s, const struct fw_live *live)
{
	struct nft_ranges *ranges = calloc(1, sizeof *ranges);
	uint32_t rules;
	char *text = NULL;

	if (ranges != NULL)
		text = nft_text(s, live, &rules, ranges);
	free(ranges);
	return text;
}
