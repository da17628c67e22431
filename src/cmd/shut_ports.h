/* Which ports a configuration shuts to those who have no grant. */
#ifndef CMD_SHUT_PORTS_H
#define CMD_SHUT_PORTS_H

#include "snapshot/snapshot.h"

/* A bit for each port of TCP and of UDP; all zeros: none is shut. */
struct shut_ports {
	uint8_t tcp[UINT16_MAX / 8 + 1];
	uint8_t udp[UINT16_MAX / 8 + 1];
};

struct shut_ports shut_ports_of(const struct snapshot *s);
bool shut_ports_tcp(const struct shut_ports *p, uint16_t port);
/* Those that are in `next` and not in `before`, as ranges: how many there are, of which up to
 * `most` are stored. */
size_t shut_ports_gained(
    struct ports *out, size_t most, const struct shut_ports *before, const struct shut_ports *next);

#endif
