/* Changes as elements of sets. What is known already is refreshed without text, library objects or
 * allocation; a new range brings a set and a rule with it. */
#include <errno.h>

#include "base/clock.h"
#include "fw/nft.h"

static bool is_new_range(const struct nft_ranges *ranges, const struct fw_change *c)
{
	return nft_is_range(&c->opening) && nft_ranges_find(ranges, &c->opening) == ranges->count;
}

/* Ranges that come twice among them count twice: this only decides when to tidy up. */
static uint32_t count_new(
    const struct nft_ranges *ranges, const struct fw_change *changes, size_t count)
{
	uint32_t new = 0;

	for (size_t i = 0; i < count; i++)
		new += !changes[i].close &&is_new_range(ranges, &changes[i]);
	return new;
}

static int put_change(
    struct nft_link *l, const struct nft_change *how, const struct fw_change *c, bool all_known)
{
	struct nft_place p;
	int err = 0;

	if (!nft_place_of(&p, how->policies, c, clock_boot_ns()) ||
	    (!c->close && p.element.timeout_ms == 0))
		return -EINVAL;
	if (c->close) {
		if (!is_new_range(how->ranges, c))
			nft_element_delete(l, p.set, &p.element);
		return 0;
	}
	if (c->opening.ports.protocol != 0 && !how->takes_ports)
		return -EINVAL;
	if (is_new_range(how->ranges, c)) {
		struct nft_range r = nft_range_of(&c->opening);

		err = nft_ranges_put(l, how->ranges, &r);
	}
	if (err == 0 && c->fresh && !all_known)
		nft_element_add_new(l, p.set, &p.element);
	else if (err == 0)
		nft_element_refresh(l, p.set, &p.element);
	return err;
}

static void note_range(struct nft_ranges *ranges, const struct fw_change *c)
{
	uint32_t at = nft_ranges_find(ranges, &c->opening);

	if (at == ranges->count)
		return;
	if (c->close)
		ranges->use[at].closed = true;
	else
		nft_range_hold(&ranges->use[at], c->opening.until_ns);
}

static bool only_closes(const struct fw_change *changes, size_t count)
{
	size_t i = 0;

	while (i < count && changes[i].close)
		i++;
	return i == count;
}

/* `all_known`: as if each might be open already. */
static int commit(struct nft_link *l, const struct nft_change *how, const struct fw_change *changes,
    size_t count, bool all_known)
{
	const uint32_t before = how->ranges->count;
	int err = 0;

	nft_batch_begin(l);
	for (size_t i = 0; err == 0 && i < count; i++)
		err = put_change(l, how, &changes[i], all_known);
	if (err == 0)
		err = nft_ranges_commit(l, how->ranges);
	if (err != 0)
		how->ranges->count = before;
	return err;
}

int nft_change_commit(
    struct nft_link *l, const struct nft_change *how, const struct fw_change *changes, size_t count)
{
	struct nft_ranges *ranges = how->ranges;
	int err = 0;

	if (count_new(ranges, changes, count) > FW_RANGES - ranges->count)
		err = nft_ranges_sweep(l, ranges);
	if (err == 0)
		err = commit(l, how, changes, count, false);
	/* One that was taken for closed is open: its last moments here and in the kernel differ. */
	if (err == -EEXIST)
		err = commit(l, how, changes, count, true);
	/* Where our rules are gone nothing of ours is open. */
	if (err == -ENOENT && only_closes(changes, count))
		err = 0;
	for (size_t i = 0; err == 0 && i < count; i++)
		note_range(ranges, &changes[i]);
	return err;
}
