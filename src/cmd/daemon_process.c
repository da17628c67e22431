#include "cmd/daemon_process.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/line.h"

#define STAT_BYTES   1024
#define FIELD_PARENT 1 /* after the name, which is in brackets */
#define FIELD_START  19

pid_t daemon_process_find(const char *control)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct ucred who = {.pid = 0};
	socklen_t size = sizeof who;
	int fd;

	if (strlen(control) >= sizeof to.sun_path)
		return 0;
	memcpy(to.sun_path, control, strlen(control) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
		who.pid = 0;
	fd_close(fd);
	return who.pid;
}

/* /proc/PID/stat from the closing bracket of the name on. NULL when it is not to be had; `name`,
 * unless NULL, is in `text`, too. */
static char *read_stat(const char *pid, char text[static STAT_BYTES], char **name)
{
	char path[64], *end;
	FILE *file;
	size_t size;

	if (snprintf(path, sizeof path, "/proc/%s/stat", pid) >= (int)sizeof path ||
	    (file = fopen(path, "re")) == NULL)
		return NULL;
	size = fread(text, 1, STAT_BYTES - 1, file);
	fclose(file);
	text[size] = '\0';
	end = strrchr(text, ')');
	if (end == NULL || strchr(text, '(') == NULL)
		return NULL;
	*end = '\0';
	if (name != NULL)
		*name = strchr(text, '(') + 1;
	return end + 1;
}

static uint64_t field(const char *stat, int number)
{
	for (int i = 0; i < number && stat != NULL; i++)
		stat = strchr(stat + 1, ' ');
	return stat == NULL ? 0 : strtoull(stat + 1, NULL, 10);
}

int64_t daemon_process_since(pid_t pid)
{
	char number[16], text[STAT_BYTES], *stat;
	long ticks = sysconf(_SC_CLK_TCK);
	uint64_t start;

	snprintf(number, sizeof number, "%d", (int)pid);
	stat = pid > 0 && ticks > 0 ? read_stat(number, text, NULL) : NULL;
	if (stat == NULL || (start = field(stat, FIELD_START)) == 0 ||
	    start > (uint64_t)(INT64_MAX / NS_PER_SECOND))
		return 0;
	return clock_real_ns() - clock_boot_ns() +
	       (int64_t)(start / (uint64_t)ticks) * NS_PER_SECOND;
}

/* A child of it that is one of ours. */
static bool is_role(const char *pid, pid_t parent, char name[static 32])
{
	char text[STAT_BYTES], *comm, *stat = read_stat(pid, text, &comm);

	if (stat == NULL || field(stat, FIELD_PARENT) != (uint64_t)parent ||
	    strncmp(comm, "postern-", 8) != 0)
		return false;
	snprintf(name, 32, "%s", comm + 8);
	return true;
}

unsigned int daemon_process_roles(pid_t pid, char roles[static DAEMON_ROLES_BYTES])
{
	struct line l = {.text = roles, .size = DAEMON_ROLES_BYTES};
	DIR *proc = pid > 0 ? opendir("/proc") : NULL;
	const struct dirent *entry;
	unsigned int count = 0;
	char name[32];

	*roles = '\0';
	while (proc != NULL && (entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) && is_role(entry->d_name, pid, name)) {
			line_add(&l, "%s", count++ == 0 ? "" : ", ");
			line_escape(&l, name, sizeof name, LINE_UNQUOTED);
		}
	if (proc != NULL)
		closedir(proc);
	return count;
}

bool daemon_process_is_outdated(pid_t pid)
{
	static const char end[] = " (deleted)";
	char path[64], target[PATH_MAX];
	ssize_t size;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	size = pid > 0 ? readlink(path, target, sizeof target) : -1;
	return size > (ssize_t)(sizeof end - 1) &&
	       memcmp(target + size - (sizeof end - 1), end, sizeof end - 1) == 0;
}
