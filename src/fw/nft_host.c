/* The input chains of others: which of them need our rule, which have it. Asked first, then
 * changed; rules without our comment are never touched. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "fw/look.h"
#include "fw/nft_rule.h"

#define HOST_CHAINS 64U /* input chains on one host */
#define HOST_STALE  8U  /* rules of ours to take away from one chain at once */
#define HOST_JUMPS  8U  /* followed from one chain */
#define HOST_DEPTH  8   /* of jumps; the kernel allows 16 */

struct host_chain {
	char table[NFT_NAME_BYTES];
	char name[NFT_NAME_BYTES];
	int32_t priority;
	uint8_t family;
	bool drops;    /* by policy, or by a rule that everything reaches */
	bool has;      /* our rule */
	uint64_t pass; /* its handle */
	uint64_t stale[HOST_STALE];
	uint32_t stale_count;
};

struct host_list {
	struct host_chain chains[HOST_CHAINS + 1]; /* one that is too many */
	uint32_t count;
};

/* False when it is longer than any can be. */
static bool read_name(char name[static NFT_NAME_BYTES], const struct nlattr *a)
{
	const char *text = nft_attribute_text(a);

	if (strlen(text) >= NFT_NAME_BYTES)
		return false;
	memcpy(name, text, strlen(text) + 1);
	return true;
}

/* False unless it is a filtering base chain of the input hook and not ours. */
static bool read_chain(struct host_chain *c, const struct nlmsghdr *answer)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(answer);
	const struct nft_attributes a = nft_attributes_of(answer);
	const struct nft_attributes hook = nft_attributes_in(a.at[NFTA_CHAIN_HOOK]);
	uint32_t number, priority, policy;

	memset(c, 0, sizeof *c);
	c->family = head->nfgen_family;
	if ((c->family != NFPROTO_INET && c->family != NFPROTO_IPV4 && c->family != NFPROTO_IPV6) ||
	    !nft_attribute_u32(hook.at[NFTA_HOOK_HOOKNUM], &number) || number != NF_INET_LOCAL_IN ||
	    !nft_attribute_u32(hook.at[NFTA_HOOK_PRIORITY], &priority) ||
	    strcmp(nft_attribute_text(a.at[NFTA_CHAIN_TYPE]), "filter") != 0 ||
	    !read_name(c->table, a.at[NFTA_CHAIN_TABLE]) ||
	    !read_name(c->name, a.at[NFTA_CHAIN_NAME]))
		return false;
	c->priority = (int32_t)priority;
	c->drops = nft_attribute_u32(a.at[NFTA_CHAIN_POLICY], &policy) && policy == NF_DROP;
	return c->family != NFPROTO_INET || strcmp(c->table, NFT_TABLE) != 0;
}

static int list_chain(const struct nlmsghdr *answer, void *data)
{
	struct host_list *list = data;

	if (list->count <= HOST_CHAINS)
		list->count += read_chain(&list->chains[list->count], answer);
	return list->count > HOST_CHAINS ? -E2BIG : 0;
}

/* What the rules of one chain come to. */
struct chain_scan {
	uint32_t mark;
	struct host_chain *chain; /* NULL: a chain that was jumped to, only `drops` matters */
	bool drops;
	uint32_t jumps;
	char jump[HOST_JUMPS][NFT_NAME_BYTES];
};

static void note_stale(struct host_chain *c, uint64_t handle)
{
	if (c->stale_count < HOST_STALE)
		c->stale[c->stale_count++] = handle;
}

static int scan_rule(const struct nlmsghdr *answer, void *data)
{
	struct chain_scan *s = data;
	const struct nft_rule_verdict meant = nft_pass_read(answer, s->mark);

	if (meant.meaning == NFT_RULE_DROP)
		s->drops = true;
	if (meant.meaning == NFT_RULE_JUMP && s->jumps < HOST_JUMPS)
		memcpy(s->jump[s->jumps++], meant.chain, sizeof meant.chain);
	if (s->chain == NULL)
		return 0;
	if (meant.meaning == NFT_RULE_PASS && !s->chain->has) {
		s->chain->has = true;
		s->chain->pass = meant.handle;
	} else if (meant.meaning == NFT_RULE_PASS || meant.meaning == NFT_RULE_PASS_STALE) {
		note_stale(s->chain, meant.handle);
	}
	return 0;
}

static int scan_chain(struct nft_link *l, struct chain_scan *s, uint8_t family, const char *table,
    const char *name, int depth)
{
	struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETRULE, family, NLM_F_DUMP);
	int err;

	mnl_attr_put_strz(m, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, name);
	err = nft_ask(l, scan_rule, s);
	for (uint32_t i = 0; err == 0 && !s->drops && i < s->jumps && depth < HOST_DEPTH; i++) {
		struct chain_scan there = {.mark = s->mark};

		err = scan_chain(l, &there, family, table, s->jump[i], depth + 1);
		s->drops = there.drops;
	}
	return err;
}

static int list_once(struct nft_link *l, struct host_list *list, uint32_t mark)
{
	int err;

	list->count = 0;
	nft_ask_start(l, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP);
	err = nft_ask(l, list_chain, list);
	for (uint32_t i = 0; err == 0 && i < list->count; i++) {
		struct host_chain *c = &list->chains[i];
		struct chain_scan s = {.mark = mark, .chain = c};

		err = scan_chain(l, &s, c->family, c->table, c->name, 0);
		c->drops = c->drops || s.drops;
	}
	return err;
}

