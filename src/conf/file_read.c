#include "base/fd.h"
#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/trusted_file.h"
#include "conf/error.h"

char *file_join(const char *folder, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

char *file_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static const struct trusted secret_file = {
    .type = S_IFREG, .denied = 077, .others_may = "at a private key", .remedy = "chmod 600"};
static const struct trusted public_file = {
    .type = S_IFREG, .denied = 022, .others_may = "write it", .remedy = "chmod go-w"};

/* `path` without links, in folders where nobody else can swap files. NULL with *error filled. */
static char *trusted_place(const char *path, struct conf_error *error)
{
	char why[TRUSTED_TEXT_BYTES] = "", *real = realpath(path, NULL), *folder, *found = NULL;

	if (real == NULL) {
		conf_fail_system(error, path, "open it");
		return NULL;
	}
	folder = file_folder(real);
	if (folder != NULL)
		found = trusted_resolve(folder, S_IFDIR, OWNER_ROOT_OR_SELF, why);
	if (found == NULL && *why != '\0')
		conf_fail(error, "%s: %s%s", path,
		    strncmp(why, "its folder", strlen("its folder")) == 0 ? "" : "its folder ",
		    why);
	else if (found == NULL)
		conf_fail_system(error, path, "open it");
	if (found == NULL) {
		free(real);
		real = NULL;
	}
	free(found);
	free(folder);
	return real;
}

/* Others may look at it, and that does no harm: then `file` has a note. */
static bool readers_fine(
    struct file *file, const struct stat *st, char why[static TRUSTED_TEXT_BYTES])
{
	struct trusted unwritten = secret_file;
	char reason[TRUSTED_TEXT_BYTES];
	size_t used = strlen(why);

	unwritten.denied &= (mode_t)~044;
	if (!trusted_stat(&unwritten, st, file->path, reason))
		return false;
	if (secret_readers_fine(file->fd, st, file->note))
		return true;
	if (*file->note != '\0')
		snprintf(why + used, TRUSTED_TEXT_BYTES - used, " (%s)", file->note);
	*file->note = '\0';
	return false;
}

static bool kept_secret(
    struct file *file, const struct stat *st, char why[static TRUSTED_TEXT_BYTES])
{
	return trusted_stat(&secret_file, st, file->path, why) || readers_fine(file, st, why);
}

bool file_kept_secret(struct file *file, struct conf_error *error)
{
	struct stat st = file->st;
	char why[TRUSTED_TEXT_BYTES];

	st.st_uid = st.st_uid == 0 ? 0 : geteuid(); /* that was judged when it was opened */
	return kept_secret(file, &st, why) || conf_fail(error, "%s: %s", file->path, why);
}

static bool file_trusted(
    struct file *file, enum file_secrecy secrecy, size_t most, struct conf_error *error)
{
	char why[TRUSTED_TEXT_BYTES];

	if (!(secrecy == FILE_SECRET ? kept_secret(file, &file->st, why)
	                             : trusted_stat(&public_file, &file->st, file->path, why)))
		return conf_fail(error, "%s: %s", file->path, why);
	if (file->st.st_size > (off_t)most)
		return conf_fail(error, "%s: larger than %zu MiB", file->path, most >> 20);
	return true;
}

/* `name` from `folder`, or a path without links but those that may be followed. Not blocking, so
 * that a FIFO cannot hold us. */
static bool open_file(struct file *out, int folder, const char *name, const char *path, bool follow)
{
	*out = (struct file){.path = path};
	out->fd = openat(
	    folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
	if (out->fd >= 0 && fstat(out->fd, &out->st) != 0)
		out->fd = fd_close(out->fd);
	return out->fd >= 0;
}

bool file_open(struct file *out, const char *path, enum file_secrecy secrecy, size_t most,
    struct conf_error *error)
{
	char *real = trusted_place(path, error);
	bool ok;

	*out = (struct file){.fd = -1};
	if (real == NULL)
		return false;
	ok = open_file(out, AT_FDCWD, real, path, false) ? file_trusted(out, secrecy, most, error)
	                                                 : conf_fail_system(error, path, "open it");
	if (!ok)
		file_close(out);
	free(real);
	return ok;
}

/* Kubernetes' links in a volume. */
static bool leads_into_volume(const struct file_folder *folder, const char *name)
{
	char target[PATH_MAX] = "";

	return folder->mounted && readlinkat(folder->fd, name, target, sizeof target - 1) > 0 &&
	       strncmp(target, "..data/", strlen("..data/")) == 0 && strstr(target, "/..") == NULL;
}

bool file_open_in(struct file *out, const struct file_folder *folder, const char *name,
    const char *path, struct conf_error *error)
{
	struct stat st;
	bool ok;

	if (!open_file(out, folder->fd, name, path, leads_into_volume(folder, name))) {
		int reason = errno;

		if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if (S_ISLNK(st.st_mode))
				return conf_fail(error,
				    "%s: a link; it must be the file itself, so that nobody is let "
				    "in by another: put the file here",
				    path);
			if (!S_ISREG(st.st_mode))
				return conf_fail(
				    error, "%s: not a regular file; take it out of there", path);
		}
		errno = reason;
		return conf_fail_system(error, path, "open it");
	}
	if (!S_ISREG(out->st.st_mode))
		ok = conf_fail(error, "%s: not a regular file; take it out of there", path);
	else
		ok = file_trusted(out, FILE_PUBLIC, FILE_MOST, error);
	if (!ok)
		file_close(out);
	return ok;
}

bool file_stat_in(struct stat *st, const struct file_folder *folder, const char *name)
{
	char why[TRUSTED_TEXT_BYTES];

	return fstatat(folder->fd, name, st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       trusted_stat(&public_file, st, name, why) && st->st_size <= (off_t)FILE_MOST;
}

static bool fail_changed(const struct file *file, struct conf_error *error)
{
	return conf_fail(error, "%s: changed while it was read; try again", file->path);
}

bool file_unchanged(const struct file *file, struct conf_error *error)
{
	struct stat st;

	if (fstat(file->fd, &st) != 0)
		return conf_fail_system(error, file->path, "read it");
	if (st.st_size == file->st.st_size && st.st_mtim.tv_sec == file->st.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == file->st.st_mtim.tv_nsec)
		return true;
	return fail_changed(file, error);
}

void file_close(struct file *file)
{
	file->fd = fd_close(file->fd);
}

static bool read_all(struct file_text *out, const struct file *file, struct conf_error *error)
{
	size_t size = (size_t)file->st.st_size;
	ssize_t got = -1;
	bool ok;

	*out = (struct file_text){.data = secret_alloc(size + 1), .size = size};
	memcpy(out->note, file->note, sizeof out->note);
	if (out->data != NULL)
		got = fd_read(file->fd, out->data, size);
	ok = got < 0 ? conf_fail_system(error, file->path, "read it") : file_unchanged(file, error);
	if (ok && (size_t)got < size)
		ok = fail_changed(file, error);
	if (!ok)
		file_text_free(out);
	return ok;
}

bool file_read(
    struct file_text *out, const char *path, enum file_secrecy secrecy, struct conf_error *error)
{
	struct file file = {.fd = -1};
	bool ok = file_open(&file, path, secrecy, FILE_MOST, error) && read_all(out, &file, error);

	file_close(&file);
	return ok;
}

void file_text_free(struct file_text *text)
{
	secret_free(text->data);
	*text = (struct file_text){.data = NULL};
}
