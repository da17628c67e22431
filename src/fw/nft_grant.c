/* Grants: elements of the policies' sets. */
#include <errno.h>
#include <string.h>

#include "fw/nft.h"

static const char *set_of(const struct nft_sets *sets, const struct fw_grant *g)
{
	return addr_is_v4(&g->address) ? sets->v4 : sets->v6;
}

static bool grant_fits(const struct fw_grant *g, uint32_t policies)
{
	return g->policy < policies && g->timeout_ms > 0 && nft_owner_fits(g->owner);
}

int nft_grant_add(struct nft_link *l, const struct nft_sets *sets, uint32_t policies,
    const struct fw_grant *grants, size_t count)
{
	nft_batch_begin(l);
	for (size_t i = 0; i < count; i++) {
		const struct fw_grant *g = &grants[i];
		struct nft_element e;

		if (!grant_fits(g, policies))
			return -EINVAL;
		e = nft_element_of(&g->address, g->timeout_ms, g->owner);
		nft_element_refresh(l, set_of(&sets[g->policy], g), &e);
	}
	return nft_batch_commit(l);
}

int nft_grant_delete(struct nft_link *l, const struct nft_sets *sets, uint32_t policies,
    const struct fw_grant *grant)
{
	struct nft_element e = nft_element_of(&grant->address, 0, grant->owner);

	if (grant->policy >= policies)
		return -EINVAL;
	return nft_element_delete(l, set_of(&sets[grant->policy], grant), &e);
}

struct grants_read {
	struct nft_reading reading; /* first, so that one is the other */
	struct fw_grant *out;
	uint32_t policy;
	bool v4;
};

static bool store_grant(struct nft_reading *reading, const struct nft_element *e)
{
	struct grants_read *r = (struct grants_read *)reading;
	struct fw_grant *g = &r->out[reading->count];

	*g = (struct fw_grant){.policy = r->policy, .timeout_ms = e->timeout_ms};
	g->address = nft_element_address(e, r->v4);
	memcpy(g->owner, e->owner, sizeof g->owner);
	return true;
}

int nft_grant_read(struct nft_link *l, const struct nft_sets *sets, uint32_t policy,
    struct fw_grant *out, size_t most)
{
	struct grants_read r = {
	    .reading = {.store = store_grant, .most = most}, .out = out, .policy = policy};
	int err = 0;

	for (int v4 = 1; err == 0 && v4 >= 0; v4--) {
		r.v4 = v4;
		r.reading.key_bytes = nft_address_bytes(v4);
		err = nft_element_read(l, v4 ? sets->v4 : sets->v6, &r.reading);
	}
	return err != 0 ? err : (int)r.reading.count;
}
