/* Writing the index's file. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/trusted_file.h"
#include "conf/index_form.h"

#define OPEN_TRIES 8

const char index_head[INDEX_HEAD_BYTES] = "PSTIDX1 " POSTERN_VERSION;
_Static_assert(sizeof "PSTIDX1 " POSTERN_VERSION <= INDEX_HEAD_BYTES, "room for the version");

const char *index_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

int index_folder_open(const char *path, char why[static INDEX_WHY_BYTES])
{
	char *folder = file_folder(path), *real = NULL, reason[TRUSTED_TEXT_BYTES] = "";
	int fd = -1;

	*why = '\0';
	if (folder != NULL)
		real = trusted_resolve(folder, S_IFDIR, OWNER_ROOT_OR_SELF, reason);
	if (real != NULL)
		fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else if (errno != ENOENT && errno != EACCES)
		snprintf(why, INDEX_WHY_BYTES, "%.*s", INDEX_WHY_BYTES - 1, reason);
	free(real);
	free(folder);
	return fd;
}

/* --- Putting it together */

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

struct file_identity file_identity(const struct stat *st)
{
	return (struct file_identity){.device = st->st_dev,
	    .inode = st->st_ino,
	    .size = st->st_size,
	    .modified_ns = ns_of(st->st_mtim),
	    .changed_ns = ns_of(st->st_ctim)};
}

static bool put_u64(struct stream *s, uint64_t value)
{
	uint8_t bytes[8];
	struct writer w = writer_of(bytes, sizeof bytes);

	writer_u64(&w, value);
	return stream_put(s, bytes, sizeof bytes);
}

static bool put_count(struct stream *s, uint32_t value)
{
	uint8_t bytes[4];
	struct writer w = writer_of(bytes, sizeof bytes);

	writer_u32(&w, value);
	return stream_put(s, bytes, sizeof bytes);
}

static bool put_bytes(struct stream *s, const void *data, size_t size)
{
	return put_u64(s, size) && stream_put(s, data, size);
}

bool index_put_file(struct stream *files, const char *name, const struct file_identity *id,
    uint32_t count, const void *nodes, size_t size)
{
	return put_bytes(files, name, strlen(name)) && put_u64(files, id->device) &&
	       put_u64(files, id->inode) && put_u64(files, (uint64_t)id->size) &&
	       put_u64(files, (uint64_t)id->modified_ns) &&
	       put_u64(files, (uint64_t)id->changed_ns) && put_count(files, count) &&
	       put_bytes(files, nodes, size);
}

/* --- The file */

struct index_writer index_writer_of(int fd)
{
	struct index_writer w = {.fd = fd, .room = INDEX_BYTES_MOST - INDEX_HASH_BYTES};

	crypto_generichash_init(&w.hash, NULL, 0, INDEX_HASH_BYTES);
	return w;
}

static bool write_out(int fd, const void *data, size_t size)
{
	const uint8_t *from = data;
	ssize_t done = 1;

	for (size_t left = size; left > 0 && done > 0; left -= (size_t)done, from += done) {
		do {
			done = write(fd, from, left);
		} while (done < 0 && errno == EINTR);
	}
	return done > 0;
}

bool index_writer_put(struct index_writer *w, const void *data, size_t size)
{
	w->room -= (int64_t)size;
	if (w->room < 0) {
		errno = EFBIG;
		return false;
	}
	crypto_generichash_update(&w->hash, data, size);
	return write_out(w->fd, data, size);
}

bool index_writer_end(struct index_writer *w)
{
	uint8_t hash[INDEX_HASH_BYTES];

	crypto_generichash_final(&w->hash, hash, sizeof hash);
	return write_out(w->fd, hash, sizeof hash);
}

static bool put_start(struct stream *s, const struct index_parts *p)
{
	return stream_put(s, index_head, sizeof index_head) &&
	       put_bytes(s, p->owner.config, strlen(p->owner.config)) &&
	       stream_put(s, p->owner.server_key, sizeof p->owner.server_key) &&
	       put_u64(s, p->keys.used);
}

