#include "explain/legacy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#define ERROR_TARGET "ERROR"

/* A table while it is taken in. */
struct taking {
	struct rules *rules;
	const struct legacy_table *t;
	const char *name; /* with RULES_LEGACY */
	struct rules_chain *chain;
	struct start { /* where chains begin */
		uint32_t offset;
		const struct rules_chain *chain;
	} * starts;
	size_t start_count;
};

static const char *const hook_names[NF_INET_NUMHOOKS] = {
    "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

static int32_t priority_of(const struct legacy_table *t, uint32_t hook)
{
	static const struct {
		const char *table;
		int32_t priority;
	} known[] = {{"raw", -300}, {"mangle", -150}, {"filter", 0}, {"security", 50}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(known[i].table, t->name) == 0)
			return known[i].priority;
	}
	return hook == NF_INET_PRE_ROUTING ? -100 : 100;
}

static struct rules_chain *add_chain(struct taking *k, const char *name, uint32_t offset)
{
	struct rules_chain *c = rules_alloc(k->rules, sizeof *c);

	if (c == NULL)
		return NULL;
	*c = (struct rules_chain){.table = k->name,
	    .name = name,
	    .family = k->t->family,
	    .legacy = true,
	    .policy = NF_ACCEPT};
	rules_add_chain(k->rules, c);
	k->starts[k->start_count++] = (struct start){offset, c};
	k->chain = c;
	return c;
}

/* The hook whose chain begins, or ends, there; NF_INET_NUMHOOKS: none. */
static uint32_t hook_at(const struct taking *k, const uint32_t *places, uint32_t offset)
{
	for (uint32_t hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if ((k->t->valid_hooks & 1U << hook) != 0 && places[hook] == offset)
			return hook;
	}
	return NF_INET_NUMHOOKS;
}

static size_t head_size(const struct legacy_table *t)
{
	return t->family == NFPROTO_IPV4 ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
}

/* Of one rule; the size of all of it, or 0 when it is not sound. */
static size_t measure(const struct legacy_table *t, size_t offset, struct legacy_entry *out)
{
	const uint8_t *at = t->entries + offset;
	size_t left = t->size - offset, head = head_size(t), target, next;
	uint16_t offsets[2];
	struct xt_entry_target x;

	if (left < head)
		return 0;
	memcpy(offsets,
	    at + (t->family == NFPROTO_IPV4 ? offsetof(struct ipt_entry, target_offset)
	                                    : offsetof(struct ip6t_entry, target_offset)),
	    sizeof offsets);
	target = offsets[0];
	next = offsets[1];
	if (target < head || next > left || next < target + sizeof x || next % 8 != 0)
		return 0;
	memcpy(&x, at + target, sizeof x);
	if (memchr(x.u.user.name, '\0', sizeof x.u.user.name) == NULL)
		return 0;
	*out = (struct legacy_entry){.head = at,
	    .matches = at + head,
	    .matches_size = target - head,
	    .target = (const char *)at + target + offsetof(struct xt_entry_target, u.user.name),
	    .revision = x.u.user.revision,
	    .data = at + target + sizeof x,
	    .data_size = next - target - sizeof x};
	return next;
}

static int add_rule(
    struct taking *k, const struct legacy_entry *found, uint32_t offset, size_t size)
{
	struct rules_rule *rule = rules_alloc(k->rules, sizeof *rule);
	struct legacy_entry *entry = rules_alloc(k->rules, sizeof *entry);

	if (rule == NULL || entry == NULL)
		return -ENOMEM;
	if (k->chain == NULL)
		return -EBADMSG;
	*entry = *found;
	if (entry->target[0] == '\0') {
		if (entry->data_size < sizeof entry->verdict)
			return -EBADMSG;
		memcpy(&entry->verdict, entry->data, sizeof entry->verdict);
		entry->goes_on = entry->verdict >= 0 && (uint32_t)entry->verdict == offset + size;
	}
	rule->entry = entry;
	/* The last one of a built-in chain is its policy. */
	if (k->chain->base && hook_at(k, k->t->underflow, offset) == k->chain->hook) {
		k->chain->policy = entry->verdict == -NF_DROP - 1 ? NF_DROP : NF_ACCEPT;
		k->chain = NULL;
	} else {
		rules_add_rule(k->chain, rule);
	}
	return 0;
}

static int take_entry(struct taking *k, size_t offset, size_t *size)
{
	uint32_t hook = hook_at(k, k->t->hook_entry, (uint32_t)offset);
	struct legacy_entry entry;

	*size = measure(k->t, offset, &entry);
	if (*size == 0)
		return -EBADMSG;
	if (strcmp(entry.target, ERROR_TARGET) == 0) {
		if (memchr(entry.data, '\0', entry.data_size) == NULL)
			return -EBADMSG;
		return add_chain(k, (const char *)entry.data, (uint32_t)(offset + *size)) != NULL
		           ? 0
		           : -ENOMEM;
	}
	if (hook < NF_INET_NUMHOOKS) {
		if (add_chain(k, hook_names[hook], (uint32_t)offset) == NULL)
			return -ENOMEM;
		k->chain->base = true;
		k->chain->hook = hook;
		k->chain->priority = priority_of(k->t, hook);
		k->chain->translates = strcmp(k->t->name, "nat") == 0;
	}
	return add_rule(k, &entry, (uint32_t)offset, *size);
}

static void resolve(const struct taking *k)
{
	for (size_t i = 0; i < k->start_count; i++) {
		for (struct rules_rule *r = k->starts[i].chain->first; r != NULL; r = r->next) {
			/* Ours, though it is read only for others. */
			struct legacy_entry *e = (struct legacy_entry *)(uintptr_t)r->entry;

			for (size_t s = 0; e->verdict >= 0 && s < k->start_count; s++) {
				if (k->starts[s].offset == (uint32_t)e->verdict)
					e->jump = k->starts[s].chain;
			}
		}
	}
}

int legacy_take(struct rules *r, const struct legacy_table *t)
{
	struct taking k = {.rules = r, .t = t};
	size_t size = 0, prefix = strlen(RULES_LEGACY), length = strlen(t->name);
	char *name = rules_alloc(r, prefix + length + 1);
	int err = 0;

	/* A rule has at most a chain of its own. */
	k.starts = calloc(t->size / head_size(t) + 1, sizeof *k.starts);
	if (name == NULL || k.starts == NULL) {
		free(k.starts);
		return -ENOMEM;
	}
	memcpy(name, RULES_LEGACY, prefix);
	memcpy(name + prefix, t->name, length + 1);
	k.name = name;
	for (size_t offset = 0; err == 0 && offset < t->size; offset += size)
		err = take_entry(&k, offset, &size);
	resolve(&k);
	free(k.starts);
	return err;
}
