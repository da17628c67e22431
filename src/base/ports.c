#include "base/ports.h"

#include <netinet/in.h>

bool ports_numbered(const struct ports *p)
{
	return p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
}

bool ports_fit(const struct ports *p)
{
	bool without = p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6 ||
	               p->protocol == IPPROTO_IPIP;

	return (without || (ports_numbered(p) && p->first > 0)) && p->first <= p->last;
}

bool ports_equal(const struct ports *a, const struct ports *b)
{
	return ports_contain(a, b) && ports_contain(b, a);
}

bool ports_contain(const struct ports *outer, const struct ports *inner)
{
	if (outer->protocol != 0 && outer->protocol != inner->protocol)
		return false;
	return !ports_numbered(inner) ||
	       (outer->first <= inner->first && inner->last <= outer->last);
}

bool ports_suit(const struct ports *p, const struct addr *address)
{
	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_IPIP)
		return addr_is_v4(address);
	return p->protocol != IPPROTO_ICMPV6 || !addr_is_v4(address);
}
