#include "proc/counters.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

int counters_create(void)
{
	int fd = memfd_create("postern-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, sizeof(struct counters)) != 0)
		return fd_close(fd);
	return fd;
}

static void *map(int fd, int protection)
{
	void *p = mmap(NULL, sizeof(struct counters), protection, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct counters *counters_map(int fd)
{
	return map(fd, PROT_READ | PROT_WRITE);
}

const struct counters *counters_map_to_read(int fd)
{
	return map(fd, PROT_READ);
}
