#include "files/write_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "conf/error.h"
#include "conf/file.h"

/* Nobody reads configuration from a name with a dot. */
#define HIDDEN        ".postern-"
#define HIDDEN_DIGITS 16
#define PROC_FD       "/proc/self/fd"

/* A C library without it: musl. */
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1

static int renameat2(int from, const char *name, int to, const char *as, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from, name, to, as, flags);
}
#endif

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

/* --- Hidden names */

static void choose_hidden(char out[static FILE_HIDDEN_BYTES])
{
	uint64_t number;

	secret_random(&number, sizeof number);
	snprintf(
	    out, FILE_HIDDEN_BYTES, HIDDEN "%0*llx", HIDDEN_DIGITS, (unsigned long long)number);
}

static bool is_hidden(const char *name)
{
	const size_t before = strlen(HIDDEN);

	return strncmp(name, HIDDEN, before) == 0 && strlen(name) == before + HIDDEN_DIGITS &&
	       strspn(name + before, "0123456789abcdef") == HIDDEN_DIGITS;
}

static void remove_if_left(int folder, const char *name)
{
	int fd = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(folder, name, 0);
	close(fd);
}

/* What killed processes have left. That it cannot be looked for is no failure. */
static void tidy(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (names != NULL && (entry = readdir(names)) != NULL)
		if (is_hidden(entry->d_name))
			remove_if_left(folder, entry->d_name);
	if (names != NULL)
		closedir(names);
	else
		fd_close(fd);
}

/* --- A new file */

static int open_hidden(struct new_file *file)
{
	int fd;

	choose_hidden(file->hidden);
	fd = openat(
	    file->folder, file->hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		*file->hidden = '\0';
	else
		(void)flock(fd, LOCK_EX | LOCK_NB); /* without it, it may be taken for a leftover */
	return fd;
}

/* Only by a path through /proc such a file gets its name without further rights. */
static int open_nameless(const struct new_file *file)
{
	return access(PROC_FD, X_OK) == 0
	           ? openat(file->folder, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600)
	           : -1;
}

bool new_file_open(struct new_file *file, const char *path)
{
	char *folder = file_folder(path);

	*file = (struct new_file){.fd = -1, .folder = -1, .path = strdup(path)};
	if (folder != NULL && file->path != NULL)
		file->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (file->folder >= 0) {
		tidy(file->folder);
		file->fd = open_nameless(file);
		if (file->fd < 0)
			file->fd = open_hidden(file);
	}
	if (file->fd >= 0 && fchmod(file->fd, 0600) == 0)
		return true;
	new_file_close(file);
	return false;
}

static bool name_it(const struct new_file *file, const char *name)
{
	char by_proc[sizeof PROC_FD + 16];

	snprintf(by_proc, sizeof by_proc, PROC_FD "/%d", file->fd);
	return linkat(AT_FDCWD, by_proc, file->folder, name, AT_SYMLINK_FOLLOW) == 0;
}

static bool put_hidden_in_place(struct new_file *file, const char *name, bool replace)
{
	if (replace ? renameat(file->folder, file->hidden, file->folder, name) == 0
	            : renameat2(file->folder, file->hidden, file->folder, name, RENAME_NOREPLACE) ==
	                  0) {
		*file->hidden = '\0';
		return true;
	}
	/* A file system without that flag; a link is never made over an existing name, either. */
	return !replace && (errno == EINVAL || errno == ENOSYS) &&
	       linkat(file->folder, file->hidden, file->folder, name, 0) == 0;
}

static bool put_in_place(struct new_file *file, bool replace)
{
	const char *slash = strrchr(file->path, '/');
	const char *name = slash == NULL ? file->path : slash + 1;

	if (*file->hidden == '\0') {
		if (name_it(file, name))
			return true;
		if (errno != EEXIST || !replace)
			return false;
		choose_hidden(file->hidden);
		if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 || !name_it(file, file->hidden))
			return false;
	}
	return put_hidden_in_place(file, name, replace);
}

bool new_file_commit(struct new_file *file, bool replace)
{
	bool done = fsync(file->fd) == 0 && put_in_place(file, replace);

	/* It stands; a folder that cannot be synced (some network file systems) only means that a
	 * power cut now may undo it. */
	if (done)
		fsync(file->folder);
	new_file_close(file);
	return done;
}

void new_file_close(struct new_file *file)
{
	int saved = errno;

	if (file->path != NULL && *file->hidden != '\0')
		unlinkat(file->folder, file->hidden, 0);
	if (file->path != NULL) {
		fd_close(file->fd);
		fd_close(file->folder);
	}
	free(file->path);
	*file = (struct new_file){0};
	errno = saved;
}

bool file_write_fail(struct conf_error *error, const char *path)
{
	if (errno == EEXIST)
		return conf_fail(error, "%s: exists already and was left as it is", path);
	return conf_fail_system(error, path, "write it");
}

bool file_write(
    const char *path, const char *data, size_t size, bool replace, struct conf_error *error)
{
	struct new_file file;
	bool ok = new_file_open(&file, path) && file_write_whole(file.fd, data, size) &&
	          new_file_commit(&file, replace);

	if (!ok)
		file_write_fail(error, path);
	new_file_close(&file);
	return ok;
}

bool file_make_folder(const char *path, struct conf_error *error)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	return conf_fail_system(error, path, "make the folder");
}
