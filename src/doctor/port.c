/* The knock port: whether it is listened at, and by whom else. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"

#define SOCKETS_MOST 64
#define OWNER_BYTES  64

#define FIELDS_BEFORE_INODE 7 /* behind the port */

/* Those at one port, by their inodes. */
struct sockets {
	uint64_t inode[SOCKETS_MOST];
	size_t count;
};

/* "SLOT: ADDRESS:PORT REMOTE STATE QUEUES TIMER RETRANSMITS UID TIMEOUT INODE ...", the port in
 * hexadecimal. False for a line of another form, such as the heading. */
static bool read_socket(const char *line, uint16_t *port, uint64_t *inode)
{
	const char *at = strchr(line, ':'); /* behind the slot */
	char *end;

	at = at == NULL ? NULL : strchr(at + 1, ':');
	if (at == NULL)
		return false;
	*port = (uint16_t)strtoul(at + 1, &end, 16);
	for (int i = 0; i < FIELDS_BEFORE_INODE && *end == ' '; i++) {
		end += strspn(end, " ");
		end += strcspn(end, " ");
	}
	*inode = strtoull(end, NULL, 10);
	return *inode != 0;
}

static void find_sockets(struct sockets *all, const char *list, uint16_t port)
{
	FILE *file = fopen(list, "re");
	char line[512];
	uint64_t inode;
	uint16_t number;

	while (file != NULL && all->count < SOCKETS_MOST && fgets(line, sizeof line, file) != NULL)
		if (read_socket(line, &number, &inode) && number == port)
			all->inode[all->count++] = inode;
	if (file != NULL)
		fclose(file);
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

static void read_name(const char *pid, char name[static 32])
{
	char path[64];
	FILE *file;

	snprintf(name, 32, "?");
	if (snprintf(path, sizeof path, "/proc/%.20s/comm", pid) < 0 ||
	    (file = fopen(path, "re")) == NULL)
		return;
	if (fgets(name, 32, file) != NULL)
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

/* "NAME, process PID"; "" when it cannot be told. */
static void find_owner(uint64_t inode, char who[static OWNER_BYTES])
{
	char wanted[64], name[32];
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	*who = '\0';
	snprintf(wanted, sizeof wanted, "socket:[%" PRIu64 "]", inode);
	while (proc != NULL && *who == '\0' && (entry = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !has_descriptor(entry->d_name, wanted))
			continue;
		read_name(entry->d_name, name);
		snprintf(who, OWNER_BYTES, "%s, process %.20s", name, entry->d_name);
	}
	if (proc != NULL)
		closedir(proc);
}

/* The service manager keeps sockets of ours over a restart. */
static bool is_ours(const char *who, bool runs)
{
	static const char *const names[] = {"postern-doorman,", "posternd,"};

	if (strcmp(who, "systemd, process 1") == 0)
		return true;
	for (size_t i = 0; runs && i < sizeof names / sizeof *names; i++)
		if (strncmp(who, names[i], strlen(names[i])) == 0)
			return true;
	return runs && *who == '\0';
}

/* True when it said that somebody else is there. */
static bool say_others(struct doctor *d, const struct sockets *all, uint16_t port)
{
	bool runs = d->answer != CTL_NOT_RUNNING, others = false;
	char who[OWNER_BYTES] = "";

	for (size_t i = 0; i < all->count; i++) {
		if (d->root)
			find_owner(all->inode[i], who);
		if (is_ours(who, runs))
			continue;
		report_say(&d->report, runs ? FINDING_WARNING : FINDING_PROBLEM,
		    runs ? "stop it, unless it is for another interface"
		         : "stop it, or choose another port",
		    runs
		        ? "UDP port %u is shared with somebody else, who may get knocks: %s"
		        : "UDP port %u is taken by somebody else, so that the daemon cannot start: %s",
		    port, *who == '\0' ? "who, only root may see" : who);
		others = true;
	}
	return others;
}

/* `silent`: there is to be no socket. */
static void check(struct doctor *d, uint16_t port, bool silent)
{
	struct sockets all = {.count = 0};
	bool runs = d->answer == CTL_DONE;

	find_sockets(&all, "/proc/net/udp", port);
	find_sockets(&all, "/proc/net/udp6", port);
	if (say_others(d, &all, port))
		return;
	if (all.count == 0 && runs && !silent)
		report_say(&d->report, FINDING_PROBLEM, "systemctl restart posternd",
		    "nobody listens at UDP port %u", port);
	else
		report_say(&d->report, FINDING_OK, NULL,
		    all.count > 0 ? "UDP port %u is listened at"
		    : runs        ? "no socket at UDP port %u: knocks are taken before it"
		                  : "UDP port %u is free for the daemon",
		    port);
}

void doctor_port(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);

	if (s == NULL) {
		report_say(&d->report, FINDING_UNKNOWN, NULL, "which one, the configuration tells");
		return;
	}
	if (s->openme)
		check(d, s->udp_port, s->intake == CONF_INTAKE_CAPTURE);
	if (s->openspa.enabled)
		check(d, s->openspa.port, false);
	if (!s->open_knock_port && s->firewall == CONF_FIREWALL_NFT && s->guard == CONF_GUARD_ALL &&
	    s->intake == CONF_INTAKE_SOCKET)
		report_say(&d->report, FINDING_PROBLEM, "server.open_knock_port: true",
		    "guard: all drops what comes to the knock port, too, with open_knock_port: false");
}
