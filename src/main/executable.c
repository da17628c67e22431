#include "main/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

const char *executable_name(enum role role)
{
	static const char *const names[ROLE_COUNT] = {[ROLE_MAIN] = "posternd",
	    [ROLE_DOORMAN] = "postern-doorman",
	    [ROLE_KEEPER] = "postern-keeper",
	    [ROLE_DESK] = "postern-desk",
	    [ROLE_RUNNER] = "postern-runner",
	    [ROLE_PRIVILEGED_RUNNER] = "postern-runner"};

	return names[role];
}

/* Beside our own executable, where that is not installed; false when it is none or too long. */
static bool beside(char *path, size_t size, const char *name)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (length <= 0)
		return false;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash - path) + strlen(name) + 2 > size)
		return false;
	strcpy(slash + 1, name);
	return access(path, F_OK) == 0;
}

/* What is wrong with it, or NULL. */
static const char *problem_of(int fd)
{
	struct stat own, st;

	if (stat("/proc/self/exe", &own) != 0 || fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file; install Postern again";
	if (st.st_uid != 0 && st.st_uid != own.st_uid)
		return "it belongs to somebody else; install Postern again";
	if ((st.st_mode & 022) != 0)
		return "others may write it; take that away: chmod go-w";
	return NULL;
}

int executable_open(enum role role)
{
	const char *name = executable_name(role), *problem;
	char path[PATH_MAX];
	int fd;

	if (!beside(path, sizeof path, name))
		snprintf(path, sizeof path, "%s/%s", POSTERN_LIBEXEC, name);
	fd = open(path, O_PATH | O_CLOEXEC);
	problem = fd < 0 ? strerror(errno) : problem_of(fd);
	if (problem == NULL)
		return fd;
	log_event(LOG_LEVEL_ERROR, "cannot use the executable of a process", "process",
	    role_name(role), "path", path, "why", problem, NULL);
	if (fd >= 0)
		close(fd);
	return -1;
}
