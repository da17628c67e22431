#include "base/trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static bool owner_fits(enum trusted_owner wanted, uid_t uid)
{
	return wanted == OWNER_ANY || uid == 0 || (wanted != OWNER_ROOT && uid == geteuid());
}

bool trusted_stat(const struct trusted *wanted, const struct stat *st, const char *path,
    char why[static TRUSTED_TEXT_BYTES])
{
	bool spared = wanted->sticky && S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0;

	errno = 0;
	if ((st->st_mode & S_IFMT) != wanted->type)
		snprintf(why, TRUSTED_TEXT_BYTES, "not a %s",
		    wanted->type == S_IFDIR ? "folder" : "regular file");
	else if (!owner_fits(wanted->owner, st->st_uid))
		snprintf(why, TRUSTED_TEXT_BYTES,
		    "belongs to user %u; it must belong to root%s: chown it", st->st_uid,
		    wanted->owner == OWNER_ROOT ? "" : " or to you");
	else if ((st->st_mode & wanted->denied) != 0 && !spared)
		snprintf(why, TRUSTED_TEXT_BYTES,
		    "mode %04o lets others %s; take that away: %s %.500s", st->st_mode & 07777U,
		    wanted->others_may, wanted->remedy, path);
	else
		return true;
	return false;
}

int trusted_folder_open(
    const struct trusted *wanted, const char *path, int flags, char why[static TRUSTED_TEXT_BYTES])
{
	int fd = open(path, flags | O_DIRECTORY | O_CLOEXEC), reason;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && trusted_stat(wanted, &st, path, why))
		return fd;
	reason = errno;
	if (reason != 0)
		snprintf(why, TRUSTED_TEXT_BYTES, "%s", strerror(reason));
	fd_close(fd);
	errno = reason;
	return -1;
}

/* One on the way to a file, or the file itself. */
static bool part_trusted(const char *path, mode_t type, bool is_last, enum trusted_owner owner,
    char why[static TRUSTED_TEXT_BYTES])
{
	const struct trusted wanted = {type, owner, 022, true, "write it", "chmod go-w"};
	char reason[TRUSTED_TEXT_BYTES];
	struct stat st;

	if (lstat(path, &st) != 0)
		snprintf(reason, sizeof reason, "%s", strerror(errno));
	else if (trusted_stat(&wanted, &st, path, reason))
		return true;
	snprintf(why, TRUSTED_TEXT_BYTES, "%s%.500s: %.600s", is_last ? "" : "its folder ", path,
	    reason);
	return false;
}

/* `path` is absolute and free of links. */
static bool parts_trusted(
    const char *path, mode_t type, enum trusted_owner owner, char why[static TRUSTED_TEXT_BYTES])
{
	char folder[PATH_MAX];

	for (const char *slash = path; slash != NULL && path[1] != '\0';
	     slash = strchr(slash + 1, '/')) {
		snprintf(
		    folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
		if (!part_trusted(folder, S_IFDIR, false, owner, why))
			return false;
	}
	return part_trusted(path, type, true, owner, why);
}

char *trusted_resolve(
    const char *path, mode_t type, enum trusted_owner owner, char why[static TRUSTED_TEXT_BYTES])
{
	char *real = realpath(path, NULL);

	if (real == NULL) {
		int reason = errno;

		snprintf(why, TRUSTED_TEXT_BYTES, "%.500s: %s", path, strerror(reason));
		errno = reason;
	} else if (!parts_trusted(real, type, owner, why)) {
		int reason = errno;

		free(real);
		errno = reason;
		real = NULL;
	}
	return real;
}
