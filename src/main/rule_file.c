#include "main/rule_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/rule_journal.h"

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

/* Whoever may write the folder can take the file away: what is open would be forgotten. */
static const char *problem_of_folder(int folder)
{
	struct stat st;

	if (folder < 0 || fstat(folder, &st) != 0)
		return strerror(errno);
	if (st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return "others may write its folder; take that away: chown root, chmod 700";
	return NULL;
}

int rules_file_open(const char *path)
{
	int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	const char *problem = problem_of_folder(folder);

	if (problem == NULL) {
		fd = openat(
		    folder, "rules", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
		problem = fd < 0 ? strerror(errno) : problem_of(fd);
	}
	if (folder >= 0)
		close(folder);
	if (problem == NULL)
		return fd;
	log_event(LOG_LEVEL_ERROR, "cannot use the file that rules are kept in", "folder", path,
	    "file", "rules", "why", problem, NULL);
	if (fd >= 0)
		close(fd);
	return -1;
}

void rules_file_mind(const char *path)
{
	int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	uint32_t left = 0;
	char count[16];

	if (problem_of_folder(folder) == NULL)
		fd = openat(folder, "rules", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (folder >= 0)
		close(folder);
	/* Another daemon may have it, and will see to it. */
	if (fd >= 0 && problem_of(fd) == NULL)
		left = rule_journal_left(fd);
	if (fd >= 0)
		close(fd);
	if (left == 0)
		return;
	snprintf(count, sizeof count, "%u", left);
	log_event(LOG_LEVEL_ERROR,
	    "a predecessor left rules of scripts open, and no script is configured to shut them",
	    "rules", count, "folder", path, NULL);
}
