#include "main/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/trusted_file.h"

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
	memcpy(slash + 1, name, strlen(name) + 1);
	return access(path, F_OK) == 0;
}

/* False with `why` filled. */
static bool is_trusted(int fd, const char *path, char why[static TRUSTED_TEXT_BYTES])
{
	static const struct trusted wanted = {
	    .type = S_IFREG, .denied = 022, .others_may = "write it", .remedy = "chmod go-w"};
	struct stat own, st;

	if (fd < 0 || stat("/proc/self/exe", &own) != 0 || fstat(fd, &st) != 0) {
		snprintf(why, TRUSTED_TEXT_BYTES, "%s", strerror(errno));
		return false;
	}
	if (st.st_uid == own.st_uid)
		st.st_uid = 0; /* who may change this program, too */
	return trusted_stat(&wanted, &st, path, why);
}

int executable_open(enum role role)
{
	const char *name = executable_name(role);
	char path[PATH_MAX], why[TRUSTED_TEXT_BYTES];
	int fd;

	if (!beside(path, sizeof path, name))
		snprintf(path, sizeof path, "%s/%s", POSTERN_LIBEXEC, name);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (is_trusted(fd, path, why))
		return fd;
	log_event(LOG_LEVEL_ERROR, "cannot use the executable of a process", "process",
	    role_name(role), "path", path, "why", why, NULL);
	if (fd >= 0)
		close(fd);
	return -1;
}
