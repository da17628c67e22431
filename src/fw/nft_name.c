#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fw/nft.h"

_Static_assert(NFT_ID_BYTES == 2 * 8 + 1, "8 bytes of hash in hex");
static void policy_id(char id[static NFT_ID_BYTES], const struct snapshot *s, uint32_t policy)
{
	struct span span = s->policies[policy].ports;
	const struct ports *ports = snapshot_ports(s, span);
	crypto_generichash_state state;
	uint8_t hash[crypto_generichash_BYTES];

	crypto_generichash_init(&state, NULL, 0, sizeof hash);
	for (uint32_t i = 0; i < span.count; i++) {
		uint8_t range[5];
		struct writer w = writer_of(range, sizeof range);

		writer_u8(&w, ports[i].protocol);
		writer_u16(&w, ports[i].first);
		writer_u16(&w, ports[i].last);
		crypto_generichash_update(&state, range, sizeof range);
	}
	crypto_generichash_final(&state, hash, sizeof hash);
	sodium_bin2hex(id, NFT_ID_BYTES, hash, NFT_ID_BYTES / 2);
}

struct nft_sets nft_policy_sets(const struct snapshot *s, uint32_t policy)
{
	struct nft_sets sets = {.twin = false};

	policy_id(sets.id, s, policy);
	snprintf(sets.v4, sizeof sets.v4, "g_%s_4", sets.id);
	snprintf(sets.v6, sizeof sets.v6, "g_%s_6", sets.id);
	snprintf(sets.chain, sizeof sets.chain, "ports_%s", sets.id);
	return sets;
}

struct nft_policies nft_name_policies(const struct snapshot *s)
{
	/* One more, for calloc may return NULL for none. */
	struct nft_policies p = {
	    calloc((size_t)s->policy_count + 1, sizeof *p.sets), s->policy_count};

	for (uint32_t i = 0; p.sets != NULL && i < s->policy_count; i++) {
		p.sets[i] = nft_policy_sets(s, i);
		for (uint32_t k = 0; k < i && !p.sets[i].twin; k++)
			p.sets[i].twin = strcmp(p.sets[i].id, p.sets[k].id) == 0;
	}
	return p;
}

const char *nft_family_name(uint8_t family)
{
	return family == NFPROTO_INET   ? "inet"
	       : family == NFPROTO_IPV4 ? "ip"
	       : family == NFPROTO_IPV6 ? "ip6"
	                                : "?";
}

#define NAME_BEGINS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_%"

bool nft_owner_fits(const char owner[static CLIENT_NAME_BYTES])
{
	size_t length = strnlen(owner, CLIENT_NAME_BYTES);

	return length > 0 && length < CLIENT_NAME_BYTES && strchr(NAME_BEGINS, owner[0]) != NULL &&
	       strspn(owner, NAME_BEGINS ".@-+") == length;
}
