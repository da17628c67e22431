#include "intake/held.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
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

bool held_is_fresh(const struct held *h)
{
	return h->judged == 0 && h->slots[0].arrived == 0;
}

/* One place: what stands at its head, and its bytes. */
struct place {
	struct held_head *head;
	uint8_t *bytes;
	uint16_t size;
};

static struct place place_of(struct held *h, enum record_protocol protocol, size_t number)
{
	if (protocol == RECORD_OPENME)
		return (struct place){
		    &h->knocks[number].head, h->knocks[number].bytes, HELD_KNOCK_BYTES};
	return (struct place){
	    &h->requests[number].head, h->requests[number].bytes, HELD_REQUEST_BYTES};
}

size_t held_places(enum record_protocol protocol)
{
	return protocol == RECORD_OPENME ? HELD_KNOCKS : HELD_REQUESTS;
}

void held_put(struct held *h, size_t number, const struct record *r, uint64_t arrived)
{
	struct place p = place_of(h, (enum record_protocol)r->protocol, number);

	memcpy(p.bytes, r->bytes, p.size);
	*p.head =
	    (struct held_head){arrived, r->source, r->local, r->source_port, p.size, r->arrived_ns};
}

uint64_t held_arrived(struct held *h, enum record_protocol protocol, size_t number)
{
	return place_of(h, protocol, number).head->arrived;
}

/* Of those from `from` on that are not empty; held_places() when there is none. */
static size_t first_arrived(struct held *h, enum record_protocol protocol, size_t from)
{
	size_t first = held_places(protocol);
	uint64_t arrived = UINT64_MAX;

	for (size_t i = from; i < held_places(protocol); i++) {
		const struct held_head *head = place_of(h, protocol, i).head;

		if (head->size != 0 && head->arrived < arrived) {
			first = i;
			arrived = head->arrived;
		}
	}
	return first;
}

static void swap(struct place a, struct place b)
{
	const struct held_head head = *a.head;
	uint8_t bytes[HELD_REQUEST_BYTES];

	memcpy(bytes, a.bytes, a.size);
	*a.head = *b.head;
	memcpy(a.bytes, b.bytes, a.size);
	*b.head = head;
	memcpy(b.bytes, bytes, a.size);
}

void held_sort(struct held *h, enum record_protocol protocol)
{
	for (size_t i = 0; i < held_places(protocol); i++) {
		size_t first = first_arrived(h, protocol, i);

		if (first == held_places(protocol))
			return;
		if (first != i)
			swap(place_of(h, protocol, i), place_of(h, protocol, first));
	}
}

bool held_take(struct held *h, enum record_protocol protocol, size_t number, struct record *r)
{
	struct place p = place_of(h, protocol, number);
	struct held_head head = *p.head;

	p.head->size = 0;
	memcpy(r->bytes, p.bytes, p.size);
	r->source = head.source;
	r->local = head.local;
	r->source_port = head.source_port;
	r->arrived_ns = head.arrived_ns;
	r->protocol = (uint8_t)protocol;
	r->size = p.size;
	return head.size == p.size;
}
