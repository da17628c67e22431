/* Chains of the host that give packets another destination before our chain sees them, such as
 * those of container engines. What they redirect is forwarded or has another port by then. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "fw/nft.h"

#define NAT_CHAINS 16U

struct nat_chain {
	char table[NFT_NAME_BYTES];
	char name[NFT_NAME_BYTES];
	uint8_t family;
	bool has_rules;
};

struct nat_list {
	struct nat_chain chains[NAT_CHAINS];
	uint32_t count;
};

static int list_chain(const struct nlmsghdr *answer, void *data)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(answer);
	const struct nft_attributes a = nft_attributes_of(answer);
	const struct nft_attributes hook = nft_attributes_in(a.at[NFTA_CHAIN_HOOK]);
	const char *table = nft_attribute_text(a.at[NFTA_CHAIN_TABLE]);
	const char *name = nft_attribute_text(a.at[NFTA_CHAIN_NAME]);
	struct nat_list *list = data;
	struct nat_chain *c;
	uint32_t number;

	if (list->count == NAT_CHAINS || strlen(table) >= NFT_NAME_BYTES ||
	    strlen(name) >= NFT_NAME_BYTES ||
	    !nft_attribute_u32(hook.at[NFTA_HOOK_HOOKNUM], &number) ||
	    number != NF_INET_PRE_ROUTING ||
	    strcmp(nft_attribute_text(a.at[NFTA_CHAIN_TYPE]), "nat") != 0)
		return 0;
	c = &list->chains[list->count++];
	c->family = head->nfgen_family;
	memcpy(c->table, table, strlen(table) + 1);
	memcpy(c->name, name, strlen(name) + 1);
	return 0;
}

static int see_rule(const struct nlmsghdr *answer, void *data)
{
	struct nat_chain *c = data;

	(void)answer;
	c->has_rules = true;
	return 0;
}

void nft_nat_warn(struct nft_link *l)
{
	struct nat_list list = {.count = 0};

	nft_ask_start(l, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP);
	(void)nft_ask(l, list_chain, &list); /* a torn answer is good enough to warn by */
	for (uint32_t i = 0; i < list.count; i++) {
		struct nat_chain *c = &list.chains[i];
		struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETRULE, c->family, NLM_F_DUMP);

		mnl_attr_put_strz(m, NFTA_RULE_TABLE, c->table);
		mnl_attr_put_strz(m, NFTA_RULE_CHAIN, c->name);
		(void)nft_ask(l, see_rule, c);
		if (c->has_rules)
			log_event(LOG_LEVEL_WARN,
			    "a port that this chain redirects, as container engines do, is not "
			    "guarded: it is open without a knock",
			    "table", c->table, "chain", c->name, NULL);
	}
}
