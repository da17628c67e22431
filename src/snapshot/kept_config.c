#include "snapshot/kept_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"

#define TEMPORARY   "." KEPT_CONFIG_FILE
#define CHUNK_BYTES 4096

void kept_config_look(struct kept_config *k, const char *path)
{
	k->known = stat(path, &k->before) == 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(const struct kept_config *k, int fd)
{
	const struct stat *b = &k->before;
	struct stat now;

	if (!k->known || fstat(fd, &now) != 0)
		return false;
	return now.st_dev == b->st_dev && now.st_ino == b->st_ino && now.st_size == b->st_size &&
	       same_time(now.st_mtim, b->st_mtim) && same_time(now.st_ctim, b->st_ctim);
}

bool kept_config_copy(int to, int from)
{
	uint8_t chunk[CHUNK_BYTES];
	size_t copied = 0;
	ssize_t got;

	while ((got = fd_read(from, chunk, sizeof chunk)) > 0 && copied <= KEPT_CONFIG_MOST) {
		errno = ENOSPC; /* a short write says nothing */
		if (write(to, chunk, (size_t)got) != got) {
			got = -1;
			break;
		}
		copied += (size_t)got;
	}
	secret_wipe(chunk, sizeof chunk);
	if (got > 0)
		errno = EFBIG;
	return got == 0;
}

/* Then there is no disk to wait for. `a` is left at its beginning. */
static bool is_same(int a, int b)
{
	uint8_t left[CHUNK_BYTES], right[CHUNK_BYTES];
	ssize_t size = 1;
	bool same = b >= 0;

	while (same && size > 0) {
		size = fd_read(a, left, sizeof left);
		same = fd_read(b, right, sizeof right) == size && size >= 0 &&
		       memcmp(left, right, (size_t)size) == 0;
	}
	secret_wipe(left, sizeof left);
	secret_wipe(right, sizeof right);
	(void)lseek(a, 0, SEEK_SET);
	return same;
}

static bool replace(int folder, int from)
{
	int fd =
	    openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && fchmod(fd, 0600) == 0 && kept_config_copy(fd, from) && fsync(fd) == 0;
	int error = errno;

	fd_close(fd);
	if (ok && renameat(folder, TEMPORARY, folder, KEPT_CONFIG_FILE) == 0 && fsync(folder) == 0)
		return true;
	error = ok ? errno : error;
	unlinkat(folder, TEMPORARY, 0);
	errno = error;
	return false;
}

static bool save(const struct kept_config *k, int folder, int from)
{
	int kept = openat(folder, KEPT_CONFIG_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool ok;

	errno = ESTALE;
	ok = is_unchanged(k, from) && (is_same(from, kept) || replace(folder, from));
	/* And still is. */
	if (ok && !is_unchanged(k, from)) {
		errno = ESTALE;
		ok = false;
	}
	fd_close(kept);
	return ok;
}

bool kept_config_save(const struct kept_config *k, const char *state_dir, const char *path)
{
	int folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int from = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool ok = folder >= 0 && from >= 0 && save(k, folder, from);
	int error = errno;

	if (!ok && folder >= 0)
		unlinkat(folder, KEPT_CONFIG_FILE, 0);
	fd_close(from);
	fd_close(folder);
	errno = error;
	return ok;
}

int kept_config_open(const char *state_dir, const char **why)
{
	int folder = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = folder < 0 ? -1
	                    : openat(folder, KEPT_CONFIG_FILE,
	                          O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	*why = NULL;
	if (fd < 0)
		*why = errno == ENOENT ? "there is none" : strerror(errno);
	else if (fstat(fd, &st) != 0)
		*why = strerror(errno);
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		*why = "others could have changed it";
	fd_close(folder);
	return *why == NULL ? fd : fd_close(fd);
}

bool kept_config_is(const char *state_dir, const char *path)
{
	const char *why;
	int kept = kept_config_open(state_dir, &why);
	int now = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool same = kept >= 0 && now >= 0 && is_same(now, kept);

	fd_close(now);
	fd_close(kept);
	return same;
}
