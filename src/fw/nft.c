/* The nft back-end: raw netlink, through one socket, for it owns the table. Everything is opened in
 * nft_open; later calls open no file and no socket. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "fw/nft_rule.h"

struct nft {
	struct nft_link link;
	int watch;
	struct nft_policies policies; /* of the installed snapshot */
	struct nft_host host;
	struct nft_track track;
	struct nft_ranges ranges;
	char boot[NFT_BOOT_BYTES];
	bool installed;
	bool unowned; /* this kernel has no such thing */
	bool touched; /* by others, since it was installed */
	bool takes_ports;
	bool host_failed; /* the host's chains are not as they should be */
};

/* Logs why, and returns it. */
static int failed(const char *what, int err)
{
	log_event(LOG_LEVEL_ERROR, what, "error", strerror(-err), NULL);
	return err;
}

/* Where nothing at all can be done with nftables, that is known from the first look. */
static int not_opened(int err)
{
	log_event(LOG_LEVEL_ERROR, "cannot open the firewall", "error", strerror(-err),
	    err == -EPROTONOSUPPORT || err == -EPERM ? "remedy" : NULL,
	    err == -EPERM
	        ? "CAP_NET_ADMIN over this network namespace: give the container a network of its "
	          "own, or start it with that capability"
	        : "a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET, and, in a container, "
	          "the module loaded outside (modprobe nf_tables); or server.firewall: none, which "
	          "opens and shuts nothing",
	    NULL);
	return err;
}

static void nft_close(struct fw *fw)
{
	struct nft *n = fw->state;

	if (n == NULL)
		return;
	nft_link_close(&n->link);
	fd_close(n->watch);
	free(n->policies.sets);
	free(n);
}

static int nft_open(struct fw *fw, const char *boot_id, int fd)
{
	struct nft *n = calloc(1, sizeof *n);
	struct nft_table t;
	int err;

	if (n == NULL)
		return not_opened(-ENOMEM);
	n->watch = -1;
	fw->state = n;
	err = nft_link_open(&n->link, fd);
	if (err == 0) {
		n->watch = nft_watch_open(n->link.port);
		nft_table_boot(n->boot, boot_id);
		err = n->watch < 0 ? n->watch : nft_table_look(&n->link, n->boot, &t);
		if (err == -EINVAL || err == -EOPNOTSUPP)
			err = -EPROTONOSUPPORT; /* netlink takes it, and has nobody for it */
	}
	if (err != 0) {
		nft_close(fw);
		return not_opened(err);
	}
	return 0;
}

/* A new table in the place of the old one, all in one transaction. */
static int load_as(struct nft *n, const struct nft_content *c, uint32_t flags)
{
	struct nft_writer w = {.link = &n->link};
	struct nft_table t;
	int err = nft_table_look(&n->link, n->boot, &t);

	if (err != 0)
		return err;
	nft_batch_begin(&n->link);
	if (t.there)
		nft_table_delete(&n->link);
	nft_table_create(&n->link, flags, n->boot);
	err = nft_put_content(&w, c);
	return err != 0 ? err : nft_ranges_commit(&n->link, c->ranges);
}

static int load(struct nft *n, const struct nft_content *c)
{
	int err;

	n->touched = nft_watch_read(n->watch) || n->touched;
	err = n->unowned ? -EOPNOTSUPP : load_as(n, c, NFT_TABLE_OWNED);
	if (err != -EOPNOTSUPP && err != -EINVAL)
		return err;
	err = load_as(n, c, 0);
	n->unowned = n->unowned || err == 0;
	return err;
}

/* When it fails the old rules are in force, and with them the names of the old sets. */
static int replace_rules(
    struct nft *n, const struct snapshot *s, const struct fw_change *open, size_t count)
{
	struct nft_policies policies = nft_name_policies(s);
	struct nft_ranges *ranges = calloc(1, sizeof *ranges);
	const struct nft_content c = {s, &policies, ranges, open, count};
	int err = policies.sets == NULL || ranges == NULL ? -ENOMEM : load(n, &c);

