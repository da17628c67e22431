/* Folders that hold one thing a file: listed once, their files opened from there. */
#include "conf/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/trusted_file.h"
#include "conf/conf.h"
#include "conf/error.h"

static bool is_ours(const char *name, const char *suffix)
{
	size_t length = strlen(name), end = strlen(suffix);

	return length > end && strcmp(name + length - end, suffix) == 0 && *name != '.' &&
	       *name != '#' && *name != '~';
}

static int by_file_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool list_names(char ***names, size_t *count, DIR *dir, const char *suffix)
{
	size_t room = 0;
	struct dirent *entry;

	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (!is_ours(entry->d_name, suffix))
			continue;
		if (*count == room) {
			char **more = NULL;

			room = room == 0 ? 16 : room * 2;
			if (room <= 2 * (size_t)CONF_MAX_CLIENTS) /* each with an override */
				more = reallocarray(*names, room, sizeof **names);
			else
				errno = E2BIG;
			if (more == NULL)
				return false;
			*names = more;
		}
		(*names)[*count] = strdup(entry->d_name);
		if ((*names)[*count] == NULL)
			return false;
		(*count)++;
	}
	return errno == 0;
}

static bool list_folder(struct file_folder *f, const char *suffix)
{
	int again = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	bool ok = dir != NULL && list_names(&f->names, &f->count, dir, suffix);
	int reason = errno;

	if (dir != NULL)
		closedir(dir);
	else
		fd_close(again);
	errno = reason;
	if (ok && f->count > 0)
		qsort(f->names, f->count, sizeof *f->names, by_file_name);
	return ok;
}

/* Nobody else can put another folder, or another above it, in its place. */
static bool place_trusted(const char *path, struct conf_error *error)
{
	char why[TRUSTED_TEXT_BYTES],
	    *real = trusted_resolve(path, S_IFDIR, OWNER_ROOT_OR_SELF, why);

	if (real != NULL) {
		free(real);
		return true;
	}
	return errno == 0 ? conf_fail(error, "%s: %s", path, why)
	                  : conf_fail_system(error, path, "open it");
}

/* A folder of a volume, which may be a link into it, and which others could write if it were not
 * mounted read-only. */
static bool open_mounted(struct file_folder *out, const char *path)
{
	char why[READERS_TEXT_BYTES];
	struct stat st;

	out->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	out->mounted =
	    out->fd >= 0 && fstat(out->fd, &st) == 0 && secret_mounted_for_us(out->fd, &st, why);
	if (!out->mounted)
		out->fd = fd_close(out->fd);
	return out->mounted;
}

bool file_folder_open(
    struct file_folder *out, const char *path, const char *suffix, struct conf_error *error)
{
	static const struct trusted wanted = {
	    .type = S_IFDIR, .denied = 022, .others_may = "add clients", .remedy = "chmod go-w"};
	char why[TRUSTED_TEXT_BYTES];
	struct stat st;

	*out = (struct file_folder){.fd = -1};
	if (!open_mounted(out, path))
		out->fd = trusted_folder_open(&wanted, path, O_RDONLY | O_NOFOLLOW, why);
	if (out->fd < 0 && errno == 0)
		return conf_fail(error, "%s: %s", path, why);
	if (out->fd < 0 && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return conf_fail(error,
		    "%s: a link; it must be a folder, so that nobody is let in by another", path);
	if (out->fd < 0)
		return errno == ENOENT || conf_fail_system(error, path, "open it");
	out->path = strdup(path);
	return (out->path != NULL && list_folder(out, suffix))
	           ? out->count == 0 || place_trusted(path, error)
	           : conf_fail_system(error, path, "list it");
}

void file_folder_close(struct file_folder *folder)
{
	file_names_free(folder->names, folder->count);
	free(folder->path);
	*folder = (struct file_folder){.fd = fd_close(folder->fd)};
}

void file_names_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}
