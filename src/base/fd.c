#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/libc.h"

int fd_close(int fd)
{
	int reason = errno;

	if (fd >= 0)
		close(fd);
	errno = reason;
	return -1;
}

ssize_t fd_read(int fd, void *data, size_t size)
{
	size_t used = 0;
	ssize_t got = 1;

	while (used < size && got != 0) {
		got = read(fd, (char *)data + used, size - used);
		if (got < 0 && errno != EINTR)
			return -1;
		used += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)used;
}

/* A folder's time changes with every name that comes or goes. */
bool fd_folder_is_fresh(int folder)
{
	struct statx st;

	return statx(folder, "", AT_EMPTY_PATH, STATX_MTIME | STATX_BTIME, &st) == 0 &&
	       (st.stx_mask & STATX_BTIME) != 0 && st.stx_btime.tv_sec == st.stx_mtime.tv_sec &&
	       st.stx_btime.tv_nsec == st.stx_mtime.tv_nsec;
}

void fd_folder_keep_fresh(int folder)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct statx st;

	if (statx(folder, "", AT_EMPTY_PATH, STATX_BTIME, &st) != 0 ||
	    (st.stx_mask & STATX_BTIME) == 0)
		return;
	times[1] = (struct timespec){st.stx_btime.tv_sec, (long)st.stx_btime.tv_nsec};
	(void)futimens(folder, times);
}
