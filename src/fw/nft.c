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
#include "fw/nft.h"

struct nft {
	struct nft_link link;
	struct nft_ctx *ctx;
	int watch;
	struct nft_sets *sets; /* by policy of the installed snapshot */
	uint32_t policies;
	struct nft_host host;
	struct nft_fingerprint print;
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
	free(n->sets);
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

/* The names of the sets, made once so that a grant need not. NULL when memory is short. */
static struct nft_sets *make_names(const struct snapshot *s)
{
	struct nft_sets *sets = calloc((size_t)s->policy_count + 1, sizeof *sets);

	for (uint32_t i = 0; sets != NULL && i < s->policy_count; i++)
		sets[i] = nft_policy_sets(s, i);
	return sets;
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
static void take_print(struct nft *n, uint32_t rules)
{
	if (nft_fingerprint_take(&n->link, &n->print) == 0 && n->print.rules == rules &&
	    n->print.range_count == n->ranges.count)
		memcpy(n->ranges.rules, n->print.ranges, sizeof n->ranges.rules);
	else
		n->print.rules = UINT32_MAX;
}

/* When it fails the old rules are in force, and with them the names of the old sets. */
static int replace_rules(struct nft *n, const struct snapshot *s, const struct fw_live *live)
{
	struct nft_sets *sets = make_names(s);
	struct nft_ranges *ranges = calloc(1, sizeof *ranges);
	uint32_t rules = 0;
	char *text = NULL;
	int err = sets == NULL || ranges == NULL ? -ENOMEM : 0;

	if (err == 0) {
		text = nft_text(s, live, &rules, ranges);
		err = text == NULL ? -errno : run_text(n, text);
	}
	if (err == 0) {
		free(n->sets);
		n->sets = sets;
		n->policies = s->policy_count;
		sets = NULL;
		n->ranges = *ranges;
		take_print(n, rules);
	}
	free(text);
	free(ranges);
	free(sets);
	return err;
}

/* The host's chains come first, for the last step must be the one that changes which policy an
 * index means: whoever is told of a failure goes on with the old snapshot. */
static int nft_install(struct fw *fw, const struct snapshot *s, const struct fw_live *live)
{
	struct nft *n = fw->state;
	const struct settings *set = s->settings;
	const struct nft_host host = {set->mark, set->priority, set->host_chains};
	int err = nft_host_settle(&n->link, &host, NULL);

	if (err != 0) {
		failed("cannot let granted packets by in the host's chains", err);
	} else {
		err = replace_rules(n, s, live);
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

static int nft_grant(struct fw *fw, const struct fw_grant *grants, size_t count)
{
	struct nft *n = fw->state;
	int err = nft_grant_add(&n->link, n->sets, n->policies, grants, count);

	return err == 0 ? 0 : failed("cannot open grants", err);
}

static int nft_revoke(struct fw *fw, const struct fw_grant *grant)
{
	struct nft *n = fw->state;
	int err = nft_grant_delete(&n->link, n->sets, n->policies, grant);

	return err == 0 ? 0 : failed("cannot close a grant", err);
}

static int nft_open_ports(struct fw *fw, const struct fw_opening *openings, size_t count)
{
	struct nft *n = fw->state;
	int err;

	if (!n->installed || !n->takes_ports)
		return failed("cannot open ports", -EINVAL);
	err = nft_ports_add(&n->link, &n->ranges, n->host.mark, openings, count);
	return err == 0 ? 0 : failed("cannot open ports", err);
}

static int nft_close_ports(struct fw *fw, const struct fw_opening *opening)
{
	struct nft *n = fw->state;
	int err = nft_ports_delete(&n->link, &n->ranges, opening);

	return err == 0 ? 0 : failed("cannot close ports", err);
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

static int nft_adopt(struct fw *fw, const struct snapshot *s, struct fw_grant *out, size_t most)
{
	struct nft *n = fw->state;
	size_t count = 0;

	for (uint32_t i = 0; i < s->policy_count; i++) {
		struct nft_sets sets = nft_policy_sets(s, i);
		int got = nft_grant_read(&n->link, &sets, i, out + count, most - count);

		if (got < 0)
			return failed("cannot read the grants of a predecessor", got);
		count += (size_t)got;
	}
	return (int)count;
}

static int nft_adopt_ports(struct fw *fw, struct fw_opening *out, size_t most)
{
	struct nft *n = fw->state;
	int got = nft_ports_read(&n->link, out, most);

	return got >= 0 ? got : failed("cannot read the openings of a predecessor", got);
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
	return nft_fingerprint_take(&n->link, now) != 0 || now->rules != n->print.rules ||
	       memcmp(now->digest, n->print.digest, sizeof now->digest) != 0 ||
	       !nft_fingerprint_has_ranges(now, &n->ranges) || nft_host_lacks(&n->link, &n->host);
}

const struct fw_ops fw_nft_ops = {
    .name = "nft",
    .open = nft_open,
    .close = nft_close,
    .install = nft_install,
    .grant = nft_grant,
    .revoke = nft_revoke,
    .open_ports = nft_open_ports,
    .close_ports = nft_close_ports,
    .remove = nft_remove,
    .adopt = nft_adopt,
    .adopt_ports = nft_adopt_ports,
    .watch = nft_watch,
    .disturbed = nft_disturbed,
};
