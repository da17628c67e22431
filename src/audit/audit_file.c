#include "audit/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_line.h"
#include "base/fd.h"

#define NAME_BYTES 32

static const char *name_of(char name[static NAME_BYTES], unsigned int age)
{
	if (age == 0)
		snprintf(name, NAME_BYTES, "%s", AUDIT_FILE_NAME);
	else
		snprintf(name, NAME_BYTES, "%s.%u", AUDIT_FILE_NAME, age);
	return name;
}

/* --- Written */

struct audit_file audit_file_of(int folder, uint64_t most)
{
	return (struct audit_file){.folder = folder, .fd = -1, .most = most};
}

void audit_file_close(struct audit_file *f)
{
	f->fd = fd_close(f->fd);
}

/* Nobody else's file, and no other name of one. */
static bool is_ours(const struct stat *st)
{
	errno = EPERM;
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
}

static bool open_file(struct audit_file *f)
{
	char name[NAME_BYTES];
	struct stat st;
	int error;

	f->fd = openat(f->folder, name_of(name, 0),
	    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (f->fd >= 0 && fstat(f->fd, &st) == 0 && is_ours(&st)) {
		f->size = (uint64_t)st.st_size;
		return true;
	}
	error = errno;
	audit_file_close(f);
	errno = error;
	return false;
}

/* All or nothing: what a full disk has taken of it is taken back. */
static bool write_whole(struct audit_file *f, const char *text, size_t size)
{
	ssize_t written = write(f->fd, text, size);
	int error = written < 0 ? errno : ENOSPC;

	if (written == (ssize_t)size)
		return true;
	if (written > 0 && ftruncate(f->fd, (off_t)f->size) != 0)
		audit_file_close(f); /* the next line is put behind a half one */
	errno = error;
	return false;
}

/* A process that was killed may have left half a line. */
static bool close_half_line(struct audit_file *f)
{
	char last = '\n';

	if (f->size > 0 && pread(f->fd, &last, 1, (off_t)f->size - 1) != 1)
		return false;
	if (last == '\n')
		return true;
	if (!write_whole(f, "\n", 1))
		return false;
	f->size++;
	return true;
}

/* Where a line can begin. */
static bool open_at_line(struct audit_file *f)
{
	bool ok = open_file(f) && close_half_line(f);
	int error = errno;

	if (!ok)
		audit_file_close(f);
	errno = error;
	return ok;
}

/* Each file takes the next name, the oldest first: whenever it is cut short, no file but the oldest
 * is lost. */
static bool step_back(struct audit_file *f)
{
	char from[NAME_BYTES], to[NAME_BYTES];

	for (unsigned int age = AUDIT_FILE_COUNT - 1; age > 0; age--)
		if (renameat(f->folder, name_of(from, age - 1), f->folder, name_of(to, age)) != 0 &&
		    errno != ENOENT)
			return false;
	audit_file_close(f);
	return true;
}

/* Somebody may have cut it short meanwhile, or taken it away. */
static void look_again(struct audit_file *f)
{
	struct stat st;

	if (f->fd >= 0 && (fstat(f->fd, &st) != 0 || st.st_nlink != 1))
		audit_file_close(f);
	else if (f->fd >= 0)
		f->size = (uint64_t)st.st_size;
}

bool audit_file_append(struct audit_file *f, const char *line, size_t size)
{
	look_again(f);
	if (f->fd < 0 && !open_at_line(f))
		return false;
	if (f->size > 0 && f->size + size > f->most && !(step_back(f) && open_file(f)))
		return false;
	return f->fd >= 0 && write_whole(f, line, size);
}

/* --- Read */

struct lines {
	char text[AUDIT_LINE_BYTES];
	size_t used;
	bool too_long; /* the rest of it is skipped */
};

/* Without its newline. */
static bool end_line(struct lines *l, struct audit_reading *r,
    bool (*line)(void *context, const char *text, size_t size), void *context)
{
	bool goes_on = true;

	r->lines++;
	if (l->too_long)
		r->damaged++;
	else
		goes_on = line(context, l->text, l->used);
	l->used = 0;
	l->too_long = false;
	return goes_on;
}

static bool take_bytes(struct lines *l, struct audit_reading *r, const char *bytes, size_t size,
    bool (*line)(void *context, const char *text, size_t size), void *context)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			if (!end_line(l, r, line, context))
				return false;
		} else if (l->used == sizeof l->text) {
			l->too_long = true;
		} else {
			l->text[l->used++] = bytes[i];
		}
	}
	return true;
}

static bool read_file(int fd, struct audit_reading *r,
    bool (*line)(void *context, const char *text, size_t size), void *context)
{
	struct lines l = {.used = 0};
	char bytes[16384];
	ssize_t size = 0;

	while ((size = fd_read(fd, bytes, sizeof bytes)) > 0)
		if (!take_bytes(&l, r, bytes, (size_t)size, line, context))
			return false;
	if (size < 0)
		r->error = errno;
	r->damaged += l.used > 0; /* a line that is being written, or never was to its end */
	return size == 0;
}

/* -1 where there is none. */
static int open_one(int folder, unsigned int age, struct audit_reading *r)
{
	char name[NAME_BYTES];
	int fd = openat(folder, name_of(name, age), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd_close(fd);
		fd = -1;
		errno = EINVAL;
	}
	if (fd < 0 && errno != ENOENT && r->error == 0) {
		r->error = errno;
		snprintf(r->file, sizeof r->file, "%s", name);
	}
	return fd;
}

static bool is_same(int a, int b)
{
	struct stat one, other;

	return a >= 0 && b >= 0 && fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

void audit_files_read(int folder, struct audit_reading *r,
    bool (*line)(void *context, const char *text, size_t size), void *context)
{
	int fds[AUDIT_FILE_COUNT];
	bool goes_on = true;

	*r = (struct audit_reading){0};
	/* The newest first: one that steps back meanwhile is seen twice, and not missed. */
	for (unsigned int age = 0; age < AUDIT_FILE_COUNT; age++) {
		fds[age] = open_one(folder, age, r);
		if (age > 0 && is_same(fds[age], fds[age - 1]))
			fds[age] = fd_close(fds[age]);
		r->files += fds[age] >= 0;
	}
	for (unsigned int age = AUDIT_FILE_COUNT; age-- > 0;) {
		if (goes_on && fds[age] >= 0)
			goes_on = read_file(fds[age], r, line, context);
		fd_close(fds[age]);
	}
}
