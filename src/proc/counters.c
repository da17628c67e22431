#include "proc/counters.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define TOOK_MOST_NS (3600 * NS_PER_SECOND)

const uint32_t counters_open_limits_us[OPEN_LIMITS] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000};

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

void counters_opened(struct counters *c, int64_t took_ns)
{
	size_t i = 0;

	if (took_ns < 0)
		took_ns = 0;
	if (took_ns > TOOK_MOST_NS)
		took_ns = TOOK_MOST_NS;
	while (i < OPEN_LIMITS && took_ns > (int64_t)counters_open_limits_us[i] * 1000)
		i++;
	c->opened_within[i]++;
	c->counts[COUNT_OPEN_NS] += (uint64_t)took_ns;
}
