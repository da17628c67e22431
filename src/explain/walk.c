#include "explain/walk.h"

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter_ipv4.h>

#include "explain/chain.h"

#define CHAINS_MOST 256 /* base chains of one hook */

/* A base chain in its place. */
struct place {
	const struct rules_chain *chain;
	int32_t priority;
	size_t order; /* of those with the same priority the latest comes first */
};

static int compare(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->priority != right->priority)
		return left->priority < right->priority ? -1 : 1;
	return left->order > right->order ? -1 : 1;
}

/* Those that translate are all asked at one place, in the order of their own priorities. */
static int32_t priority_of(const struct rules_chain *c)
{
	if (!c->translates)
		return c->priority;
	return c->hook == NF_INET_PRE_ROUTING ? NF_IP_PRI_NAT_DST : NF_IP_PRI_NAT_SRC;
}

static int is_device(const struct nlattr *a, void *data)
{
	const char **name = data;
	size_t size = mnl_attr_get_payload_len(a), length = strlen(*name);

	/* The name with its zero, or the beginning of names. */
	if (size <= length + 1 && memcmp(mnl_attr_get_payload(a), *name, size) == 0) {
		*name = NULL;
		return MNL_CB_STOP;
	}
	return MNL_CB_OK;
}

static bool at_device(const struct rules_chain *c, const struct packet *p)
{
	const struct nft_attributes hook = nft_attributes_in(c->hook_data);
	const char *name = p->in.name;

	if (hook.at[NFTA_HOOK_DEV] != NULL)
		return strcmp(nft_attribute_text(hook.at[NFTA_HOOK_DEV]), name) == 0;
	if (hook.at[NFTA_HOOK_DEVS] != NULL)
		(void)mnl_attr_parse_nested(hook.at[NFTA_HOOK_DEVS], is_device, &name);
	return name == NULL;
}

/* `hook` is one of NF_INET_*, of which NF_INET_INGRESS is NFPROTO_NETDEV's only one. */
static bool is_asked(const struct walk *w, const struct rules_chain *c, uint32_t hook)
{
	if (!c->base || rules_dormant(w->rules, c->family, c->table))
		return false;
	if (hook == NF_INET_INGRESS)
		return ((c->family == NFPROTO_NETDEV && c->hook == NF_NETDEV_INGRESS) ||
		           (c->family == NFPROTO_INET && c->hook == hook)) &&
		       at_device(c, &w->packet);
	return c->hook == hook &&
	       (c->family == NFPROTO_INET || c->family == packet_family(&w->packet));
}

static size_t places_of(const struct walk *w, uint32_t hook, struct place *places)
{
	size_t count = 0;

	for (const struct rules_chain *c = w->rules->chains; c != NULL; c = c->next) {
		if (count < CHAINS_MOST && is_asked(w, c, hook)) {
			places[count] = (struct place){c, priority_of(c), count};
			count++;
		}
	}
	qsort(places, count, sizeof *places, compare);
	return count;
}

/* What has happened to the packet before a chain of that priority is asked. */
static bool prepare(struct walk *w, const struct place *place, uint32_t hook)
{
	struct packet *p = &w->packet;

	if (hook != NF_INET_INGRESS && place->priority > NF_IP_PRI_CONNTRACK &&
	    p->tracking == PACKET_NOT_YET)
		p->tracking = PACKET_NEW;
	if (!place->chain->translates)
		return true;
	/* Untracked, or translated already: they are not asked. */
	return p->tracking != PACKET_UNTRACKED && !p->translated;
}

static void take(struct walk *w, const struct chain_outcome *out)
{
	if (out->drops && !out->accepts) {
		w->result = WALK_DROPPED;
		w->cause = out->dropped;
		return;
	}
	if (out->drops)
		w->result = WALK_UNSURE;
	if (w->step_count < WALK_STEPS)
		w->steps[w->step_count++] = (struct walk_step){out->accepted, !out->drops};
}

/* False when the packet does not get by. */
static bool pass_hook(struct walk *w, uint32_t hook)
{
	struct place places[CHAINS_MOST];
	size_t count = places_of(w, hook, places);

	for (size_t i = 0; i < count && w->result != WALK_DROPPED; i++) {
		struct chain_outcome out;

		if (!prepare(w, &places[i], hook))
			continue;
		out = chain_ask(w, places[i].chain);
		take(w, &out);
	}
	if (hook != NF_INET_INGRESS && w->packet.tracking == PACKET_NOT_YET)
		w->packet.tracking = PACKET_NEW;
	return w->result != WALK_DROPPED;
}

void walk_all(struct walk *w)
{
	w->result = WALK_PASSES;
	w->end = WALK_WAY_UNKNOWN;
	if (!pass_hook(w, NF_INET_INGRESS) || !pass_hook(w, NF_INET_PRE_ROUTING))
		return;
	if (!w->packet.lost)
		w->end = w->route(w->context, &w->packet);
	if (w->end == WALK_NO_WAY) {
		w->result = WALK_DROPPED;
		w->cause = (struct cause){.chain = NULL};
	} else if (w->end == WALK_WAY_UNKNOWN) {
		w->result = WALK_UNSURE;
	} else if (w->end == WALK_ARRIVES) {
		(void)pass_hook(w, NF_INET_LOCAL_IN);
	} else if (pass_hook(w, NF_INET_FORWARD)) {
		(void)pass_hook(w, NF_INET_POST_ROUTING);
	}
}
