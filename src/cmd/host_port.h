/* A host with a port behind it, as people write it. */
#ifndef CMD_HOST_PORT_H
#define CMD_HOST_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct host_port {
	const char *host;
	uint16_t port; /* 0: none was there */
};

/* Cuts the port off `text`, which it points into: "host:4433", "[2001:db8::1]:4433", or without
 * one. False when what stands there is no port; the host is the caller's to check. */
bool host_port_cut(struct host_port *out, char *text);

#endif
