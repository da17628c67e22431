#include "client/hint_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define MAGIC 0x50484b31U /* "PHK1" */

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

/* What is small stays out of swap: with more, it would eat up what the process may lock. */
#define LOCKED_MOST (256 * 1024)

static size_t size_for(uint32_t count)
{
	return sizeof(struct hint_keys) + (size_t)count * HINT_KEY_BYTES;
}

static void *map(int fd, size_t size, int protection)
{
	void *p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (size <= LOCKED_MOST)
		(void)mlock(p, size);
	return p;
}

int hint_keys_create(uint32_t count, struct hint_keys **keys)
{
	int fd = memfd_create("postern-hints", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	*keys = NULL;
	if (fd >= 0 && ftruncate(fd, (off_t)size_for(count)) == 0)
		*keys = map(fd, size_for(count), PROT_READ | PROT_WRITE);
	if (*keys == NULL)
		return fd_close(fd);
	(*keys)->magic = MAGIC;
	(*keys)->count = count;
	if (fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	hint_keys_unmap(*keys);
	*keys = NULL;
	return fd_close(fd);
}

const struct hint_keys *hint_keys_map(int fd, uint32_t count)
{
	const struct hint_keys *keys;
	struct stat st;

	errno = EINVAL;
	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) != 0 ||
	    (size_t)st.st_size != size_for(count))
		return NULL;
	keys = map(fd, size_for(count), PROT_READ);
	if (keys == NULL || (keys->magic == MAGIC && keys->count == count))
		return keys;
	hint_keys_unmap_of(keys, count);
	errno = EINVAL;
	return NULL;
}

void hint_keys_unmap_of(const struct hint_keys *keys, uint32_t count)
{
	union {
		const void *read;
		void *mapped;
	} base = {.read = keys};

	if (keys != NULL)
		munmap(base.mapped, size_for(count));
}

void hint_keys_unmap(const struct hint_keys *keys)
{
	if (keys != NULL)
		hint_keys_unmap_of(keys, keys->count);
}

uint32_t hint_keys_ready(const struct hint_keys *keys)
{
	uint32_t ready = atomic_load_explicit(&keys->ready, memory_order_acquire);

	return ready < keys->count ? ready : keys->count;
}

void hint_keys_publish(struct hint_keys *keys, uint32_t ready)
{
	atomic_store_explicit(&keys->ready, ready, memory_order_release);
}

bool hint_keys_has(const struct hint_keys *keys, uint32_t client)
{
	static const uint8_t none[HINT_KEY_BYTES];

	return memcmp(keys->keys[client], none, sizeof none) != 0;
}
