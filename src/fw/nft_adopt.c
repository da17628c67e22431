/* Reads back what a predecessor has opened. */
#include "base/clock.h"
#include "fw/nft.h"

static const struct ports by_policy;

struct adopting {
	struct nft_reading reading; /* first, so that one is the other */
	const struct nft_adoption *to;
	const struct ports *ports; /* NULL: the key says which */
	uint32_t policy;
	int64_t now_boot_ns;
	bool v4;
};

static void read_ports(struct ports *out, const uint8_t *after_address)
{
	out->protocol = after_address[0];
	out->first = (uint16_t)(after_address[4] << 8 | after_address[5]); /* 0: there is none */
	out->last = out->first;
}

static void store(struct nft_reading *reading, const struct nft_element *e)
{
	const struct adopting *a = (struct adopting *)reading;
	const uint64_t ages = INT64_MAX / 2 / NS_PER_MS;
	uint64_t lasts_ms = e->timeout_ms < ages ? e->timeout_ms : ages;
	struct opening o = {.address = nft_element_address(e, a->v4),
	    .policy = a->policy,
	    .until_ns = a->now_boot_ns + (int64_t)lasts_ms * NS_PER_MS};

	if (a->ports != NULL)
		o.ports = *a->ports;
	else
		read_ports(&o.ports, e->key + nft_address_bytes(a->v4));
	if (a->ports == &by_policy || nft_ports_possible(&o))
		a->to->found(a->to->context, &o, e->owner);
}

static int read_set(struct nft_link *l, struct adopting *a, const char *set, size_t after)
{
	a->reading.store = store;
	a->reading.key_bytes = nft_address_bytes(a->v4) + after;
	a->now_boot_ns = clock_boot_ns();
	return nft_element_read(l, set, &a->reading);
}

int nft_adopt_policy(
    struct nft_link *l, const struct nft_sets *sets, uint32_t policy, const struct nft_adoption *to)
{
	struct adopting a = {.to = to, .ports = &by_policy, .policy = policy, .v4 = true};
	int err = read_set(l, &a, sets->v4, 0);

	a.v4 = false;
	return err != 0 ? err : read_set(l, &a, sets->v6, 0);
}

int nft_adopt_ports(struct nft_link *l, const struct nft_adoption *to)
{
	struct adopting a = {.to = to};
	struct nft_range ranges[FW_RANGES] = {0};
	int err = 0, count;

	for (int v4 = 1; err == 0 && v4 >= 0; v4--) {
		a.v4 = v4;
		err = read_set(l, &a, v4 ? NFT_PORTS_4 : NFT_PORTS_6, 8);
		if (err == 0)
			err = read_set(l, &a, v4 ? NFT_PROTOCOLS_4 : NFT_PROTOCOLS_6, 4);
	}
	count = err != 0 ? err : nft_ranges_read(l, ranges, FW_RANGES);
	err = count < 0 ? count : 0;
	for (int i = 0; err == 0 && i < count; i++) {
		char set[32];

		nft_range_name(set, &ranges[i]);
		a.ports = &ranges[i].ports;
		a.v4 = ranges[i].v4;
		err = read_set(l, &a, set, 0);
	}
	return err;
}
