/* Elements of sets, written and read: an address, perhaps with protocol and port, that ends by
 * itself and carries its owner's name. Writing is on the path of every knock, so no text, no
 * library objects and no allocation. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "fw/nft_rule.h"

#define V4_BYTES 4

_Static_assert(NFT_MESSAGE_BYTES > 256 + NFT_KEY_BYTES + CLIENT_NAME_BYTES, "an element fits");

struct nft_element nft_element_of(
    const struct addr *address, uint64_t timeout_ms, const char owner[static CLIENT_NAME_BYTES])
{
	struct nft_element e = {.timeout_ms = timeout_ms};

	e.key_bytes = nft_address_bytes(addr_is_v4(address));
	memcpy(e.key, address->bytes + ADDR_BYTES - e.key_bytes, e.key_bytes);
	memcpy(e.owner, owner, sizeof e.owner);
	return e;
}

size_t nft_address_bytes(bool v4)
{
	return v4 ? V4_BYTES : ADDR_BYTES;
}

struct addr nft_element_address(const struct nft_element *e, bool v4)
{
	return addr_from_bytes(e->key, nft_address_bytes(v4));
}

static void put_element(
    struct nft_link *l, uint16_t type, uint16_t flags, const char *set, const struct nft_element *e)
{
	struct nlmsghdr *m = nft_batch_add(l, type, NFPROTO_INET, flags);
	struct nlattr *list, *element;

	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
	list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
	nft_put_data(m, NFTA_SET_ELEM_KEY, e->key, e->key_bytes);
	if (type == NFT_MSG_NEWSETELEM) {
		mnl_attr_put_u64(m, NFTA_SET_ELEM_TIMEOUT, htobe64(e->timeout_ms));
		nft_put_comment(m, NFTA_SET_ELEM_USERDATA, e->owner);
	}
	mnl_attr_nest_end(m, element);
	mnl_attr_nest_end(m, list);
}

void nft_element_add(struct nft_link *l, const char *set, const struct nft_element *e)
{
	put_element(l, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, e);
}

void nft_element_add_new(struct nft_link *l, const char *set, const struct nft_element *e)
{
	put_element(l, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, set, e);
}

void nft_element_refresh(struct nft_link *l, const char *set, const struct nft_element *e)
{
	/* The first makes sure that there is one to delete; adding alone would leave the old
	 * timeout of an element that is there, without a word. */
	nft_element_add(l, set, e);
	put_element(l, NFT_MSG_DELSETELEM, 0, set, e);
	nft_element_add(l, set, e);
}

void nft_element_delete(struct nft_link *l, const char *set, const struct nft_element *e)
{
	nft_element_add(l, set, e);
	put_element(l, NFT_MSG_DELSETELEM, 0, set, e);
}

static bool read_key(struct nft_element *out, const struct nlattr *key, size_t key_bytes)
{
	const struct nlattr *value = nft_attributes_in(key).at[NFTA_DATA_VALUE];

	if (value == NULL || mnl_attr_get_payload_len(value) != key_bytes)
		return false;
	out->key_bytes = key_bytes;
	memcpy(out->key, mnl_attr_get_payload(value), key_bytes);
	return true;
}

static bool read_owner(char owner[static CLIENT_NAME_BYTES], const struct nlattr *data)
{
	const uint8_t *bytes = mnl_attr_get_payload(data);
	size_t size = mnl_attr_get_payload_len(data);

	if (size < 3 || bytes[0] != NFT_COMMENT || bytes[1] > size - 2 ||
	    bytes[1] > CLIENT_NAME_BYTES)
		return false;
	memset(owner, 0, CLIENT_NAME_BYTES);
	memcpy(owner, bytes + 2, bytes[1]);
	return nft_owner_fits(owner);
}

/* An element without an end or without one of our owners was not made by us. */
static bool read_element(struct nft_element *out, const struct nlattr *element, size_t key_bytes)
{
	const struct nft_attributes a = nft_attributes_in(element);

	out->timeout_ms = nft_attribute_u64(a.at[NFTA_SET_ELEM_EXPIRATION]);
	return out->timeout_ms > 0 && read_key(out, a.at[NFTA_SET_ELEM_KEY], key_bytes) &&
	       a.at[NFTA_SET_ELEM_USERDATA] != NULL &&
	       read_owner(out->owner, a.at[NFTA_SET_ELEM_USERDATA]);
}

static int each_element(const struct nlattr *element, void *data)
{
	struct nft_reading *r = data;
	struct nft_element e = {0};

	if (!read_element(&e, element, r->key_bytes))
		return MNL_CB_OK;
	if (r->store != NULL)
		r->store(r, &e);
	r->count++;
	return MNL_CB_OK;
}

static int read_elements(const struct nlmsghdr *answer, void *data)
{
	const struct nlattr *list = nft_attributes_of(answer).at[NFTA_SET_ELEM_LIST_ELEMENTS];

	return list != NULL && mnl_attr_parse_nested(list, each_element, data) < 0 ? -EBADMSG : 0;
}

int nft_element_read(struct nft_link *l, const char *set, struct nft_reading *r)
{
	size_t before = r->count;
	int err = -EINTR;

	/* Once more when the rules were changed meanwhile. */
	for (int tries = 0; err == -EINTR && tries < 8; tries++) {
		struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP);

		r->count = before;
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
		err = nft_ask(l, read_elements, r);
	}
	return err == -ENOENT ? 0 : err;
}
