#include "cmd/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool place_is_taken(const char *path)
{
	struct stat there;

	return lstat(path, &there) == 0 && !S_ISREG(there.st_mode);
}

bool outfile_open(struct outfile *out, const char *path)
{
	int fd = -1, saved;

	*out = (struct outfile){0};
	if (place_is_taken(path)) {
		errno = EEXIST;
		return false;
	}
	out->path = strdup(path);
	if (out->path == NULL || asprintf(&out->temporary, "%s.XXXXXX", path) < 0) {
		out->temporary = NULL;
		goto failed;
	}
	fd = mkostemp(out->temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0) {
		saved = errno;
		free(out->temporary);
		out->temporary = NULL;
		errno = saved;
		goto failed;
	}
	out->file = fdopen(fd, "w");
	if (out->file == NULL)
		goto failed;
	return true;
failed:
	saved = errno;
	if (fd >= 0)
		close(fd);
	outfile_close(out);
	errno = saved;
	return false;
}

static bool put_in_place(const struct outfile *out)
{
	if (!out->fresh)
		return rename(out->temporary, out->path) == 0;
	if (renameat2(AT_FDCWD, out->temporary, AT_FDCWD, out->path, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	/* A file system without that flag; a link is never made over an existing name either. */
	return link(out->temporary, out->path) == 0 && unlink(out->temporary) == 0;
}

bool outfile_commit(struct outfile *out)
{
	bool written = fflush(out->file) == 0 && fsync(fileno(out->file)) == 0;
	int saved = errno;

	if (fclose(out->file) != 0 && written) {
		saved = errno;
		written = false;
	}
	out->file = NULL;
	if (written && put_in_place(out)) {
		free(out->temporary);
		out->temporary = NULL;
		return true;
	}
	if (written)
		saved = errno;
	outfile_close(out);
	errno = saved;
	return false;
}

void outfile_close(struct outfile *out)
{
	if (out->file != NULL)
		fclose(out->file);
	if (out->temporary != NULL)
		unlink(out->temporary);
	free(out->temporary);
	free(out->path);
	*out = (struct outfile){0};
}
