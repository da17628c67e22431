/* The listening sockets: the service manager's (LISTEN_FDS) or our own. None that another host can
 * reach is taken. */
#ifndef WEB_LISTEN_H
#define WEB_LISTEN_H

#include "web/options.h"

struct listeners {
	int fds[PLACES_MAX];
	size_t count;
};

/* Takes over the service manager's sockets, and where there are none opens those that the options
 * ask for. EXIT_DONE, or the status to leave with, after having logged why. The descriptors are the
 * caller's until it hands them on. */
int listen_all(struct listeners *l, const struct options *o);
void listen_close(struct listeners *l);

#endif
