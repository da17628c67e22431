/* What can be open: ports of one protocol. */
#ifndef BASE_PORTS_H
#define BASE_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* Both ends included. Only TCP and UDP have ports: with others both ends are what somebody wrote
 * there, and mean nothing. No padding, for it stands in memory that processes share. */
struct ports {
	uint8_t protocol; /* IP protocol number */
	uint8_t zero;
	uint16_t first;
	uint16_t last;
};

/* Whether its protocol has ports. */
bool ports_numbered(const struct ports *p);
/* TCP and UDP: 1 <= first <= last. ICMP, ICMPv6, IPv4 in IP: first <= last. Other protocols: false.
 */
bool ports_fit(const struct ports *p);
/* True when both are one and the same to open. */
bool ports_equal(const struct ports *a, const struct ports *b);
/* `outer` with protocol 0 holds everything. */
bool ports_contain(const struct ports *outer, const struct ports *inner);
/* ICMP and IPv4 in IP are IPv4's, ICMPv6 is IPv6's: false where there is nothing to open. */
bool ports_suit(const struct ports *p, const struct addr *address);

#endif
