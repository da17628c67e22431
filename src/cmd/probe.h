/* Is a TCP port open? Asked the way somebody asks who has just knocked: a firewall that drops gives
 * no answer at all and may open at any moment, so further attempts start before earlier ones have
 * failed, and the first that gets through decides. */
#ifndef CMD_PROBE_H
#define CMD_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define PROBE_ADDRESSES 16

enum probe_result {
	PROBE_OPEN,
	PROBE_REFUSED, /* something answered: not here */
	PROBE_SILENT,  /* no answer in time */
	PROBE_FAILED,  /* errno says why there could be none */
};

struct probe {
	struct addr addresses[PROBE_ADDRESSES];
	size_t count;
	uint16_t port;
	int64_t timeout_ns;
	bool patient;             /* a refusal is not the end of it */
	enum probe_result result; /* of probe_tcp */
};

/* The addresses, or those of the family that is wanted, that a name stands for. The value of
 * getaddrinfo(3). */
int probe_resolve(struct probe *probe, const char *host, int family);
/* A socket of that type, connected to `to` or about to be: non-blocking, closed on exec. -1 with
 * errno. */
int probe_connect(const struct addr *to, uint16_t port, int type);
/* *open is the index of the address that answered, with PROBE_OPEN. */
enum probe_result probe_tcp(const struct probe *probe, size_t *open);

#endif
