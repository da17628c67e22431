/* UDP datagrams to one address, many to a system call: from an ordinary socket, or from forged
 * sources by a raw one. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_BATCH         64
#define WIRE_PAYLOAD_MOST  640
#define WIRE_HEADERS_MOST  (40 + 8) /* IPv6, UDP */
#define WIRE_ADDRESS_BYTES 16

struct wire {
	int socket;
	bool forges, ipv6;
	in_port_t port;
	struct sockaddr_storage to;
	uint8_t to_bytes[WIRE_ADDRESS_BYTES];
	size_t waiting;
	size_t sizes[WIRE_BATCH];
	uint8_t packets[WIRE_BATCH][WIRE_HEADERS_MOST + WIRE_PAYLOAD_MOST];
};

/* Ends the program when the address is none or the socket cannot be had. */
void wire_open(struct wire *w, const char *address, const char *port, bool forges);

/* An address in text: 4 or 16 bytes. Returns how many, 0 when it is none. */
size_t wire_address(uint8_t bytes[static WIRE_ADDRESS_BYTES], const char *text);

/* Source number i, counted from `first`: IPv4 addresses count up, of IPv6 the network parts do. */
void wire_source(const struct wire *w, uint8_t source[static WIRE_ADDRESS_BYTES],
    const uint8_t first[static WIRE_ADDRESS_BYTES], unsigned long i);

/* Where the next datagram's payload goes, for at most WIRE_PAYLOAD_MOST bytes. Calls wire_flush
 * when there is no room. */
uint8_t *wire_next(struct wire *w);

/* That it is complete. `source` is that of a forged one, 4 or 16 bytes as the address sent to has.
 */
void wire_add(struct wire *w, size_t size, const uint8_t *source);

/* Sends what waits. Datagrams that the kernel has no room for are left out: returns how many went.
 */
size_t wire_flush(struct wire *w);
