/* The table that all of ours is in: whose it is and of which boot, as its comment says. A rule set
 * that was saved and put back after a boot has grants in it that nobody has any more. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "fw/nft_rule.h"

#define WAIT_TIMES 100 /* for a predecessor that has not quite ended */
#define WAIT_MS    20

void nft_table_boot(char boot[static NFT_BOOT_BYTES], const char *boot_id)
{
	size_t length = strnlen(boot_id, CLOCK_BOOT_ID_BYTES);

	memset(boot, 0, NFT_BOOT_BYTES);
	if (length > 0 && boot_id[length - 1] == '\n')
		length--;
	if (length > 0)
		snprintf(boot, NFT_BOOT_BYTES, "of boot %.*s", (int)length, boot_id);
}

struct table_reading {
	struct nft_table *out;
	const char *boot;
};

static int read_table(const struct nlmsghdr *answer, void *data)
{
	const struct nft_attributes a = nft_attributes_of(answer);
	struct table_reading *r = data;

	r->out->there = true;
	r->out->this_boot =
	    r->boot[0] != '\0' && nft_has_comment(a.at[NFTA_TABLE_USERDATA], r->boot);
	(void)nft_attribute_u32(a.at[NFTA_TABLE_OWNER], &r->out->owner);
	return 0;
}

int nft_table_look(struct nft_link *l, const char *boot, struct nft_table *out)
{
	struct nlmsghdr *m = nft_ask_start(l, NFT_MSG_GETTABLE, NFPROTO_INET, 0);
	struct table_reading r = {out, boot};
	int err;

	*out = (struct nft_table){0};
	mnl_attr_put_strz(m, NFTA_TABLE_NAME, NFT_TABLE);
	err = nft_ask(l, read_table, &r);
	return err == -ENOENT ? 0 : err;
}

/* Two on one table would take each other's rules away. */
static bool is_others(const struct nft_link *l, const struct nft_table *t)
{
	return t->owner != 0 && t->owner != l->port;
}

int nft_table_wait(struct nft_link *l)
{
	struct nft_table t;
	int err = nft_table_look(l, "", &t);

	for (int i = 0; err == 0 && is_others(l, &t) && i < WAIT_TIMES; i++) {
		poll(NULL, 0, WAIT_MS);
		err = nft_table_look(l, "", &t);
	}
	if (err == 0 && is_others(l, &t)) {
		log_line(LOG_LEVEL_ERROR,
		    "another process (netlink port %" PRIu32 ") owns the table inet " NFT_TABLE
		    ": is there another posternd in this network namespace, or a service "
		    "manager that keeps the socket of one (systemctl stop posternd)?",
		    t.owner);
		err = -EPERM;
	}
	return err;
}

void nft_table_delete(struct nft_link *l)
{
	struct nlmsghdr *m = nft_batch_add(l, NFT_MSG_DELTABLE, NFPROTO_INET, 0);

	mnl_attr_put_strz(m, NFTA_TABLE_NAME, NFT_TABLE);
}

void nft_table_create(struct nft_link *l, uint32_t flags, const char *boot)
{
	struct nlmsghdr *m = nft_batch_add(l, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE);

	mnl_attr_put_strz(m, NFTA_TABLE_NAME, NFT_TABLE);
	if (flags != 0)
		mnl_attr_put_u32(m, NFTA_TABLE_FLAGS, htobe32(flags));
	nft_put_comment(m, NFTA_TABLE_USERDATA, boot);
}
