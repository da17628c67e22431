/* The sets of our table, with what lives in them, and the table as a whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "fw/nft_rule.h"

/* --- What goes into it is checked first */

static bool all_ports_fit(const struct snapshot *s, struct span span)
{
	const struct ports *p = snapshot_ports(s, span);

	for (uint32_t i = 0; i < span.count; i++) {
		if (!ports_numbered(&p[i]) || !ports_fit(&p[i]))
			return false;
	}
	return true;
}

static bool all_fit(const struct snapshot *s)
{
	const struct settings *set = s->settings;

	for (uint32_t i = 0; i < s->policy_count; i++) {
		if (!all_ports_fit(s, s->policies[i].ports))
			return false;
	}
	return set->mark != 0 && (set->mark & (set->mark - 1)) == 0 &&
	       all_ports_fit(s, set->managed_ports) && all_ports_fit(s, set->guard_allow_ports);
}

/* --- Openings */

struct placed {
	struct nft_place place;
	const struct opening *opening;
};

static int same_place(const struct nft_place *x, const struct nft_place *y)
{
	int order = strcmp(x->set, y->set);

	return order != 0 ? order : memcmp(x->element.key, y->element.key, NFT_KEY_BYTES);
}

/* By set, then key; of equals the one that lasts longest comes first. */
static int placed_order(const void *a, const void *b)
{
	const struct nft_place *x = &((const struct placed *)a)->place;
	const struct nft_place *y = &((const struct placed *)b)->place;
	uint64_t left = x->element.timeout_ms, right = y->element.timeout_ms;
	int order = same_place(x, y);

	return order != 0 ? order : (left < right) - (left > right);
}

/* Allocated; NULL with errno. */
static struct placed *place_openings(
    const struct nft_policies *policies, const struct fw_change *open, size_t count)
{
	struct placed *sorted = calloc(count + 1, sizeof *sorted);
	int64_t now = clock_boot_ns();

	for (size_t i = 0; sorted != NULL && i < count; i++) {
		sorted[i].opening = &open[i].opening;
		if (!nft_place_of(&sorted[i].place, policies, &open[i], now)) {
			free(sorted);
			errno = EINVAL;
			return NULL;
		}
	}
	if (sorted != NULL)
		qsort(sorted, count, sizeof *sorted, placed_order);
	return sorted;
}

/* A range that has no room yet comes into the list, with a set. Who comes when there is no room
 * closes early rather than that everybody else does. */
static bool hold_range(struct nft_writer *w, struct nft_ranges *ranges, const struct placed *p)
{
	struct nft_range r = nft_range_of(p->opening);
	uint32_t at = nft_ranges_find(ranges, p->opening);

	if (at == FW_RANGES) {
		log_event(LOG_LEVEL_ERROR, "too many distinct ranges of ports; one is closed early",
		    "owner", p->place.element.owner, NULL);
		return false;
	}
	if (at == ranges->count) {
		nft_ranges_append(ranges, &r);
		nft_put_set(w, p->place.set, r.v4, 0);
	}
	nft_range_hold(&ranges->use[at], p->opening->until_ns);
	return true;
}

static void put_openings(struct nft_writer *w, const struct snapshot *s, struct nft_ranges *ranges,
    const struct placed *p, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (p[i].place.element.timeout_ms == 0 ||
		    (p[i].opening->ports.protocol != 0 && !nft_ports_wanted(s)) ||
		    (i > 0 && same_place(&p[i - 1].place, &p[i].place) == 0) ||
		    (nft_is_range(p[i].opening) && !hold_range(w, ranges, &p[i])))
			continue;
		nft_element_add(w->link, p[i].place.set, &p[i].place.element);
	}
}

/* --- All of it */

static void put_sets(
    struct nft_writer *w, const struct snapshot *s, const struct nft_policies *policies)
{
	for (uint32_t i = 0; i < s->policy_count; i++) {
		if (policies->sets[i].twin)
			continue;
		nft_put_set(w, policies->sets[i].v4, true, 0);
		nft_put_set(w, policies->sets[i].v6, false, 0);
	}
	if (!nft_ports_wanted(s))
		return;
	nft_put_set(w, NFT_PORTS_4, true, 2);
	nft_put_set(w, NFT_PORTS_6, false, 2);
	nft_put_set(w, NFT_PROTOCOLS_4, true, 1);
	nft_put_set(w, NFT_PROTOCOLS_6, false, 1);
}

/* That one rule can have, or more. */
static size_t most_values(const struct snapshot *s)
{
	const struct settings *set = s->settings;
	size_t most = UINT8_MAX + (size_t)set->managed_ports.count + set->guard_allow_ports.count +
	              set->guard_allow_networks.count;

	for (uint32_t i = 0; i < s->policy_count; i++)
		most += s->policies[i].ports.count;
	return most;
}

int nft_put_content(struct nft_writer *w, const struct nft_content *c)
{
	struct placed *placed;
	int err = 0;

	if (!all_fit(c->s))
		return -EINVAL;
	w->mark = c->s->settings->mark;
	w->values = calloc(most_values(c->s), sizeof *w->values);
	placed = w->values == NULL ? NULL : place_openings(c->policies, c->open, c->count);
	if (placed == NULL) {
		err = -errno;
	} else {
		c->ranges->count = 0;
		put_sets(w, c->s, c->policies);
		put_openings(w, c->s, c->ranges, placed, c->count);
		nft_put_chains(w, c);
	}
	free(placed);
	free(w->values);
	return err;
}

char *fw_nft_ruleset(const struct snapshot *s)
{
	struct nft_policies policies = nft_name_policies(s);
	struct nft_ranges *ranges = calloc(1, sizeof *ranges);
	const struct nft_content c = {s, &policies, ranges, NULL, 0};
	struct nft_writer w = {0};
	char *text = NULL;
	size_t size = 0;
	int err = -ENOMEM;

	if (policies.sets != NULL && ranges != NULL)
		w.text = open_memstream(&text, &size);
	if (w.text != NULL) {
		fputs("table inet " NFT_TABLE " {\n", w.text);
		err = nft_put_content(&w, &c);
		fputs("}\n", w.text);
		if (fclose(w.text) != 0 && err == 0)
			err = -ENOMEM;
	}
	free(ranges);
	free(policies.sets);
	if (err != 0) {
		free(text);
		errno = -err;
	}
	return err != 0 ? NULL : text;
}
