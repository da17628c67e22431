/* The rule set as text for nft: what goes into it is checked here, and never escaped. */
#include "fw/nft_text.h"

#include <errno.h>
#include <stdlib.h>

static bool all_ports_fit(const struct snapshot *s, struct span span)
{
	const struct ports *p = snapshot_ports(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if (p[i].first == 0 || !ports_fit(&p[i]))
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

static bool all_fit(const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->policy_count; i++) {
		if (!all_ports_fit(s, s->policies[i].ports))
			return false;
	}
	return settings_fit(s);
}

/* Deleting what was just added empties the table whether or not it was there, and all of the text
 * is one transaction. */
static void put_table(struct nft_text *t, const struct nft_text_element *elements, size_t count)
{
	nft_put(t, "add table inet " NFT_TABLE "\ndelete table inet " NFT_TABLE "\n");
	nft_put(t, "table inet " NFT_TABLE " {\n");
	nft_put_sets(t, elements, count);
	nft_put_chains(t);
	nft_put(t, "}\n");
}

/* Allocated, or NULL. */
static char *write_table(struct nft_text *t, const struct nft_text_element *elements, size_t count)
{
	char *text = NULL;
	size_t size = 0;
	bool whole;

	t->out = open_memstream(&text, &size);
	if (t->out == NULL)
		return NULL;
	put_table(t, elements, count);
	whole = !ferror(t->out);
	whole = fclose(t->out) == 0 && whole;
	if (!whole) {
		free(text);
		text = NULL;
	}
	return text;
}

char *nft_text(struct nft_text *t, const struct fw_change *open, size_t count)
{
	struct nft_text_element *elements;
	char *text;

	t->rules = 0;
	t->ranges->count = 0;
	if (!all_fit(t->s)) {
		errno = EINVAL;
		return NULL;
	}
	elements = nft_sort_openings(t->policies, open, count);
	if (elements == NULL)
		return NULL;
	text = write_table(t, elements, count);
	free(elements);
	if (text == NULL)
		errno = ENOMEM;
	return text;
}

char *fw_nft_ruleset(const struct snapshot *s, const struct fw_change *open, size_t count)
{
	struct nft_policies policies = nft_name_policies(s);
	struct nft_ranges *ranges = calloc(1, sizeof *ranges);
	struct nft_text t = {.s = s, .policies = &policies, .ranges = ranges};
	char *text = NULL;

	if (policies.sets != NULL && ranges != NULL)
		text = nft_text(&t, open, count);
	free(ranges);
	free(policies.sets);
	return text;
}
