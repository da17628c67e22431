/* The nft back-end: text through libnftables for the whole rule set, raw netlink for all that
 * happens later. Everything is opened in nft_open; later calls open no file and no socket. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <nftables/libnftables.h>

#include "base/log.h"
#include "fw/nft_text.h"

struct nft {
	struct nft_link link;
	struct nft_ctx *ctx;
	int watch;
	struct nft_policies policies; /* of the installed snapshot */
	struct nft_host host;
	struct nft_fingerprint installed_as;
	struct nft_fingerprint now; /* to compare with it */
	struct nft_ranges ranges;
	bool installed;
	bool takes_ports;
};

/* Logs why, and returns it. */
static int failed(const char *what, int err)
{
	log_event(LOG_LEVEL_ERROR, what, "error", strerror(-err), NULL);
	return err;
}

static void nft_close(struct fw *fw)
{
	struct nft *n = fw->state;

	if (n == NULL)
		return;
	nft_link_close(&n->link);
	if (n->watch >= 0)
		close(n->watch);
	if (n->ctx != NULL)
		nft_ctx_free(n->ctx);
	free(n->policies.sets);
	free(n);
	fw->state = NULL;
}

/* Its words go into buffers and from there to the log, never to a terminal. */
static struct nft_ctx *open_context(void)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	if (ctx == NULL)
		return NULL;
	if (nft_ctx_buffer_output(ctx) != 0 || nft_ctx_buffer_error(ctx) != 0) {
		nft_ctx_free(ctx);
		return NULL;
	}
	return ctx;
}

static int nft_open(struct fw *fw)
{
	struct nft *n = calloc(1, sizeof *n);
	int err;

	if (n == NULL)
		return failed("cannot open the firewall", -ENOMEM);
	n->watch = -1;
	fw->state = n;
	err = nft_link_open(&n->link);
	if (err == 0) {
		n->watch = nft_watch_open(n->link.port);
		err = n->watch < 0 ? n->watch : 0;
	}
	if (err == 0) {
		n->ctx = open_context();
		err = n->ctx == NULL ? -ENOMEM : 0;
	}
	if (err != 0) {
		nft_close(fw);
		return failed("cannot open the firewall", err);
	}
	return 0;
}

static int run_text(struct nft *n, const char *text)
{
	if (nft_run_cmd_from_buffer(n->ctx, text) == 0)
		return 0;
	log_event(LOG_LEVEL_ERROR, "nf_tables refused the rule set", "said",
	    nft_ctx_get_error_buffer(n->ctx), NULL);
	return -EIO;
}

/* What the rules look like now that they are loaded. Should that fail, or show that somebody was at
 * them already, no later look will match, so that nft_disturbed has them loaded again. */
static void take_fingerprint(struct nft *n, uint32_t rules)
{
	if (nft_fingerprint_take(&n->link, &n->installed_as) == 0 &&
	    n->installed_as.rules == rules && n->installed_as.range_count == n->ranges.count)
		memcpy(n->ranges.rules, n->installed_as.ranges, sizeof n->ranges.rules);
	else
		n->installed_as.rules = UINT32_MAX;
}

/* When it fails the old rules are in force, and with them the names of the old sets. */
static int replace_rules(
    struct nft *n, const struct snapshot *s, const struct fw_change *open, size_t count)
{
	struct nft_policies policies = nft_name_policies(s);
	struct nft_ranges *ranges = calloc(1, sizeof *ranges);
	struct nft_text t = {.s = s, .policies = &policies, .ranges = ranges};
	char *text = NULL;
	int err = policies.sets == NULL || ranges == NULL ? -ENOMEM : 0;

	if (err == 0) {
		text = nft_text(&t, open, count);
		err = text == NULL ? -errno : run_text(n, text);
	}
	if (err == 0) {
		free(n->policies.sets);
		n->policies = policies;
		policies.sets = NULL;
		n->ranges = *ranges;
		take_fingerprint(n, t.rules);
	}
	free(text);
	free(ranges);
	free(policies.sets);
	return err;
}

