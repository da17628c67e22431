#include "proc/rules_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* What is wrong with it, or NULL. Whoever can open it for reading could hold the lock. */
static const char *problem_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	if (st.st_uid != geteuid())
		return "it belongs to somebody else; take it away";
	if (st.st_nlink != 1)
		return "it has another name, too; take it away";
	if ((st.st_mode & 077) != 0)
		return "others may open it; take that away: chmod 600";
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return NULL;
	return errno == EWOULDBLOCK ? "another daemon has it: give each its own --state-dir"
	                            : strerror(errno);
}

int rules_file_open(const char *folder)
{
	char path[PATH_MAX];
	const char *problem;
	int fd = -1;

	if ((size_t)snprintf(path, sizeof path, "%s/rules", folder) >= sizeof path)
		errno = ENAMETOOLONG;
	else
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	problem = fd < 0 ? strerror(errno) : problem_of(fd);
	if (problem == NULL)
		return fd;
	log_event(LOG_LEVEL_ERROR, "cannot use the file that rules are kept in", "path", path,
	    "why", problem, NULL);
	if (fd >= 0)
		close(fd);
	return -1;
}
