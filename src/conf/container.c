/* Whether somebody else lives where we are. Rather too often yes. */
#include "conf/secret_readers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/unused_uids.h"
#include "conf/accounts.h"
#include "conf/conf.h"

#define HOST_PIDS      0xEFFFFFFCU /* inode of the first PID namespace, the same in every kernel */
#define PROCESSES_MOST 4096

static bool refuse(char *why, const char *text)
{
	snprintf(why, READERS_TEXT_BYTES, "%s", text);
	return false;
}

/* In a PID namespace that is not the host's, whose processes /proc shows. */
static bool is_container(char *why)
{
	char self[32] = "", own[32];
	struct stat st;

	snprintf(own, sizeof own, "%d", (int)getpid());
	if (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == HOST_PIDS)
		return refuse(why, "this is no container");
	return (readlink("/proc/self", self, sizeof self - 1) > 0 && strcmp(self, own) == 0 &&
	           stat("/proc/1", &st) == 0) ||
	       refuse(why, "/proc does not show who else is here");
}

struct residents {
	uid_t self;
	uid_t service; /* of this daemon's own processes */
};

static bool is_ours(const struct residents *r, unsigned long uid)
{
	return uid == 0 || uid == r->self || uid == r->service ||
	       (uid >= UNUSED_UID_FIRST && uid <= UNUSED_UID_LAST);
}

/* Real, effective, saved, and of files: at `line`. */
static bool uids_are_ours(const struct residents *r, const char *line, unsigned long *stranger)
{
	bool ours = true;

	for (int i = 0; i < 4 && ours; i++) {
		char *end;

		*stranger = strtoul(line, &end, 10);
		ours = end != line && is_ours(r, *stranger);
		line = end;
	}
	return ours;
}

/* The owner of /proc/PID is root for a process that changed its user, so its status is read. */
static bool process_is_ours(const struct residents *r, int proc, const char *pid, char *why)
{
	char path[300], text[2048] = "";
	unsigned long stranger = 0;
	const char *line;
	ssize_t got = -1;
	int fd;

	snprintf(path, sizeof path, "%s/status", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		got = fd_read(fd, text, sizeof text - 1);
	fd_close(fd);
	line = strstr(text, "\nUid:");
	if (got <= 0) /* it has ended meanwhile */
		return faccessat(proc, pid, F_OK, 0) != 0 || refuse(why, "a process is hidden");
	if (line == NULL)
		return refuse(why, "a process does not say whose it is");
	if (uids_are_ours(r, line + strlen("\nUid:"), &stranger))
		return true;
	snprintf(why, READERS_TEXT_BYTES, "process %.12s of user %lu is here", pid, stranger);
	return false;
}

static bool processes_are_ours(const struct residents *r, char *why)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	size_t count = 0;
	bool ok = proc != NULL || refuse(why, "/proc does not show who else is here");

	while (ok && (entry = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		ok = ++count <= PROCESSES_MOST ? process_is_ours(r, dirfd(proc), entry->d_name, why)
		                               : refuse(why, "too many processes are here");
	}
	if (proc != NULL)
		closedir(proc);
	return ok;
}

bool secret_container_is_ours(uid_t self, char why[static READERS_TEXT_BYTES])
{
	const struct residents r = {self, accounts_uid(ACCOUNTS_FOLDER, CONF_SERVICE_USER)};
	char who[ACCOUNTS_TEXT_BYTES];

	if (!is_container(why))
		return false;
	if (accounts_have_people(ACCOUNTS_FOLDER, self, who))
		return refuse(why, who);
	return processes_are_ours(&r, why);
}
