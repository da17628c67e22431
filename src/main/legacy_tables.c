#include "main/legacy_tables.h"

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define TABLE "filter"

_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
                   offsetof(struct ipt_get_entries, entrytable) ==
                       offsetof(struct ip6t_get_entries, entrytable),
    "both families ask alike");

/* Asking for a table that is not there makes the kernel load it. */
static bool is_loaded(bool ipv6)
{
	FILE *names =
	    fopen(ipv6 ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names", "re");
	char line[XT_TABLE_MAXNAMELEN + 1];
	bool found = false;

	while (names != NULL && !found && fgets(line, sizeof line, names) != NULL)
		found = strcmp(line, TABLE "\n") == 0;
	if (names != NULL)
		fclose(names);
	return found;
}

/* A chain begins with an entry whose target is an error with its name. */
static bool has_chain(const uint8_t *entries, size_t size, const char *chain)
{
	char head[XT_FUNCTION_MAXNAMELEN] = "";
	size_t length = strlen(chain) + 1; /* with the zero */
	const uint8_t *at;

	memcpy(head, chain, length);
	while ((at = memmem(entries, size, XT_ERROR_TARGET, sizeof XT_ERROR_TARGET)) != NULL) {
		size_t next = (size_t)(at - entries) + sizeof(struct xt_entry_target) -
		              offsetof(struct xt_entry_target, u.user.name);

		if (next + length > size)
			return false;
		if (memcmp(entries + next, head, length) == 0)
			return true;
		entries += next;
		size -= next;
	}
	return false;
}

bool legacy_table_has_chain(bool ipv6, const char *chain)
{
	const int level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
	struct ipt_getinfo info = {.name = TABLE};
	socklen_t size = sizeof info;
	struct ipt_get_entries *all = NULL;
	bool found = false;
	int fd = is_loaded(ipv6)
	             ? socket(ipv6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)
	             : -1;

	if (fd >= 0 && getsockopt(fd, level, IPT_SO_GET_INFO, &info, &size) == 0) {
		size = (socklen_t)(sizeof *all + info.size);
		all = calloc(1, size);
	}
	if (all != NULL) {
		memcpy(all->name, TABLE, sizeof TABLE);
		all->size = info.size;
		found = getsockopt(fd, level, IPT_SO_GET_ENTRIES, all, &size) == 0 &&
		        has_chain((const uint8_t *)all->entrytable, info.size, chain);
	}
	free(all);
	fd_close(fd);
	return found;
}
