#include "cmd/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/write_file.h"

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

bool outfile_commit(struct outfile *out)
{
	bool written = fflush(out->file) == 0 && fsync(fileno(out->file)) == 0;
	int saved = errno;

	if (fclose(out->file) != 0 && written) {
		saved = errno;
		written = false;
	}
	out->file = NULL;
	if (written && file_put_in_place(AT_FDCWD, out->temporary, out->path, !out->fresh)) {
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
