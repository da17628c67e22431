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
