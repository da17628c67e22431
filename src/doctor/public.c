/* Whether this host is reached at an address of its own: asked of the services that the
 * configuration names, and only when that was asked for. */
#include <ifaddrs.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/run.h"
#include "main/spawn.h"

static bool is_own(const struct addr *address)
{
	struct ifaddrs *all = NULL;
	struct addr a;
	uint16_t port;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next)
		found = i->ifa_addr != NULL && addr_from_sockaddr(&a, &port, i->ifa_addr) &&
		        addr_equal(&a, address);
	freeifaddrs(all);
	return found;
}

/* The tool, beside us or where it is installed. */
static void tool_path(char path[static PATH_MAX])
{
	ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - sizeof "postern");
	char *slash;

	path[size < 0 ? 0 : size] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL)
		memcpy(slash + 1, "postern", sizeof "postern");
	if (slash == NULL || access(path, X_OK) != 0)
		snprintf(path, PATH_MAX, "postern");
}

/* As somebody who may do nothing: what speaks HTTP is never root. */
static bool ask(const char *url, bool ipv6, bool root, struct addr *out)
{
	char tool[PATH_MAX], service[CONF_TEXT_BYTES], answer[128];
	char *const argv[] = {tool, (char[]){"get-ip"}, ipv6 ? (char[]){"-6"} : (char[]){"-4"},
	    (char[]){"--public"}, (char[]){"--timeout"}, (char[]){"4s"},
	    ipv6 ? (char[]){"--echo-ipv6-server"} : (char[]){"--echo-ipv4-server"}, service, NULL};
	struct identity who = {0, 0};

	tool_path(tool);
	snprintf(service, sizeof service, "%s", url);
	if ((root && !spawn_stranger(&who)) || !run_read(argv, who.uid, answer, sizeof answer))
		return false;
	answer[strcspn(answer, "\n")] = '\0';
	return addr_parse(out, answer) && addr_is_v4(out) != ipv6;
}

static void check(struct doctor *d, const char *url, bool ipv6)
{
	char text[ADDR_TEXT_BYTES];
	struct addr seen;

	if (*url == '\0')
		return;
	if (!ask(url, ipv6, d->root, &seen))
		report_say(&d->report, FINDING_UNKNOWN, NULL, "no answer of %s", url);
	else if (is_own(&seen))
		report_say(
		    &d->report, FINDING_OK, NULL, "%s is this host's own", addr_text(&seen, text));
	else
		report_say(&d->report, FINDING_WARNING,
		    "have the router in front lead the knock port and the managed ports here",
		    "others see this host as %s, which is none of its own: there is a NAT in front",
		    addr_text(&seen, text));
}

void doctor_public(struct doctor *d)
{
	const struct conf_openspa *s =
	    d->conf != NULL && conf_has_openspa(d->conf) ? conf_openspa(d->conf) : NULL;

	if (!d->online)
		return;
	if (s == NULL || (*s->echo_ipv4_server.text == '\0' && *s->echo_ipv6_server.text == '\0')) {
		report_say(&d->report, FINDING_UNKNOWN,
		    "openspa.echo_ipv4_server, echo_ipv6_server, or: postern get-ip",
		    "the configuration names no Echo-IP service to ask");
		return;
	}
	check(d, s->echo_ipv4_server.text, false);
	check(d, s->echo_ipv6_server.text, true);
}
