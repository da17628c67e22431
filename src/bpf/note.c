#include "bpf/note.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/trusted_file.h"

struct note {
	char boot_id[CLOCK_BOOT_ID_BYTES]; /* a program has another id in another boot */
	uint32_t program;
};

static int open_note(const char *control, int flags)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof path, "%s.shield", control);

	if (length < 0 || (size_t)length >= sizeof path)
		return -1;
	if ((flags & O_CREAT) != 0)
		unlink(path);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static bool is_ours(int fd)
{
	static const struct trusted wanted = {
	    .type = S_IFREG, .denied = 022, .others_may = "write it", .remedy = "chmod go-w"};
	char why[TRUSTED_TEXT_BYTES];
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 1 &&
	       trusted_stat(&wanted, &st, "", why);
}

uint32_t shield_note_read(const char *control)
{
	int fd = open_note(control, O_RDONLY);
	struct note now = {.program = 0}, then;
	bool read = is_ours(fd) && fd_read(fd, &then, sizeof then) == sizeof then;

	fd_close(fd);
	return read && clock_boot_id(now.boot_id) &&
	               memcmp(now.boot_id, then.boot_id, sizeof now.boot_id) == 0
	           ? then.program
	           : 0;
}

bool shield_note_write(const char *control, uint32_t program)
{
	struct note now = {.program = program};
	int fd = open_note(control, O_WRONLY | O_CREAT | O_EXCL);
	bool written = fd >= 0 && clock_boot_id(now.boot_id) &&
	               write(fd, &now, sizeof now) == (ssize_t)sizeof now;

	fd_close(fd);
	return written;
}
