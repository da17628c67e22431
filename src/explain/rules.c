#include "explain/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A piece of memory that lives as long as the rules. */
struct rules_message {
	struct rules_message *next;
	_Alignas(8) char data[];
};

void *rules_alloc(struct rules *r, size_t size)
{
	struct rules_message *m = calloc(1, sizeof *m + size);

	if (m == NULL)
		return NULL;
	m->next = r->messages;
	r->messages = m;
	return m->data;
}

void rules_free(struct rules *r)
{
	while (r->messages != NULL) {
		struct rules_message *next = r->messages->next;

		free(r->messages);
		r->messages = next;
	}
	*r = (struct rules){.messages = NULL};
}

bool rules_dormant(const struct rules *r, uint8_t family, const char *table)
{
	for (const struct rules_table *t = r->tables; t != NULL; t = t->next) {
		if (t->family == family && strcmp(t->name, table) == 0)
			return t->dormant;
	}
	return false;
}

static bool is_chain(
    const struct rules_chain *c, uint8_t family, const char *table, const char *name)
{
	return c->family == family && strcmp(c->name, name) == 0 && strcmp(c->table, table) == 0;
}

static struct rules_chain *find_chain(
    const struct rules *r, uint8_t family, const char *table, const char *name)
{
	struct rules_chain *c = r->chains;

	/* Rules of a chain come one after the other. */
	if (r->latest != NULL && is_chain(r->latest, family, table, name))
		return r->latest;
	while (c != NULL && !is_chain(c, family, table, name))
		c = c->next;
	return c;
}

const struct rules_chain *rules_chain_named(
    const struct rules *r, uint8_t family, const char *table, const char *name)
{
	return find_chain(r, family, table, name);
}

static struct rules_set *find_set(
    const struct rules *r, uint8_t family, const char *table, const char *name)
{
	struct rules_set *s = r->sets;

	while (s != NULL &&
	       (s->family != family || strcmp(s->name, name) != 0 || strcmp(s->table, table) != 0))
		s = s->next;
	return s;
}

const struct rules_set *rules_set_named(
    const struct rules *r, uint8_t family, const char *table, const char *name)
{
	return find_set(r, family, table, name);
}

static int take_table(struct rules *r, uint8_t family, const struct nft_attributes *a)
{
	struct rules_table *t = rules_alloc(r, sizeof *t);
	uint32_t flags = 0;

	if (t == NULL)
		return -ENOMEM;
	(void)nft_attribute_u32(a->at[NFTA_TABLE_FLAGS], &flags);
	t->family = family;
	t->name = nft_attribute_text(a->at[NFTA_TABLE_NAME]);
	t->dormant = (flags & NFT_TABLE_F_DORMANT) != 0;
	if (r->last_table != NULL)
		r->last_table->next = t;
	else
		r->tables = t;
	r->last_table = t;
	return 0;
}

void rules_add_chain(struct rules *r, struct rules_chain *chain)
{
	if (r->last_chain != NULL)
		r->last_chain->next = chain;
	else
		r->chains = chain;
	r->last_chain = chain;
}

void rules_add_rule(struct rules_chain *chain, struct rules_rule *rule)
{
	rule->number = chain->last != NULL ? chain->last->number + 1 : 1;
	if (chain->last != NULL)
		chain->last->next = rule;
	else
		chain->first = rule;
	chain->last = rule;
}

static int take_chain(struct rules *r, uint8_t family, const struct nft_attributes *a)
{
	const struct nft_attributes hook = nft_attributes_in(a->at[NFTA_CHAIN_HOOK]);
	struct rules_chain *c = rules_alloc(r, sizeof *c);
	uint32_t priority = 0;

	if (c == NULL)
		return -ENOMEM;
	c->family = family;
	c->table = nft_attribute_text(a->at[NFTA_CHAIN_TABLE]);
	c->name = nft_attribute_text(a->at[NFTA_CHAIN_NAME]);
	c->base = nft_attribute_u32(hook.at[NFTA_HOOK_HOOKNUM], &c->hook) &&
	          nft_attribute_u32(hook.at[NFTA_HOOK_PRIORITY], &priority);
	c->priority = (int32_t)priority;
	c->hook_data = a->at[NFTA_CHAIN_HOOK];
	c->translates = strcmp(nft_attribute_text(a->at[NFTA_CHAIN_TYPE]), "nat") == 0;
	if (!nft_attribute_u32(a->at[NFTA_CHAIN_POLICY], &c->policy))
		c->policy = NF_ACCEPT;
	rules_add_chain(r, c);
	return 0;
}

