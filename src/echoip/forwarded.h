/* Who asks: the far end of the connection, or, when that is a proxy we trust, whom the proxy names
 * in X-Forwarded-For. */
#ifndef ECHOIP_FORWARDED_H
#define ECHOIP_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

#define PROXIES_MAX         64
#define FORWARDED_LINES_MAX 16

/* The networks whose word is taken (--trusted-proxy). */
struct proxies {
	struct cidr networks[PROXIES_MAX];
	size_t count;
};

bool proxies_trust(const struct proxies *p, const struct addr *a);

/* The values of a request's X-Forwarded-For fields, in the order they came; the last
 * FORWARDED_LINES_MAX are kept. The texts stay the caller's. */
struct forwarded {
	const char *lines[FORWARDED_LINES_MAX];
	size_t count;
};

void forwarded_add(struct forwarded *f, const char *line);

/* Each proxy appends the address it was asked from, so the list is read from its right end, and
 * only as far as the word of a trusted proxy reaches: from `peer` leftwards to the first address
 * that is none. A value that is no address ends the walk, for what stands left of it was vouched
 * for by nobody; empty values are passed over. Accepted: addresses, [IPv6] in brackets, both also
 * with a port. True when *client is another's than `peer`'s own address. */
bool forwarded_client(struct addr *client, const struct forwarded *f, const struct proxies *trusted,
    const struct addr *peer);

#endif
