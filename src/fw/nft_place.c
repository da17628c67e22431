#include <string.h>

#include "base/clock.h"
#include "fw/nft.h"

bool nft_ports_wanted(const struct snapshot *s)
{
	return s->settings->openspa.enabled && s->settings->openspa.firewall == CONF_ASKED_NATIVE;
}

static void use_set(struct nft_place *p, const char *name)
{
	memcpy(p->set, name, strlen(name) + 1);
}

/* IPv4 in IP is carried by either family. */
bool nft_ports_possible(const struct opening *o)
{
	return ports_fit(&o->ports) &&
	       (o->ports.protocol == IPPROTO_IPIP || ports_suit(&o->ports, &o->address));
}

static void place_by_ports(struct nft_place *p, const struct opening *o)
{
	bool v4 = addr_is_v4(&o->address);
	struct nft_element *e = &p->element;

	if (nft_is_range(o)) {
		struct nft_range r = nft_range_of(o);

		nft_range_name(p->set, &r);
		return;
	}
	e->key[e->key_bytes] = o->ports.protocol;
	e->key_bytes += 4;
	if (!ports_numbered(&o->ports)) {
		use_set(p, v4 ? NFT_PROTOCOLS_4 : NFT_PROTOCOLS_6);
		return;
	}
	e->key[e->key_bytes] = (uint8_t)(o->ports.first >> 8);
	e->key[e->key_bytes + 1] = (uint8_t)o->ports.first;
	e->key_bytes += 4;
	use_set(p, v4 ? NFT_PORTS_4 : NFT_PORTS_6);
}

/* Never shorter than anyone who holds it was told. */
static uint64_t timeout_ms(int64_t until_ns, int64_t now_ns)
{
	return until_ns <= now_ns ? 0 : ((uint64_t)(until_ns - now_ns) + NS_PER_MS - 1) / NS_PER_MS;
}

bool nft_place_of(struct nft_place *out, const struct nft_policies *policies,
    const struct fw_change *c, int64_t now_boot_ns)
{
	const struct opening *o = &c->opening;

	if (!nft_owner_fits(c->owner))
		return false;
	out->element = nft_element_of(&o->address, timeout_ms(o->until_ns, now_boot_ns), c->owner);
	if (o->ports.protocol != 0) {
		if (!nft_ports_possible(o))
			return false;
		place_by_ports(out, o);
		return true;
	}
	if (o->policy >= policies->count)
		return false;
	use_set(out,
	    addr_is_v4(&o->address) ? policies->sets[o->policy].v4 : policies->sets[o->policy].v6);
	return true;
}
