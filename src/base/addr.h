/* Addresses are 16 bytes everywhere inside; IPv4 is mapped (::ffff:a.b.c.d, RFC 4291 2.5.5.2).
 * Text exists only where a person or a file gives or gets it. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"

#define ADDR_BYTES      16
#define ADDR_TEXT_BYTES INET6_ADDRSTRLEN

struct addr {
	uint8_t bytes[ADDR_BYTES];
};

/* A network: the first `bits` bits of `address` (0..128, so 96 + n for an IPv4 /n). */
struct cidr {
	struct addr address;
	uint8_t bits;
};

/* Of 4 bytes, an IPv4 address, or of 16. */
struct addr addr_from_bytes(const void *bytes, size_t size);
bool addr_is_v4(const struct addr *a);
bool addr_equal(const struct addr *a, const struct addr *b);
/* All zeros or ::ffff:0.0.0.0: "the address this packet came from". */
bool addr_is_wildcard(const struct addr *a);
/* Can be the far end of a connection from outside: not loopback, link-local, multicast,
 * broadcast, 0.0.0.0/8, 240.0.0.0/4, IPv4-compatible or unspecified. */
bool addr_is_usable_target(const struct addr *a);
/* Global: usable and not private (RFC 1918, RFC 6598, RFC 4193), nor in 192.0.0.0/24. */
bool addr_is_global(const struct addr *a);
bool addr_in(const struct addr *a, const struct cidr *network);
bool addr_in_any(const struct addr *a, const struct cidr *networks, size_t count);
/* What one sender can have at once: an IPv4 address, or a whole IPv6 /64, host bits zero. */
struct addr addr_sender(const struct addr *a);
uint64_t addr_sender_hash(const struct addr *a, const uint8_t key[static SECRET_HASH_BYTES]);
bool addr_same_sender(const struct addr *a, const struct addr *b);

/* IPv4 text becomes a mapped address. False for anything inet_pton refuses. */
bool addr_parse(struct addr *out, const char *text);
/* "10.0.0.0/8", "2001:db8::/32" or a bare address; host bits must be zero. */
bool cidr_parse(struct cidr *out, const char *text);
/* IPv4 in dotted form. Returns `text`. */
const char *addr_text(const struct addr *a, char text[static ADDR_TEXT_BYTES]);

/* `from` is a whole struct sockaddr of any family; false for those that are not IPv4 or IPv6. */
bool addr_from_sockaddr(struct addr *out, uint16_t *port, const void *from);
/* Always an IPv6 socket address, mapped for IPv4. */
struct sockaddr_in6 addr_to_sockaddr(const struct addr *a, uint16_t port);

#endif
