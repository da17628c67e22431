/* The listening sockets: the service manager's (LISTEN_FDS) or our own. */
#ifndef ECHOIP_LISTEN_H
#define ECHOIP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "echoip/options.h"

#define LISTENERS_MAX (2 * BINDS_MAX)

struct listener {
	int fd;
	bool tls;
};

struct listeners {
	struct listener list[LISTENERS_MAX];
	size_t count;
};

/* Takes over the service manager's sockets, and where there are none opens those that the options
 * ask for. EXIT_DONE, or the status to leave with, after having logged why. The descriptors are the
 * caller's until it hands them on. */
int listen_all(struct listeners *l, const struct options *o);
void listen_close(struct listeners *l);

#endif