static int take_rule(struct rules *r, uint8_t family, const struct nft_attributes *a)
{
	struct rules_chain *c = find_chain(r, family, nft_attribute_text(a->at[NFTA_RULE_TABLE]),
	    nft_attribute_text(a->at[NFTA_RULE_CHAIN]));
	struct rules_rule *rule;

	if (c == NULL)
		return 0;
	rule = rules_alloc(r, sizeof *rule);
	if (rule == NULL)
		return -ENOMEM;
	r->latest = c;
	rule->handle = nft_attribute_u64(a->at[NFTA_RULE_HANDLE]);
	rule->expressions = a->at[NFTA_RULE_EXPRESSIONS];
	rules_add_rule(c, rule);
	return 0;
}

static int take_set(struct rules *r, uint8_t family, const struct nft_attributes *a)
{
	const struct nft_attributes description = nft_attributes_in(a->at[NFTA_SET_DESC]);
	struct rules_set *s = rules_alloc(r, sizeof *s);

	if (s == NULL)
		return -ENOMEM;
	s->family = family;
	s->table = nft_attribute_text(a->at[NFTA_SET_TABLE]);
	s->name = nft_attribute_text(a->at[NFTA_SET_NAME]);
	s->fields = description.at[NFTA_SET_DESC_CONCAT];
	(void)nft_attribute_u32(a->at[NFTA_SET_FLAGS], &s->flags);
	(void)nft_attribute_u32(a->at[NFTA_SET_KEY_LEN], &s->key_bytes);
	(void)nft_attribute_u32(a->at[NFTA_SET_DATA_TYPE], &s->data_type);
	if (r->last_set != NULL)
		r->last_set->next = s;
	else
		r->sets = s;
	r->last_set = s;
	return 0;
}

static int take_elements(struct rules *r, uint8_t family, const struct nft_attributes *a)
{
	struct rules_set *s =
	    find_set(r, family, nft_attribute_text(a->at[NFTA_SET_ELEM_LIST_TABLE]),
	        nft_attribute_text(a->at[NFTA_SET_ELEM_LIST_SET]));
	struct rules_part *part;

	if (s == NULL || a->at[NFTA_SET_ELEM_LIST_ELEMENTS] == NULL)
		return 0;
	part = rules_alloc(r, sizeof *part);
	if (part == NULL)
		return -ENOMEM;
	part->list = a->at[NFTA_SET_ELEM_LIST_ELEMENTS];
	if (s->last_part != NULL)
		s->last_part->next = part;
	else
		s->parts = part;
	s->last_part = part;
	return 0;
}

int rules_take(struct rules *r, const struct nlmsghdr *answer)
{
	static int (*const takers[])(struct rules *, uint8_t, const struct nft_attributes *) = {
	    [NFT_MSG_NEWTABLE] = take_table,
	    [NFT_MSG_NEWCHAIN] = take_chain,
	    [NFT_MSG_NEWRULE] = take_rule,
	    [NFT_MSG_NEWSET] = take_set,
	    [NFT_MSG_NEWSETELEM] = take_elements};
	uint16_t type = answer->nlmsg_type & 0xff;
	struct nft_attributes attributes;
	struct nlmsghdr *copy;
	const struct nfgenmsg *head;

	if (answer->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    type >= sizeof takers / sizeof *takers || takers[type] == NULL ||
	    answer->nlmsg_len < NLMSG_LENGTH(sizeof *head))
		return 0;
	copy = rules_alloc(r, answer->nlmsg_len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, answer, answer->nlmsg_len);
	head = mnl_nlmsg_get_payload(copy);
	attributes = nft_attributes_of(copy);
	return takers[type](r, head->nfgen_family, &attributes);
}
