/* The interface, and its addresses. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

#include "doctor/doctor.h"

struct addresses {
	bool there, up;
	unsigned int v4, v6;
};

static void count_address(struct addresses *a, const struct ifaddrs *i)
{
	struct addr address;
	uint16_t port;

	a->there = true;
	a->up = a->up || (i->ifa_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	if (i->ifa_addr == NULL || !addr_from_sockaddr(&address, &port, i->ifa_addr) ||
	    (address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80))
		return; /* that of a link is not reached from outside */
	if (addr_is_v4(&address))
		a->v4++;
	else
		a->v6++;
}

static bool read_addresses(struct addresses *a, const char *interface)
{
	struct ifaddrs *all = NULL;

	*a = (struct addresses){.there = false};
	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		if (*interface != '\0' ? strcmp(i->ifa_name, interface) == 0
		                       : (i->ifa_flags & IFF_LOOPBACK) == 0)
			count_address(a, i);
	freeifaddrs(all);
	return true;
}

void doctor_interface(struct doctor *d)
{
	const char *name = d->conf == NULL ? "" : conf_interface(d->conf);
	const char *which = *name == '\0' ? "no interface" : name;
	struct addresses a;

	if (!read_addresses(&a, name))
		report_say(&d->report, FINDING_UNKNOWN, NULL, "addresses: %s", strerror(errno));
	else if (!a.there && *name != '\0')
		report_say(&d->report, FINDING_PROBLEM, "ip link", "%s is not there", name);
	else if (!a.up)
		report_say(&d->report, FINDING_PROBLEM,
		    *name == '\0' ? "ip link set NAME up" : "ip link set up dev that, and a cable",
		    *name == '\0' ? "%s is up" : "%s is not up", which);
	else if (a.v4 + a.v6 == 0)
		report_say(&d->report, FINDING_PROBLEM, "ip address",
		    *name == '\0' ? "%s has an address" : "%s has no address", which);
	else
		report_say(&d->report, FINDING_OK, NULL,
		    "%s%sup, %u addresses of IPv4 and %u of IPv6", name,
		    *name == '\0' ? "" : " is ", a.v4, a.v6);
}
