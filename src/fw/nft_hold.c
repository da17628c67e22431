#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "fw/hold.h"
#include "fw/nft_rule.h"

struct fw_hold {
	struct nft_link link;
	int watch;
	char boot[NFT_BOOT_BYTES];
};

void fw_hold_close(struct fw_hold *h)
{
	if (h == NULL)
		return;
	nft_link_close(&h->link);
	fd_close(h->watch);
	free(h);
}

struct fw_hold *fw_hold_open(const char *boot_id)
{
	struct fw_hold *h = calloc(1, sizeof *h);
	int err = h == NULL ? -ENOMEM : nft_link_open(&h->link, -1);

	if (h != NULL)
		h->watch = -1;
	if (err == 0) {
		nft_table_boot(h->boot, boot_id);
		h->watch = nft_watch_open(h->link.port);
		err = h->watch < 0 ? h->watch : 0;
	}
	if (err == 0)
		return h;
	log_event(LOG_LEVEL_ERROR, "cannot look at the firewall", "error", strerror(-err), NULL);
	fw_hold_close(h);
	return NULL;
}

static uint32_t port_of(int socket)
{
	struct sockaddr_nl its = {.nl_pid = 0};
	socklen_t size = sizeof its;

	return getsockname(socket, (struct sockaddr *)&its, &size) == 0 ? its.nl_pid : 0;
}

/* A table that has outlived its owner is had as it is. */
static int claim(int owner, const char *boot)
{
	struct nft_link l;
	int fd = fcntl(owner, F_DUPFD_CLOEXEC, 0);
	int err = fd < 0 ? -errno : nft_link_open(&l, fd);

	if (err != 0)
		return err;
	nft_batch_begin(&l);
	nft_table_create(&l, NFT_TABLE_OWNED, boot);
	err = nft_batch_commit(&l);
	nft_link_close(&l);
	return err == -EINVAL ? -EOPNOTSUPP : err;
}

int fw_hold(struct fw_hold *h, int owner)
{
	struct nft_table t;
	int err = nft_table_look(&h->link, h->boot, &t);

	if (err != 0)
		return err;
	if (t.owner != 0 && t.owner != port_of(owner))
		return -EPERM;
	if (!t.there || !t.this_boot)
		return -ENOENT;
	if (t.owner != 0)
		return 0;
	return owner < 0 ? -EPERM : claim(owner, h->boot);
}

int fw_hold_watch(const struct fw_hold *h)
{
	return h->watch;
}

bool fw_hold_changed(struct fw_hold *h)
{
	return nft_watch_read(h->watch);
}