	if (err == 0) {
		free(n->policies.sets);
		n->policies = policies;
		policies.sets = NULL;
		n->ranges = *ranges;
		n->touched = false; /* what others did before is over with this */
	}
	free(ranges);
	free(policies.sets);
	return err;
}

/* When it fails, the next change by somebody has it tried again. */
static void settle_host(struct nft *n)
{
	int err = nft_host_settle(&n->link, &n->host, NULL);

	if (err != 0 && err != -EINTR && !n->host_failed)
		failed("cannot let granted packets by in the host's chains", err);
	n->host_failed = err != 0;
}

/* Our own table first, whatever the host's chains are like. */
static int nft_install(
    struct fw *fw, const struct snapshot *s, const struct fw_change *open, size_t count)
{
	struct nft *n = fw->state;
	const struct settings *set = s->settings;
	int err = n->installed ? 0 : nft_table_wait(&n->link);

	if (err == 0)
		err = replace_rules(n, s, open, count);

	if (err != 0) {
		failed("cannot put the rule set in place", err);
		if (err == -ENOENT && set->hook == CONF_HOOK_PREROUTING)
			log_line(LOG_LEVEL_ERROR,
			    "does this kernel have CONFIG_NFT_FIB_INET? `hook: input` needs it "
			    "not, but leaves open what containers publish");
		return err;
	}
	n->host = (struct nft_host){set->mark, set->priority, set->host_chains, false};
	n->track = (struct nft_track){.which = (enum conf_notrack)set->notrack,
	    .knock_port = set->openme ? set->udp_port : 0,
	    .request_port = set->openspa.enabled ? set->openspa.port : 0};
	memcpy(n->track.interface, set->interface, sizeof n->track.interface);
	n->installed = true;
	n->takes_ports = nft_ports_wanted(s);
	settle_host(n);
	nft_track_settle(&n->link, &n->track);
	return 0;
}

static int nft_change(struct fw *fw, struct fw_change *changes, size_t count)
{
	struct nft *n = fw->state;
	const struct nft_change how = {&n->ranges, &n->policies, n->installed && n->takes_ports};
	int err = nft_change_commit(&n->link, &how, changes, count);

	if (err != 0)
		return failed("cannot change what is open", err);
	for (size_t i = 0; i < count; i++)
		changes[i].outcome = 0;
	return 0;
}

static int nft_remove(struct fw *fw)
{
	struct nft *n = fw->state;
	struct nft_host nowhere = {.which = CONF_HOST_CHAINS_NONE};
	struct nft_table t;
	int err = n->installed ? 0 : nft_table_wait(&n->link);

	if (err == 0)
		err = nft_table_look(&n->link, n->boot, &t);
	if (err == 0)
		err = nft_host_settle(&n->link, &nowhere, t.there ? nft_table_delete : NULL);
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
	struct nft_table t;
	int err = nft_table_look(&n->link, n->boot, &t);

	if (err == 0 && t.there && !t.this_boot) {
		log_line(LOG_LEVEL_WARN,
		    "nothing is taken over from the table inet " NFT_TABLE
		    ": it is not of this boot, a saved rule set has put it there");
		return 0;
	}
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

/* A chain of the host that lacks our rule has changed itself, not us, and gets it here. */
static bool nft_disturbed(struct fw *fw)
{
	struct nft *n = fw->state;

	n->touched = nft_watch_read(n->watch) || n->touched;
	if (!n->installed)
		return false;
	if (n->touched && n->unowned)
		return true;
	if (nft_host_lacks(&n->link, &n->host))
		settle_host(n);
	else
		n->host.warned = false; /* what comes now is new */
	nft_track_settle(&n->link, &n->track);
	return false;
}

static bool nft_stands(struct fw *fw)
{
	struct nft *n = fw->state;
	struct nft_table t;

	return nft_table_look(&n->link, n->boot, &t) == 0 && t.there && t.this_boot;
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
