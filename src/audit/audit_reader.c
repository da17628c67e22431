#include "audit/audit_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

/* The first error counts. */
static void fail(struct audit_reader *r, unsigned int age)
{
	if (r->error != 0)
		return;
	r->error = errno;
	audit_file_name(r->file, r->set, age);
}

/* -1 where there is none. */
static int open_one(struct audit_reader *r, int folder, unsigned int age)
{
	char name[AUDIT_NAME_BYTES];
	int fd = openat(folder, audit_file_name(name, r->set, age),
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd_close(fd);
		fd = -1;
		errno = EINVAL;
	}
	if (fd < 0 && errno != ENOENT)
		fail(r, age);
	return fd;
}

static bool is_same(int a, int b)
{
	struct stat one, other;

	return a >= 0 && b >= 0 && fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

void audit_reader_open(struct audit_reader *r, int folder, enum audit_set set)
{
	*r = (struct audit_reader){.set = set};
	/* The newest first: one that steps back meanwhile is seen twice, and not missed. */
	for (unsigned int age = 0; age < AUDIT_FILE_COUNT; age++) {
		r->fds[age] = age < audit_file_count(set) ? open_one(r, folder, age) : -1;
		if (age > 0 && is_same(r->fds[age], r->fds[age - 1]))
			r->fds[age] = fd_close(r->fds[age]);
		r->files += r->fds[age] >= 0;
	}
}

/* A file's last line that is being written, or never was to its end. */
static void end_file(struct audit_reader *r, unsigned int age)
{
	r->damaged += r->used > 0 || r->too_long;
	r->used = 0;
	r->too_long = false;
	r->fds[age] = fd_close(r->fds[age]);
}

/* Reads more, of the oldest that is left; false when there is none. */
static bool fill(struct audit_reader *r)
{
	ssize_t size;

	for (unsigned int age = AUDIT_FILE_COUNT; age-- > 0;) {
		if (r->fds[age] < 0)
			continue;
		size = fd_read(r->fds[age], r->bytes, sizeof r->bytes);
		r->at = 0;
		r->end = size > 0 ? (size_t)size : 0;
		if (size > 0)
			return true;
		if (size < 0)
			fail(r, age);
		end_file(r, age);
	}
	return false;
}

/* To the end of the line, or of what has been read. */
static bool take_bytes(struct audit_reader *r)
{
	while (r->at < r->end) {
		char c = r->bytes[r->at++];

		if (c == '\n')
			return true;
		if (r->used == sizeof r->line)
			r->too_long = true;
		else
			r->line[r->used++] = c;
	}
	return false;
}

bool audit_reader_next(struct audit_reader *r)
{
	r->used = 0;
	while (r->at < r->end || fill(r)) {
		if (!take_bytes(r))
			continue;
		if (!r->too_long)
			return true;
		r->damaged++;
		r->used = 0;
		r->too_long = false;
	}
	return false;
}

void audit_reader_close(struct audit_reader *r)
{
	for (unsigned int age = 0; age < AUDIT_FILE_COUNT; age++)
		r->fds[age] = fd_close(r->fds[age]);
}
