/* Programs that the configuration names: they run with our rights, or near them, so nobody but root
 * and whoever runs us may be able to put another in their place. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/file.h"
#include "conf/private.h"

/* Fills `problem`. Always false. */
static bool refuse(char problem[static PROGRAM_PROBLEM_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(char problem[static PROGRAM_PROBLEM_BYTES], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem, PROGRAM_PROBLEM_BYTES, format, arguments);
	va_end(arguments);
	return false;
}

static bool owner_trusted(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

static bool folder_safe(const char *folder, char problem[static PROGRAM_PROBLEM_BYTES])
{
	struct stat st;

	if (lstat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
		return refuse(problem, "%.500s: no folder that can be looked at", folder);
	if (!owner_trusted(&st))
		return refuse(problem,
		    "its folder %.500s belongs to user %u; it must belong to root or to "
		    "you: chown it",
		    folder, (unsigned int)st.st_uid);
	/* In a sticky folder others cannot rename what is not theirs. */
	if ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0)
		return refuse(problem,
		    "its folder %.500s, mode %04o, can be written by others; take that "
		    "away: chmod go-w %.500s",
		    folder, (unsigned int)st.st_mode & 07777U, folder);
	return true;
}

static bool folders_safe(const char *path, char problem[static PROGRAM_PROBLEM_BYTES])
{
	char folder[CONF_PROGRAM_BYTES];

	if (!folder_safe("/", problem))
		return false;
	for (const char *slash = strchr(path + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
		if (!folder_safe(folder, problem))
			return false;
	}
	return true;
}

static bool program_safe(const char *path, char problem[static PROGRAM_PROBLEM_BYTES])
{
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return refuse(problem, "%.500s is not a regular file", path);
	if (!owner_trusted(&st))
		return refuse(problem,
		    "%.500s belongs to user %u; it must belong to root or to you: chown it", path,
		    (unsigned int)st.st_uid);
	if ((st.st_mode & 022) != 0)
		return refuse(problem,
		    "%.500s, mode %04o, can be written by others; take that away: "
		    "chmod go-w %.500s",
		    path, (unsigned int)st.st_mode & 07777U, path);
	if ((st.st_mode & 0111) == 0)
		return refuse(
		    problem, "%.500s is not executable; change that: chmod +x %.500s", path, path);
	return true;
}

bool program_resolve(char out[static CONF_PROGRAM_BYTES], const char *path,
    char problem[static PROGRAM_PROBLEM_BYTES])
{
	char *real = realpath(path, NULL);
	int reason = real == NULL ? errno : 0;
	bool ok = false;

	if (real == NULL)
		refuse(problem, "%.500s: %s", path, strerror(reason));
	else if (strlen(real) >= CONF_PROGRAM_BYTES)
		refuse(problem, "found a path of %zu bytes; expected one shorter than %d",
		    strlen(real), CONF_PROGRAM_BYTES);
	else
		ok = folders_safe(real, problem) && program_safe(real, problem);
	if (ok)
		snprintf(out, CONF_PROGRAM_BYTES, "%s", real);
	free(real);
	errno = reason;
	return ok;
}
