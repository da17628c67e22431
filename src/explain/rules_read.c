#include <errno.h>

#include "explain/rules.h"

#define TRIES 8

struct reading {
	struct rules *rules;
	uint32_t generation;
};

static int take(const struct nlmsghdr *answer, void *data)
{
	return rules_take(((struct reading *)data)->rules, answer);
}

static int take_generation(const struct nlmsghdr *answer, void *data)
{
	const struct nft_attributes a = nft_attributes_of(answer);

	(void)nft_attribute_u32(a.at[NFTA_GEN_ID], &((struct reading *)data)->generation);
	return 0;
}

static int ask_generation(struct reading *reading, struct nft_link *l)
{
	nft_ask_start(l, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0);
	return nft_ask(l, take_generation, reading);
}

static int ask_elements(struct reading *reading, struct nft_link *l)
{
	int err = 0;

	for (const struct rules_set *s = reading->rules->sets; err == 0 && s != NULL; s = s->next) {
		struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETSETELEM, s->family, NLM_F_DUMP);

		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, s->table);
		mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, s->name);
		err = nft_ask(l, take, reading);
	}
	return err;
}

static int read_once(struct reading *reading, struct nft_link *l)
{
	static const uint16_t kinds[] = {
	    NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET, NFT_MSG_GETRULE};
	uint32_t before;
	int err = ask_generation(reading, l);

	/* Nobody there who knows of nf_tables. */
	if (err == -EINVAL)
		err = -EOPNOTSUPP;
	before = reading->generation;
	for (size_t i = 0; err == 0 && i < sizeof kinds / sizeof *kinds; i++) {
		nft_ask_start(l, kinds[i], NFPROTO_UNSPEC, NLM_F_DUMP);
		err = nft_ask(l, take, reading);
	}
	if (err == 0)
		err = ask_elements(reading, l);
	if (err == 0)
		err = ask_generation(reading, l);
	return err == 0 && before != reading->generation ? -EINTR : err;
}

int rules_read(struct rules *r, struct nft_link *l)
{
	struct reading reading = {.rules = r};
	int err = -EINTR;

	/* -ENOENT: a set has gone meanwhile. */
	for (int tries = 0; (err == -EINTR || err == -ENOENT) && tries < TRIES; tries++) {
		rules_free(r);
		err = read_once(&reading, l);
	}
	return err;
}
