#include "files/write_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "conf/conf.h"
#include "conf/error.h"
#include "conf/file.h"

#define TEMPORARY_BYTES 32

bool file_write_whole(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, data, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		data += written;
		size -= (size_t)written;
	}
	return true;
}

/* A name nobody reads configuration from: it starts with a dot. */
static void temporary_name(char out[static TEMPORARY_BYTES])
{
	uint64_t number;

	secret_random(&number, sizeof number);
	snprintf(out, TEMPORARY_BYTES, ".postern-%016llx", (unsigned long long)number);
}

static bool write_temporary(int folder, const char *name, const char *data, size_t size)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = fchmod(fd, 0600) == 0 && file_write_whole(fd, data, size) && fsync(fd) == 0;
	if (close(fd) != 0)
		ok = false;
	return ok;
}

bool file_put_in_place(int folder, const char *from, const char *to, bool replace)
{
	if (replace)
		return renameat(folder, from, folder, to) == 0;
	if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	/* A file system without that flag; a link is never made over an existing name either. */
	return linkat(folder, from, folder, to, 0) == 0 && unlinkat(folder, from, 0) == 0;
}

bool file_write(
    const char *path, const char *data, size_t size, bool replace, struct conf_error *error)
{
	const char *slash = strrchr(path, '/');
	char *folder_path = file_folder(path);
	char temporary[TEMPORARY_BYTES];
	int folder = -1;
	bool ok = false;

	if (folder_path != NULL)
		folder = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0) {
		conf_fail_system(error, path, "write it");
		goto out;
	}
	temporary_name(temporary);
	ok = write_temporary(folder, temporary, data, size) &&
	     file_put_in_place(folder, temporary, slash == NULL ? path : slash + 1, replace);
	if (!ok) {
		if (errno == EEXIST && !replace)
			conf_fail(error, "%s: exists already and was left as it is", path);
		else
			conf_fail_system(error, path, "write it");
		unlinkat(folder, temporary, 0);
		goto out;
	}
	/* The file stands; a folder that cannot be synced (some network file systems) only means
	 * that a power cut now may undo it. */
	fsync(folder);
out:
	if (folder >= 0)
		close(folder);
	free(folder_path);
	return ok;
}

bool file_make_folder(const char *path, struct conf_error *error)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	return conf_fail_system(error, path, "make the folder");
}
