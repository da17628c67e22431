#include "proc/counters.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

int counters_create(unsigned int count)
{
	int fd = memfd_create("postern-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)(count * sizeof(struct counters))) != 0)
		return fd_close(fd);
	return fd;
}

static void *map(int fd, unsigned int count, int protection)
{
	void *p = mmap(NULL, count * sizeof(struct counters), protection, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct counters *counters_map(int fd, unsigned int number)
{
	struct counters *all = map(fd, number + 1, PROT_READ | PROT_WRITE);

	return all == NULL ? NULL : &all[number];
}

const struct counters *counters_map_to_read(int fd, unsigned int count)
{
	return map(fd, count, PROT_READ);
}
