/* UDP intake: one bound socket for both families. */
#ifndef INTAKE_SOCKET_H
#define INTAKE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intake/record.h"

#define SOCKET_BATCH 32

/* A non-blocking socket on `port` of `address` (all zeros: every address; IPv4 mapped), dual-stack
 * where the host has IPv6, bound to `interface` unless that is "". -1 with errno. */
int socket_open_udp(const struct addr *address, uint16_t port, const char *interface);
/* Has socket_receive fill record.local: for a socket that answers. */
bool socket_want_local(int fd);
/* The same for a TCP listener, on every address. */
int socket_open_tcp(uint16_t port, const char *interface);

/* Receives up to `most` (at most SOCKET_BATCH) datagrams without waiting. Returns how many. */
size_t socket_receive(int fd, struct record *const records[], size_t most);

/* Sends one datagram from `local` (record.local) without waiting; it may be lost. */
void socket_answer(int fd, const struct addr *to, uint16_t port, const struct addr *local,
    const void *packet, size_t size);

#endif
