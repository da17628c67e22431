#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h> /* before the kernel's twin of it */

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "base/fd.h"
#include "explain/legacy.h"

#define TRIES        8
#define ENTRIES_MOST (64U * 1024U * 1024U)

/* What differs between the two. */
struct kind {
	uint8_t family;
	int domain, level, info, entries;
	const char *names; /* the tables that there are */
};

_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
                   offsetof(struct ipt_get_entries, entrytable) ==
                       offsetof(struct ip6t_get_entries, entrytable),
    "one and the same for both");

static int read_once(struct rules *r, const struct kind *k, int fd, const char *name)
{
	struct ipt_getinfo *info = rules_alloc(r, sizeof *info);
	struct ipt_get_entries *got;
	socklen_t size = sizeof *info;

	if (info == NULL)
		return -ENOMEM;
	snprintf(info->name, sizeof info->name, "%s", name);
	if (getsockopt(fd, k->level, k->info, info, &size) != 0)
		return -errno;
	if (info->size > ENTRIES_MOST)
		return -EMSGSIZE;
	size = (socklen_t)(offsetof(struct ipt_get_entries, entrytable) + info->size);
	got = rules_alloc(r, size);
	if (got == NULL)
		return -ENOMEM;
	snprintf(got->name, sizeof got->name, "%s", name);
	got->size = info->size;
	if (getsockopt(fd, k->level, k->entries, got, &size) != 0)
		return -errno;
	return legacy_take(r, &(struct legacy_table){.name = info->name,
	                          .family = k->family,
	                          .valid_hooks = info->valid_hooks,
	                          .hook_entry = info->hook_entry,
	                          .underflow = info->underflow,
	                          .entries = (const uint8_t *)got->entrytable,
	                          .size = info->size});
}

static int read_table(struct rules *r, const struct kind *k, const char *name)
{
	int fd = socket(k->domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	int err = fd < 0 ? -errno : -EAGAIN;

	/* -EAGAIN: it was changed between the two questions. */
	for (int tries = 0; err == -EAGAIN && tries < TRIES; tries++)
		err = read_once(r, k, fd, name);
	fd_close(fd);
	return err;
}

static int read_kind(struct rules *r, const struct kind *k)
{
	FILE *names = fopen(k->names, "re");
	char name[XT_TABLE_MAXNAMELEN];
	int err = 0;

	if (names == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (err == 0 && fgets(name, sizeof name, names) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		err = read_table(r, k, name);
	}
	fclose(names);
	return err;
}

int legacy_read(struct rules *r)
{
	static const struct kind v4 = {NFPROTO_IPV4, AF_INET, SOL_IP, IPT_SO_GET_INFO,
	    IPT_SO_GET_ENTRIES, "/proc/net/ip_tables_names"};
	static const struct kind v6 = {NFPROTO_IPV6, AF_INET6, SOL_IPV6, IP6T_SO_GET_INFO,
	    IP6T_SO_GET_ENTRIES, "/proc/net/ip6_tables_names"};
	int err = read_kind(r, &v4);

	return err != 0 ? err : read_kind(r, &v6);
}
