#include "intake/held.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

/* Each begins at a page, of whatever size those are. */
#define PLACE_BYTES ((off_t)((sizeof(struct held) + 0xffff) & ~(size_t)0xffff))
#define FILE_BYTES  (HELD_MOST * PLACE_BYTES)

int held_create(void)
{
	int fd = memfd_create("postern-held", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && (ftruncate(fd, FILE_BYTES) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0))
		return fd_close(fd);
	return fd;
}

bool held_is(int fd)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) == SEALS && fstat(fd, &st) == 0 && st.st_size == FILE_BYTES;
}

struct held *held_map(int fd, unsigned int number)
{
	void *p = mmap(NULL, sizeof(struct held), PROT_READ | PROT_WRITE,
	    fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd,
	    fd < 0 ? 0 : (off_t)number * PLACE_BYTES);

	return p == MAP_FAILED ? NULL : p;
}
