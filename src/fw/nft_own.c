/* Our own table, held against the text of the one that would be put there: chain by chain, how many
 * rules there are. Rules for ranges come and go with what is open, and are not counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fw/look.h"
#include "fw/nft.h"

#define OWN_CHAINS 2048U /* more than any configuration has policies */
#define OWN_TRIES  8     /* the table may be replaced meanwhile */

struct own_chain {
	char name[NFT_NAME_BYTES];
	uint32_t wanted, rules;
};

struct own_chains {
	struct own_chain *list;
	uint32_t count;
	bool more; /* than fit */
};

static struct own_chain *find(const struct own_chains *all, const char *name)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].name, name) == 0)
			return &all->list[i];
	return NULL;
}

/* A line of the text; `at` becomes the chain that it is in, NULL outside of any. */
static void read_line(struct own_chains *all, struct own_chain **at, const char *line)
{
	static const char head[] = "\tchain ", hook[] = "\t\ttype ";
	size_t length = strcspn(line + 1, "{") - (sizeof head - 1);

	if (strncmp(line, head, sizeof head - 1) == 0) {
		all->more = all->more || all->count == OWN_CHAINS;
		*at = NULL;
		if (all->more || length >= NFT_NAME_BYTES)
			return;
		*at = &all->list[all->count++];
		memcpy((*at)->name, line + sizeof head - 1, length);
	} else if (line[1] == '}' || strncmp(line, "\tset ", 5) == 0) {
		*at = NULL;
	} else if (*at != NULL && line[1] == '\t' && strncmp(line, hook, sizeof hook - 1) != 0) {
		(*at)->wanted++;
	}
}

static int read_wanted(struct own_chains *all, const struct snapshot *s)
{
	char *text = fw_nft_ruleset(s), *rest = text, *line;
	struct own_chain *at = NULL;

	if (text == NULL)
		return -errno;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] == '\t')
			read_line(all, &at, line);
	free(text);
	return 0;
}

static int count_rule(const struct nlmsghdr *answer, void *data)
{
	const struct nft_attributes a = nft_attributes_of(answer);
	struct own_chain *chain = find(data, nft_attribute_text(a.at[NFTA_RULE_CHAIN]));

	if (chain != NULL)
		chain->rules++;
	return 0;
}

static int read_rules(struct nft_link *l, struct own_chains *all)
{
	struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP);

	for (uint32_t i = 0; i < all->count; i++)
		all->list[i].rules = 0;
	mnl_attr_put_strz(m, NFTA_RULE_TABLE, NFT_TABLE);
	return nft_ask(l, count_rule, all);
}

static void compare(const struct own_chains *all, struct fw_own_table *out)
{
	for (uint32_t i = 0; i < all->count && !out->differs; i++) {
		const struct own_chain *c = &all->list[i];

		if (c->rules == c->wanted || strcmp(c->name, NFT_RANGES_CHAIN) == 0)
			continue;
		out->differs = true;
		memcpy(out->chain, c->name, sizeof out->chain);
		out->rules = c->rules;
		out->wanted = c->wanted;
	}
}

static int look(struct nft_link *l, const struct snapshot *s, struct fw_own_table *out)
{
	struct own_chains all = {calloc(OWN_CHAINS, sizeof *all.list), 0, false};
	int err = all.list == NULL ? -ENOMEM : read_wanted(&all, s);

	if (err == 0)
		err = -EINTR;
	for (int tries = 0; err == -EINTR && tries < OWN_TRIES; tries++)
		err = read_rules(l, &all);
	if (err == 0)
		compare(&all, out);
	free(all.list);
	return err;
}

int fw_look_own(const struct snapshot *s, const char *boot_id, struct fw_own_table *out)
{
	char boot[NFT_BOOT_BYTES];
	struct nft_table table = {.there = false};
	struct nft_link l;
	int err = nft_link_open(&l, -1);

	*out = (struct fw_own_table){.there = false};
	nft_table_boot(boot, boot_id);
	if (err == 0)
		err = nft_table_look(&l, boot, &table);
	out->there = table.there;
	out->this_boot = table.this_boot;
	out->owned = table.owner != 0;
	if (err == 0 && table.there)
		err = look(&l, s, out);
	nft_link_close(&l);
	return err == -EINVAL || err == -EOPNOTSUPP ? -EPROTONOSUPPORT : err;
}
