#include "base/ports.h"

#include <netinet/in.h>

static bool has_ports(const struct ports *p)
{
	return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
}

bool ports_fit(const struct ports *p)
{
	if (has_ports(p))
		return p->first > 0 && p->first <= p->last;
	return (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6 ||
	           p->protocol == IPPROTO_IPIP) &&
	       p->first == 0 && p->last == 0;
}

bool ports_equal(const struct ports *a, const struct ports *b)
{
	return a->protocol == b->protocol && a->first == b->first && a->last == b->last;
}

bool ports_contain(const struct ports *outer, const struct ports *inner)
{
	if (outer->protocol != 0 && outer->protocol != inner->protocol)
		return false;
	return !has_ports(inner) || (outer->first <= inner->first && inner->last <= outer->last);
}

bool ports_suit(const struct ports *p, const struct addr *address)
{
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_IPIP)
		return addr_is_v4(address);
	return p->protocol != IPPROTO_ICMPV6 || !addr_is_v4(address);
}
