/* Preloaded: netlink that tells nobody what becomes of the interfaces. */
#include <dlfcn.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	int (*next)(int, const struct sockaddr *, socklen_t) =
	    (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
	struct sockaddr_nl nobody;

	if (address->sa_family != AF_NETLINK || size != sizeof nobody)
		return next(fd, address, size);
	memcpy(&nobody, address, sizeof nobody);
	if (nobody.nl_groups == RTMGRP_LINK)
		nobody.nl_groups = 0;
	return next(fd, (const struct sockaddr *)&nobody, sizeof nobody);
}