/* The host's chains come first, for the last step must be the one that changes which policy an
 * index means: whoever is told of a failure goes on with the old snapshot. */
static int nft_install(
    struct fw *fw, const struct snapshot *s, const struct fw_change *open, size_t count)
{
	struct nft *n = fw->state;
	const struct settings *set = s->settings;
	const struct nft_host host = {set->mark, set->priority, set->host_chains};
	int err = nft_host_settle(&n->link, &host, NULL);

	if (err != 0) {
		failed("cannot let granted packets by in the host's chains", err);
	} else {
		err = replace_rules(n, s, open, count);
		if (err != 0)
			failed("cannot put the rule set in place", err);
	}
	if (err != 0) {
		if (n->installed)
			nft_host_settle(&n->link, &n->host, NULL);
		return err;
	}
	n->host = host;
	n->installed = true;
	n->takes_ports = nft_ports_wanted(s);
	return 0;
}

static int nft_change(struct fw *fw, struct fw_change *changes, size_t count)
{
	struct nft *n = fw->state;
	const struct nft_change how = {
	    &n->ranges, &n->policies, n->host.mark, n->installed && n->takes_ports};
	int err = nft_change_commit(&n->link, &how, changes, count);

	if (err != 0)
		return failed("cannot change what is open", err);
	for (size_t i = 0; i < count; i++)
		changes[i].outcome = 0;
	return 0;
}

/* Added first, so that deleting it succeeds when it is gone already. */
static void put_table_removal(struct nft_link *l)
{
	struct nlmsghdr *m = nft_batch_add(l, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE);

	mnl_attr_put_strz(m, NFTA_TABLE_NAME, NFT_TABLE);
	m = nft_batch_add(l, NFT_MSG_DELTABLE, NFPROTO_INET, 0);
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, NFT_TABLE);
}

static int nft_remove(struct fw *fw)
{
	struct nft *n = fw->state;
	const struct nft_host nowhere = {.which = CONF_HOST_CHAINS_NONE};
	int err = nft_host_settle(&n->link, &nowhere, put_table_removal);

	if (err != 0)
		return failed("cannot take the rule set away", err);
	n->installed = false;
	return 0;
}

static int nft_adopt(struct fw *fw, const struct snapshot *s,
    void (*found)(void *context, const struct opening *o, const char *owner), void *context)
{
	struct nft *n = fw->state;
	const struct nft_adoption to = {found, context};
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < s->policy_count; i++) {
		struct nft_sets sets = nft_policy_sets(s, i);

		err = nft_adopt_policy(&n->link, &sets, i, &to);
	}
	if (err == 0)
		err = nft_adopt_ports(&n->link, &to);
	return err == 0 ? 0 : failed("cannot read what a predecessor left open", err);
}

static int nft_watch(struct fw *fw)
{
	const struct nft *n = fw->state;

	return n->watch;
}

static bool nft_disturbed(struct fw *fw)
{
	struct nft *n = fw->state;
	struct nft_fingerprint *now = &n->now;

	nft_watch_drain(n->watch);
	if (!n->installed)
		return false;
	return nft_fingerprint_take(&n->link, now) != 0 || now->rules != n->installed_as.rules ||
	       memcmp(now->digest, n->installed_as.digest, sizeof now->digest) != 0 ||
	       !nft_fingerprint_has_ranges(now, &n->ranges) || nft_host_lacks(&n->link, &n->host);
}

static bool nft_stands(struct fw *fw)
{
	struct nft *n = fw->state;
	struct nft_fingerprint found;

	return nft_fingerprint_take(&n->link, &found) == 0 && found.rules > 0;
}

const struct fw_ops fw_nft_ops = {
    .name = "nft",
    .open = nft_open,
    .close = nft_close,
    .install = nft_install,
    .change = nft_change,
    .remove = nft_remove,
    .adopt = nft_adopt,
    .watch = nft_watch,
    .disturbed = nft_disturbed,
    .stands = nft_stands,
};