/* One at a time. */
static int list_all(struct nft_link *l, struct host_list **out, uint32_t mark)
{
	static struct host_list list;
	int err = -EINTR;

	/* -EINTR: changed while we looked; -ENOENT: gone while we looked. */
	for (int tries = 0; (err == -EINTR || err == -ENOENT) && tries < 8; tries++)
		err = list_once(l, &list, mark);
	*out = &list;
	return err;
}

static bool is_wanted(const struct nft_host *host, const struct host_chain *c)
{
	if (host->which == CONF_HOST_CHAINS_NONE || c->priority < host->priority)
		return false;
	return host->which == CONF_HOST_CHAINS_ALL || c->drops;
}

/* Nothing can be done about a chain that comes before ours; whoever wonders should find this. */
static void warn_of_earlier(const struct nft_host *host, const struct host_chain *c)
{
	if (host->which != CONF_HOST_CHAINS_NONE && c->drops && c->priority < host->priority &&
	    !host->warned)
		log_event(LOG_LEVEL_WARN,
		    "a chain of the host drops packets before ours sees them; lower `priority`",
		    "table", c->table, "chain", c->name, NULL);
}

static void put_change(struct nft_link *l, const struct nft_host *host, const struct host_chain *c)
{
	bool wanted = is_wanted(host, c);

	for (uint32_t i = 0; i < c->stale_count; i++)
		nft_rule_delete(l, c->family, c->table, c->name, c->stale[i]);
	if (!wanted && c->has)
		nft_rule_delete(l, c->family, c->table, c->name, c->pass);
	if (wanted && !c->has)
		nft_pass_insert(l, c->family, c->table, c->name, host->mark);
}

static void tell_change(const struct nft_host *host, const struct host_chain *c)
{
	if (is_wanted(host, c) && !c->has)
		log_event(LOG_LEVEL_INFO, "letting granted packets by in a chain of the host",
		    "table", c->table, "chain", c->name, NULL);
}

static void warn_of_owner(const struct nft_host *host, const struct host_chain *c)
{
	if (!host->warned)
		log_event(LOG_LEVEL_WARN,
		    "this chain drops knocks and granted packets, and only its table's owner can "
		    "change it; in firewalld.conf, set NftablesTableOwner=no",
		    "table", c->table, "chain", c->name, NULL);
}

/* Each chain by itself: where an owner lets nobody in, the others still get what they need. */
static int settle_once(struct nft_link *l, struct nft_host *host, void (*more)(struct nft_link *l))
{
	struct host_list *list = NULL;
	bool refused = false;
	int err = list_all(l, &list, host->mark);

	for (uint32_t i = 0; err == 0 && i < list->count; i++) {
		const struct host_chain *c = &list->chains[i];

		warn_of_earlier(host, c);
		nft_batch_begin(l);
		put_change(l, host, c);
		err = nft_batch_commit(l);
		if (err == 0)
			tell_change(host, c);
		if (err != -EPERM)
			continue;
		warn_of_owner(host, c);
		refused = true;
		err = 0;
	}
	if (err == 0 && more != NULL) {
		nft_batch_begin(l);
		more(l);
		err = nft_batch_commit(l);
	}
	host->warned = refused || (err != 0 && host->warned);
	return err;
}

int nft_host_settle(struct nft_link *l, struct nft_host *host, void (*more)(struct nft_link *l))
{
	int err = -ENOENT;

	/* -ENOENT: somebody took a chain or a rule away after we had looked. */
	for (int tries = 0; err == -ENOENT && tries < 8; tries++)
		err = settle_once(l, host, more);
	return err;
}

static void tell(const struct host_chain *c, uint64_t handle, nft_host_told *each, void *context)
{
	const struct nft_host_change change = {c->family, c->table, c->name, handle};

	each(context, &change);
}

int nft_host_tell(
    struct nft_link *l, const struct nft_host *host, nft_host_told *each, void *context)
{
	struct host_list *list = NULL;
	int err = list_all(l, &list, host->mark);

	for (uint32_t i = 0; err == 0 && i < list->count; i++) {
		const struct host_chain *c = &list->chains[i];
		bool wanted = is_wanted(host, c);

		for (uint32_t n = 0; n < c->stale_count; n++)
			tell(c, c->stale[n], each, context);
		if (wanted != c->has)
			tell(c, wanted ? 0 : c->pass, each, context);
	}
	return err;
}

bool nft_host_lacks(struct nft_link *l, const struct nft_host *host)
{
	struct host_list *list = NULL;
	bool lacks = list_all(l, &list, host->mark) != 0;

	for (uint32_t i = 0; !lacks && i < list->count; i++)
		lacks = is_wanted(host, &list->chains[i]) && !list->chains[i].has;
	return lacks;
}

static void tell_chain(const struct nft_host *host, const struct host_chain *c,
    void (*each)(void *context, const struct fw_host_chain *chain), void *context)
{
	const struct fw_host_chain seen = {.family = nft_family_name(c->family),
	    .table = c->table,
	    .chain = c->name,
	    .priority = c->priority,
	    .drops = c->drops,
	    .early = c->priority < host->priority,
	    .passes = c->has,
	    .wanted = is_wanted(host, c)};

	each(context, &seen);
}

int fw_look_host(const struct snapshot *s,
    void (*each)(void *context, const struct fw_host_chain *chain), void *context)
{
	const struct settings *set = s->settings;
	const struct nft_host host = {set->mark, set->priority, set->host_chains, false};
	struct host_list *list = NULL;
	struct nft_link l;
	int err = nft_link_open(&l, -1);

	if (err == 0)
		err = list_all(&l, &list, host.mark);
	for (uint32_t i = 0; err == 0 && i < list->count; i++)
		tell_chain(&host, &list->chains[i], each, context);
	nft_link_close(&l);
	return err;
}
