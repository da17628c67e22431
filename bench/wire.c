#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SOURCE_PORT 40000
#define IPV4_BYTES  20
#define IPV6_BYTES  40
#define UDP_BYTES   8
#define HOPS        64
#define SEND_BYTES  (1 << 20)

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

size_t wire_address(uint8_t bytes[static WIRE_ADDRESS_BYTES], const char *text)
{
	if (inet_pton(AF_INET, text, bytes) == 1)
		return sizeof(struct in_addr);
	return inet_pton(AF_INET6, text, bytes) == 1 ? sizeof(struct in6_addr) : 0;
}

void wire_source(const struct wire *w, uint8_t source[static WIRE_ADDRESS_BYTES],
    const uint8_t first[static WIRE_ADDRESS_BYTES], unsigned long i)
{
	memcpy(source, first, WIRE_ADDRESS_BYTES);
	for (size_t at = w->ipv6 ? 8 : 4; at-- > 0 && i > 0; i >>= 8) {
		i += source[at];
		source[at] = (uint8_t)i;
	}
}

static void set_destination(struct wire *w, const char *address)
{
	size_t size = wire_address(w->to_bytes, address);
	struct sockaddr_in *to4 = (struct sockaddr_in *)&w->to;
	struct sockaddr_in6 *to6 = (struct sockaddr_in6 *)&w->to;
	/* A raw socket of IPv6 takes a protocol for a port. */
	in_port_t port = w->forges ? 0 : htons(w->port);

	if (size == 0) {
		fprintf(stderr, "bench: not an address: %s\n", address);
		exit(2);
	}
	w->ipv6 = size == sizeof to6->sin6_addr;
	if (w->ipv6) {
		*to6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
		memcpy(&to6->sin6_addr, w->to_bytes, size);
	} else {
		*to4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
		memcpy(&to4->sin_addr, w->to_bytes, size);
	}
}

void wire_open(struct wire *w, const char *address, const char *port, bool forges)
{
	int size = SEND_BYTES;

	memset(w, 0, sizeof *w);
	w->forges = forges;
	w->port = (in_port_t)strtoul(port, NULL, 10);
	set_destination(w, address);
	w->socket = forges ? socket(w->to.ss_family, SOCK_RAW, IPPROTO_RAW)
	                   : socket(w->to.ss_family, SOCK_DGRAM, 0);
	if (w->socket < 0 || setsockopt(w->socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0)
		fail("bench: socket");
}

static void put16(uint8_t *to, size_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint32_t sum(const uint8_t *bytes, size_t size, uint32_t total)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		total += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return size % 2 != 0 ? total + ((uint32_t)bytes[size - 1] << 8) : total;
}

/* IPv4's header checksum is the kernel's work, and UDP needs none over it. */
static void fill_ipv4(uint8_t *packet, const struct wire *w, const uint8_t *source)
{
	static const uint8_t start[IPV4_BYTES] = {[0] = 0x45, [8] = HOPS, [9] = IPPROTO_UDP};

	memcpy(packet, start, sizeof start);
	memcpy(packet + 12, source, 4);
	memcpy(packet + 16, w->to_bytes, 4);
}

static void fill_ipv6(uint8_t *packet, const struct wire *w, const uint8_t *source, size_t udp_size)
{
	uint8_t *udp = packet + IPV6_BYTES;
	uint32_t total;

	memset(packet, 0, 8);
	packet[0] = 6 << 4;
	put16(packet + 4, udp_size);
	packet[6] = IPPROTO_UDP;
	packet[7] = HOPS;
	memcpy(packet + 8, source, 16);
	memcpy(packet + 24, w->to_bytes, 16);
	total = sum(udp, udp_size, sum(packet + 8, 32, (uint32_t)udp_size + IPPROTO_UDP));
	while (total > UINT16_MAX)
		total = (total >> 16) + (total & UINT16_MAX);
	put16(udp + 6, total == UINT16_MAX ? UINT16_MAX : ~total & UINT16_MAX);
}

static size_t headers(const struct wire *w)
{
	if (!w->forges)
		return 0;
	return UDP_BYTES + (size_t)(w->ipv6 ? IPV6_BYTES : IPV4_BYTES);
}

uint8_t *wire_next(struct wire *w)
{
	if (w->waiting == WIRE_BATCH)
		wire_flush(w);
	return w->packets[w->waiting] + headers(w);
}

void wire_add(struct wire *w, size_t size, const uint8_t *source)
{
	uint8_t *packet = w->packets[w->waiting];
	size_t all = headers(w) + size;

	if (w->forges) {
		uint8_t *udp = packet + headers(w) - UDP_BYTES;

		put16(udp, SOURCE_PORT);
		put16(udp + 2, w->port);
		put16(udp + 4, UDP_BYTES + size);
		put16(udp + 6, 0);
		if (w->ipv6)
			fill_ipv6(packet, w, source, UDP_BYTES + size);
		else
			fill_ipv4(packet, w, source);
	}
	w->sizes[w->waiting++] = all;
}

size_t wire_flush(struct wire *w)
{
	struct iovec parts[WIRE_BATCH];
	struct mmsghdr messages[WIRE_BATCH];
	size_t done = 0, sent = 0;

	memset(messages, 0, sizeof messages);
	for (size_t i = 0; i < w->waiting; i++) {
		parts[i] = (struct iovec){w->packets[i], w->sizes[i]};
		messages[i].msg_hdr = (struct msghdr){.msg_name = &w->to,
		    .msg_namelen =
		        w->ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in),
		    .msg_iov = &parts[i],
		    .msg_iovlen = 1};
	}
	while (done < w->waiting) {
		int n = sendmmsg(w->socket, messages + done, (unsigned int)(w->waiting - done), 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR &&
		    errno != ECONNREFUSED)
			fail("bench: sendmmsg");
		sent += n > 0 ? (size_t)n : 0;
		done += n > 0 ? (size_t)n : 1;
	}
	w->waiting = 0;
	return sent;
}
