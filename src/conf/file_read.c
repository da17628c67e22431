#include "base/fd.h"
#include "conf/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/secret.h"
#include "base/trusted_file.h"
#include "conf/conf.h"
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

bool file_kept_secret(const struct file_text *text, const char *path, struct conf_error *error)
{
	const struct stat st = {.st_mode = text->mode, .st_uid = geteuid()};
	char why[TRUSTED_TEXT_BYTES];

	return trusted_stat(&secret_file, &st, path, why) || conf_fail(error, "%s: %s", path, why);
}

static bool file_trusted(
    const char *path, const struct stat *st, enum file_secrecy secrecy, struct conf_error *error)
{
	char why[TRUSTED_TEXT_BYTES];

	if (!trusted_stat(secrecy == FILE_SECRET ? &secret_file : &public_file, st, path, why))
		return conf_fail(error, "%s: %s", path, why);
	if (st->st_size > (off_t)FILE_MOST)
		return conf_fail(error, "%s: larger than %u MiB", path, FILE_MOST >> 20);
	return true;
}

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static struct file_identity identity_of(const struct stat *st)
{
	return (struct file_identity){.device = st->st_dev,
	    .inode = st->st_ino,
	    .size = st->st_size,
	    .modified_ns = ns_of(st->st_mtim),
	    .changed_ns = ns_of(st->st_ctim)};
}

bool file_is_same(const char *path, const struct file_identity *known)
{
	char why[TRUSTED_TEXT_BYTES];
	struct file_identity now;
	struct stat st;

	if (lstat(path, &st) != 0 || !trusted_stat(&public_file, &st, path, why))
		return false;
	now = identity_of(&st);
	return now.device == known->device && now.inode == known->inode &&
	       now.size == known->size && now.modified_ns == known->modified_ns &&
	       now.changed_ns == known->changed_ns;
}

bool file_read(
    struct file_text *out, const char *path, enum file_secrecy secrecy, struct conf_error *error)
{
	char *real = trusted_place(path, error);
	struct stat st;
	ssize_t got = -1;
	int fd;

	*out = (struct file_text){.data = NULL};
	if (real == NULL)
		return false;
	/* Not blocking, so that a FIFO cannot hold us. */
	fd = open(real, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	free(real);
	if (fd < 0 || fstat(fd, &st) != 0) {
		conf_fail_system(error, path, "open it");
	} else if (file_trusted(path, &st, secrecy, error)) {
		out->data = secret_alloc((size_t)st.st_size + 1);
		if (out->data != NULL)
			got = fd_read(fd, out->data, (size_t)st.st_size);
		if (got < 0)
			conf_fail_system(error, path, "read it");
		else
			out->size = (size_t)got;
		out->mode = st.st_mode;
		out->identity = identity_of(&st);
	}
	fd_close(fd);
	if (got < 0)
		file_text_free(out);
	return got >= 0;
}

void file_text_free(struct file_text *text)
{
	secret_free(text->data);
	*text = (struct file_text){.data = NULL};
}

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

static bool list_folder(char ***names, size_t *count, DIR *dir, const char *suffix)
{
	size_t room = 0;
	struct dirent *entry;

	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (!is_ours(entry->d_name, suffix))
			continue;
		if (*count == room) {
			char **more = NULL;

			room = room == 0 ? 16 : room * 2;
			if (room <= 2 * (size_t)CONF_MAX_CLIENTS)
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

bool file_list(
    char ***out, size_t *count, const char *path, const char *suffix, struct conf_error *error)
{
	static const struct trusted wanted = {
	    .type = S_IFDIR, .denied = 022, .others_may = "add clients", .remedy = "chmod go-w"};
	char why[TRUSTED_TEXT_BYTES];
	struct stat st;
	int fd = trusted_folder_open(&wanted, path, O_RDONLY | O_NOFOLLOW, why);
	DIR *dir = NULL;
	bool ok;

	*out = NULL;
	*count = 0;
	if (fd < 0 && errno == 0)
		return conf_fail(error, "%s: %s", path, why);
	if (fd < 0 && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return conf_fail(error,
		    "%s: a link; it must be a folder, so that nobody is let in by another", path);
	if (fd < 0)
		return errno == ENOENT || conf_fail_system(error, path, "open it");
	dir = fdopendir(fd);
	ok = dir != NULL && list_folder(out, count, dir, suffix);
	if (!ok)
		conf_fail_system(error, path, "list it");
	if (dir != NULL)
		closedir(dir);
	else
		close(fd);
	if (ok && *count > 0)
		qsort(*out, *count, sizeof **out, by_file_name);
	if (!ok) {
		file_names_free(*out, *count);
		*out = NULL;
		*count = 0;
	}
	return ok;
}

void file_names_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}
