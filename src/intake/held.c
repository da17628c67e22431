#include "intake/held.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

int held_create(void)
{
	int fd = memfd_create("postern-held", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 &&
	    (ftruncate(fd, sizeof(struct held)) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0))
		return fd_close(fd);
	return fd;
}

bool held_is(int fd)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) == SEALS && fstat(fd, &st) == 0 &&
	       st.st_size == sizeof(struct held);
}

struct held *held_map(int fd)
{
	void *p = mmap(NULL, sizeof(struct held), PROT_READ | PROT_WRITE,
	    fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}