static bool put_main(struct stream *s, const struct index_parts *p)
{
	return put_u64(s, p->main.size) && put_u64(s, p->main.head) &&
	       stream_put(s, p->main.hash, sizeof p->main.hash) && put_count(s, p->main_count) &&
	       put_u64(s, p->main_clients.used);
}

static bool write_parts(int fd, const void *context)
{
	const struct index_parts *p = context;
	struct stream start = {NULL, 0, 0}, main = {NULL, 0, 0}, files = {NULL, 0, 0};
	const struct stream *const parts[] = {
	    &start, &p->keys, &main, &p->main_clients, &files, &p->files};
	bool ok = put_start(&start, p) && put_main(&main, p) && put_u64(&files, p->files.used);
	struct index_writer w = index_writer_of(fd);

	errno = ok ? 0 : ENOMEM;
	for (size_t i = 0; ok && i < sizeof parts / sizeof *parts; i++)
		ok = index_writer_put(&w, parts[i]->data, parts[i]->used);
	ok = ok && index_writer_end(&w);
	free(start.data);
	free(main.data);
	free(files.data);
	return ok;
}

/* A file like this, and not by a stranger in a folder like /tmp. */
static bool is_ours(int fd, struct stat *st)
{
	if (fstat(fd, st) != 0)
		return false;
	errno = EPERM;
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink <= 1;
}

static bool is_still(int folder, const char *name, const struct stat *open)
{
	struct stat named;

	return fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == open->st_dev && named.st_ino == open->st_ino;
}

/* The file that is to become the index, ours alone while it is locked; what somebody who was killed
 * has left of it is written over. -1 with errno, EWOULDBLOCK when somebody is just writing one. */
static int open_new(int folder, const char *name)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

	for (int i = 0; i < OPEN_TRIES; i++) {
		int fd = openat(folder, name, flags, 0600);
		struct stat st;

		if (fd < 0 || !is_ours(fd, &st) || flock(fd, LOCK_EX | LOCK_NB) != 0)
			return fd_close(fd);
		/* Else its owner has just given it its name, between our two calls. */
		if (is_still(folder, name, &st))
			return fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0 ? fd : fd_close(fd);
		close(fd);
	}
	errno = EWOULDBLOCK;
	return -1;
}

bool index_replace(const char *path, bool (*write_all)(int fd, const void *context),
    const void *context, char why[static INDEX_WHY_BYTES])
{
	int folder = index_folder_open(path, why), fd = -1;
	char temporary[256];
	bool ok = false;

	if (folder < 0) {
		if (*why == '\0' && errno != ENOENT)
			snprintf(why, INDEX_WHY_BYTES, "its folder: %s", strerror(errno));
		return false;
	}
	if (fd_folder_is_fresh(folder)) {
		close(folder);
		return false;
	}
	errno = ENAMETOOLONG;
	if ((size_t)snprintf(temporary, sizeof temporary, ".%s", index_name(path)) <
	    sizeof temporary)
		fd = open_new(folder, temporary);
	if (fd >= 0) {
		errno = 0; /* a short write says nothing */
		ok = write_all(fd, context) && fsync(fd) == 0 &&
		     renameat(folder, temporary, folder, index_name(path)) == 0 &&
		     fsync(folder) == 0;
	}
	if (!ok)
		snprintf(why, INDEX_WHY_BYTES, "%s",
		    errno == EWOULDBLOCK ? "somebody else is just writing it"
		    : errno == 0         ? strerror(ENOSPC)
		                         : strerror(errno));
	if (!ok && fd >= 0)
		unlinkat(folder, temporary, 0);
	fd_close(fd);
	close(folder);
	return ok;
}

bool index_file_write(
    const struct index_parts *parts, const char *path, char why[static INDEX_WHY_BYTES])
{
	return index_replace(path, write_parts, parts, why);
}
