/* TCP connections of other hosts to services of this one, as the kernel tells them (sock_diag(7)).
 * What is forwarded, to containers for instance, is not among them. */
#ifndef CMD_LIVE_H
#define CMD_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define LIVE_MOST 65536U

struct live_connection {
	struct addr peer;
	uint16_t peer_port;
	uint16_t port; /* here; something listens there */
};

struct live {
	struct live_connection *list;
	size_t count; /* LIVE_MOST: there may be more */
};

/* False with errno; live_free in any case. */
bool live_read(struct live *out);
void live_free(struct live *live);

#endif
