/* The interface, the knock port and who has it. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"

/* --- The interface */

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
		    "%s%sup, %u addresses of IPv4 and %u of IPv6", name, *name == '\0' ? "" : " is ",
		    a.v4, a.v6);
}

/* --- Who has a UDP port */

#define NO_INODE 0

/* The inode of a socket at that port, by one of the kernel's lists; NO_INODE: none is there. */
static uint64_t find_socket(const char *list, uint16_t port)
{
	FILE *file = fopen(list, "re");
	uint64_t found = NO_INODE, inode;
	unsigned int number;
	char line[512];

	while (file != NULL && found == NO_INODE && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%4X %*s %*s %*s %*s %*s %*s %*s %20" SCNu64,
		        &number, &inode) == 2 &&
		    number == port)
			found = inode;
	if (file != NULL)
		fclose(file);
	return found;
}

static bool has_descriptor(const char *pid, const char *wanted)
{
	char path[64], target[64];
	const struct dirent *entry;
	bool found = false;
	DIR *fds;

	if (snprintf(path, sizeof path, "/proc/%.20s/fd", pid) >= (int)sizeof path ||
	    (fds = opendir(path)) == NULL)
		return false;
	while (!found && (entry = readdir(fds)) != NULL) {
		ssize_t size = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);

		target[size < 0 ? 0 : size] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	closedir(fds);
	return found;
}

/* Its name for people, "" when it cannot be told. */
static void find_owner(uint64_t inode, char who[static 64])
{
	char wanted[64], path[64], name[32] = "?";
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool found = false;
	FILE *file;

	*who = '\0';
	snprintf(wanted, sizeof wanted, "socket:[%" PRIu64 "]", inode);
	while (proc != NULL && !found && (entry = readdir(proc)) != NULL) {
		found = isdigit((unsigned char)entry->d_name[0]) &&
		        has_descriptor(entry->d_name, wanted);
		if (!found || snprintf(path, sizeof path, "/proc/%.20s/comm", entry->d_name) < 0 ||
		    (file = fopen(path, "re")) == NULL)
			continue;
		if (fgets(name, sizeof name, file) != NULL)
			name[strcspn(name, "\n")] = '\0';
		fclose(file);
		snprintf(who, 64, "%s, process %.20s", name, entry->d_name);
	}
	if (proc != NULL)
		closedir(proc);
}

static void judge_port(struct doctor *d, uint16_t port, uint64_t inode, bool silent)
{
	char who[64] = "";
	bool runs = d->answer == CTL_DONE;

	if (inode != NO_INODE && d->root)
		find_owner(inode, who);
	if (inode == NO_INODE && runs && !silent)
		report_say(&d->report, FINDING_PROBLEM, "systemctl restart posternd",
		    "nobody listens at UDP port %u", port);
	else if (inode == NO_INODE)
		report_say(&d->report, FINDING_OK, NULL,
		    runs ? "no socket at UDP port %u: knocks are taken before it"
		         : "UDP port %u is free for the daemon",
		    port);
	else if (d->answer == CTL_NOT_RUNNING && strncmp(who, "systemd,", 8) != 0)
		report_say(&d->report, FINDING_PROBLEM, "stop it, or another server.udp_port",
		    "UDP port %u is taken by somebody else%s%s", port, *who == '\0' ? "" : ": ", who);
	else if (runs && *who != '\0' && strncmp(who, "postern-doorman", 15) != 0 &&
	         strncmp(who, "posternd", 8) != 0 && strncmp(who, "systemd,", 8) != 0)
		report_say(&d->report, FINDING_PROBLEM, "stop it",
		    "UDP port %u is shared with somebody else: %s", port, who);
	else
		report_say(&d->report, FINDING_OK, NULL, "UDP port %u is listened at", port);
}

static void check_port(struct doctor *d, uint16_t port, bool silent)
{
	uint64_t inode = find_socket("/proc/net/udp6", port);

	judge_port(d, port, inode != NO_INODE ? inode : find_socket("/proc/net/udp", port), silent);
}

void doctor_port(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);

	if (s == NULL) {
		report_say(&d->report, FINDING_UNKNOWN, NULL, "which one, the configuration tells");
		return;
	}
	if (s->openme)
		check_port(d, s->udp_port, s->intake == CONF_INTAKE_CAPTURE);
	if (s->openspa.enabled)
		check_port(d, s->openspa.port, false);
	if (!s->open_knock_port && s->firewall == CONF_FIREWALL_NFT && s->guard == CONF_GUARD_ALL &&
	    s->intake == CONF_INTAKE_SOCKET)
		report_say(&d->report, FINDING_PROBLEM, "server.open_knock_port: true",
		    "guard: all drops what comes to the knock port, too, with open_knock_port: false");
}
