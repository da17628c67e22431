/* The network devices of this host, in the network namespace that we are in. */
#ifndef CONF_LINKS_H
#define CONF_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot/snapshot.h"

#define LINK_KIND_BYTES 16

struct link {
	int index;
	int master; /* index of the device that takes its packets; 0: none */
	char name[INTERFACE_NAME_BYTES];
	char kind[LINK_KIND_BYTES]; /* "bridge", "vrf", ...; "" for hardware */
	bool wanted;                /* its name, or another name of it, is the one asked for */
	bool ethernet;
	uint32_t xdp_program; /* id of what is attached there; 0: nothing */
};

/* All of them, the caller's to free. False with errno. */
bool links_read(struct link **links, size_t *count, const char *wanted);

#endif
