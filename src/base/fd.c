#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

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
