#include "cmd/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"

static bool place_is_taken(const char *path)
{
	struct stat there;

	return lstat(path, &there) == 0 && !S_ISREG(there.st_mode);
}

bool outfile_open(struct outfile *out, const char *path)
{
	int fd = -1;

	*out = (struct outfile){0};
	if (place_is_taken(path)) {
		errno = EEXIST;
		return false;
	}
	if (!new_file_open(&out->target, path))
		return false;
	/* A descriptor of its own: what stdio closes has its name only after that. */
	fd = fcntl(out->target.fd, F_DUPFD_CLOEXEC, 0);
	if (fd >= 0)
		out->file = fdopen(fd, "w");
	if (out->file != NULL)
		return true;
	fd_close(fd);
	outfile_close(out);
	return false;
}

bool outfile_commit(struct outfile *out)
{
	FILE *file = out->file;

	out->file = NULL;
	return fclose(file) == 0 && new_file_commit(&out->target, !out->fresh);
}

void outfile_close(struct outfile *out)
{
	int saved = errno;

	if (out->file != NULL)
		fclose(out->file);
	new_file_close(&out->target);
	*out = (struct outfile){0};
	errno = saved;
}
