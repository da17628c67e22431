#include <string.h>

#include "base/bytes.h"
#include "fw/nft.h"

_Static_assert(sizeof(struct nft_id) == 2 * 8 + 1, "8 bytes of hash in hex");
_Static_assert(
    sizeof "g_" + NFT_ID_BYTES - 1 + 2 <= sizeof(((struct nft_sets *)0)->v4), "set name");

struct nft_id nft_policy_id(const struct snapshot *s, uint32_t policy)
{
	struct span span = s->policies[policy].ports;
	const struct ports *ports = snapshot_ports(s, span);
	crypto_generichash_state state;
	uint8_t hash[crypto_generichash_BYTES];
	struct nft_id id;

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
	sodium_bin2hex(id.text, sizeof id.text, hash, sizeof id.text / 2);
	return id;
}

static void set_name(char *name, size_t size, const struct nft_id *id, const char *family)
{
	struct writer w = writer_of(name, size);

	writer_put(&w, "g_", 2);
	writer_put(&w, id->text, sizeof id->text - 1);
	writer_put(&w, family, 3);
}

struct nft_sets nft_policy_sets(const struct snapshot *s, uint32_t policy)
{
	struct nft_id id = nft_policy_id(s, policy);
	struct nft_sets sets;

	set_name(sets.v4, sizeof sets.v4, &id, "_4");
	set_name(sets.v6, sizeof sets.v6, &id, "_6");
	return sets;
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
