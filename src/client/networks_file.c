/* The file of the networks' table. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/networks.h"

#define MAGIC       UINT64_C(0x3174656e74736f70) /* "postnet1" */
#define PAGES_LEAST (UINT32_C(1) << 10)          /* half a megabyte */
#define PAGES_MOST  (UINT32_C(1) << 15)          /* 16 megabytes */

struct head {
	uint64_t magic;
	uint32_t pages;
	uint32_t zero;
	uint8_t hash_key[SECRET_HASH_BYTES];
	uint64_t check; /* of all before */
};

static off_t bytes_of(uint32_t pages)
{
	return NETWORKS_HEAD_BYTES + (off_t)pages * NETWORKS_PAGE_PAIRS * (off_t)sizeof(uint64_t);
}

static uint64_t check_of(const struct head *h)
{
	return secret_hash(h->hash_key, h, offsetof(struct head, check));
}

static bool is_sound(const struct head *h, off_t size)
{
	return h->magic == MAGIC && h->pages >= PAGES_LEAST && h->pages <= PAGES_MOST &&
	       (h->pages & (h->pages - 1)) == 0 && h->check == check_of(h) &&
	       size == bytes_of(h->pages);
}

/* Eight places for a client. */
static uint32_t pages_for(uint32_t clients)
{
	uint32_t pages = PAGES_LEAST;

	while (pages < PAGES_MOST && pages * NETWORKS_PAGE_PAIRS / 8 < clients)
		pages *= 2;
	return pages;
}

/* Two places for a client are the least. */
static bool is_outgrown(const struct head *h, uint32_t clients)
{
	return h->pages < pages_for(clients / 4);
}

/* The head comes last: what is cut short is begun anew by the next start. */
static bool begin(int fd, uint32_t clients)
{
	struct head h = {.magic = MAGIC, .pages = pages_for(clients)};

	if (ftruncate(fd, 0) != 0)
		return false;
	errno = posix_fallocate(fd, 0, bytes_of(h.pages));
	if (errno != 0)
		return false;
	secret_random(h.hash_key, sizeof h.hash_key);
	h.check = check_of(&h);
	return pwrite(fd, &h, sizeof h, 0) == sizeof h;
}

bool networks_prepare(int fd, uint32_t clients, enum networks_origin *origin)
{
	struct head h;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	*origin = NETWORKS_UNSOUND;
	if (st.st_size == 0)
		*origin = NETWORKS_MADE;
	else if (pread(fd, &h, sizeof h, 0) == sizeof h && is_sound(&h, st.st_size))
		*origin = is_outgrown(&h, clients) ? NETWORKS_OUTGROWN : NETWORKS_KEPT;
	/* Also of one that is kept: it may have holes, for which the disk has no room later. */
	if (*origin == NETWORKS_KEPT) {
		errno = posix_fallocate(fd, 0, st.st_size);
		return errno == 0;
	}
	return begin(fd, clients);
}

/* Whoever has a table of its own needs no head. */
static bool open_alone(struct networks *n)
{
	void *p = mmap(NULL, (size_t)bytes_of(PAGES_LEAST), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	n->pages = PAGES_LEAST;
	secret_random(n->hash_key, sizeof n->hash_key);
	n->pairs = (uint64_t *)((uint8_t *)p + NETWORKS_HEAD_BYTES);
	return true;
}

bool networks_open(struct networks *n, int fd)
{
	struct head h = {.magic = 0};
	struct stat st;
	void *p;

	*n = (struct networks){.pairs = NULL};
	if (fd < 0)
		return open_alone(n);
	if (fstat(fd, &st) != 0)
		return false;
	if (pread(fd, &h, sizeof h, 0) != sizeof h || !is_sound(&h, st.st_size)) {
		errno = EBADMSG;
		return false;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return false;
	n->pages = h.pages;
	memcpy(n->hash_key, h.hash_key, sizeof n->hash_key);
	n->pairs = (uint64_t *)((uint8_t *)p + NETWORKS_HEAD_BYTES);
	return true;
}

void networks_close(struct networks *n)
{
	if (n->pairs != NULL)
		munmap((uint8_t *)n->pairs - NETWORKS_HEAD_BYTES, (size_t)bytes_of(n->pages));
	n->pairs = NULL;
}
