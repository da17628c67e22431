#include "audit/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static const struct {
	const char *name;
	unsigned int count;
} sets[AUDIT_SETS] = {
    [AUDIT_SET_LOG] = {AUDIT_FILE_NAME, AUDIT_FILE_COUNT},
    [AUDIT_SET_STRANGERS] = {AUDIT_STRANGERS_NAME, AUDIT_STRANGERS_COUNT},
};

unsigned int audit_file_count(enum audit_set set)
{
	return sets[set].count;
}

const char *audit_file_name(
    char name[static AUDIT_NAME_BYTES], enum audit_set set, unsigned int age)
{
	if (age == 0)
		snprintf(name, AUDIT_NAME_BYTES, "%s", sets[set].name);
	else
		snprintf(name, AUDIT_NAME_BYTES, "%s.%u", sets[set].name, age);
	return name;
}

struct audit_file audit_file_of(int folder, enum audit_set set, uint64_t most)
{
	return (struct audit_file){.folder = folder, .set = set, .fd = -1, .most = most};
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
	char name[AUDIT_NAME_BYTES];
	struct stat st;
	int error;

	f->fd = openat(f->folder, audit_file_name(name, f->set, 0),
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
	char from[AUDIT_NAME_BYTES], to[AUDIT_NAME_BYTES];

	for (unsigned int age = audit_file_count(f->set) - 1; age > 0; age--)
		if (renameat(f->folder, audit_file_name(from, f->set, age - 1), f->folder,
		        audit_file_name(to, f->set, age)) != 0 &&
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
