#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fw/nft.h"

_Static_assert(NFT_ID_BYTES == 2 * 8 + 1, "8 bytes of hash in hex");
_Static_assert(
    sizeof "g_" + NFT_ID_BYTES - 1 + 2 <= sizeof(((struct nft_sets *)0)->v4), "set name");

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

static void set_name(char *name, size_t size, const char *id, const char *family)
{
	struct writer w = writer_of(name, size);

	writer_put(&w, "g_", 2);
	writer_put(&w, id, NFT_ID_BYTES - 1);
	writer_put(&w, family, 3);
}

struct nft_sets nft_policy_sets(const struct snapshot *s, uint32_t policy)
{
	struct nft_sets sets = {.twin = false};

	policy_id(sets.id, s, policy);
	set_name(sets.v4, sizeof sets.v4, sets.id, "_4");
	set_name(sets.v6, sizeof sets.v6, sets.id, "_6");
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

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool fits(const char *name, size_t size, const char *first, const char *allowed)
{
	size_t length = strnlen(name, size);

	return length > 0 && length < size && strchr(first, name[0]) != NULL &&
	       strspn(name, allowed) == length;
}

bool nft_owner_fits(const char owner[static CLIENT_NAME_BYTES])
{
	return fits(owner, CLIENT_NAME_BYTES, LETTERS_AND_DIGITS, LETTERS_AND_DIGITS "._@-");
}

bool nft_interface_fits(const char interface[static INTERFACE_NAME_BYTES])
{
	/* No '*': nft takes it for "every one that begins so". */
	return fits(
	    interface, INTERFACE_NAME_BYTES, LETTERS_AND_DIGITS "_", LETTERS_AND_DIGITS "._:@-");
}
