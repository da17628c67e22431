#include "http/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Every right of the first version; later ones, newer than some headers, by number. */
#define FILES           ((uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)
#define TRUNCATE        (1U << 14)
#define BIND_CONNECT    3
#define ABSTRACT_SIGNAL 3

static long version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

int landlock_lacking(void)
{
	return version() < 0 ? errno : 0;
}

bool landlock_close(void)
{
	long v = version();
	const struct {
		uint64_t files;
		uint64_t net;
		uint64_t scoped;
	} nothing = {FILES | (v >= 3 ? TRUNCATE : 0), v >= 4 ? BIND_CONNECT : 0,
	    v >= 6 ? ABSTRACT_SIGNAL : 0};
	long fd = syscall(SYS_landlock_create_ruleset, &nothing, sizeof nothing, 0);
	bool closed = fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0;

	fd_close((int)fd);
	return closed;
}
