#include "intake/ring.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "intake/frame.h"
#include "intake/ring_knock.h"

#define ALIGNMENT 8U

bool ring_fits(void)
{
	return sizeof(unsigned long) == sizeof(uint64_t);
}

bool ring_map(struct knock_ring *r, int fd, size_t bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *read = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint8_t *written;

	if (read == MAP_FAILED)
		return false;
	written = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (written == MAP_FAILED) {
		munmap(read, page);
		return false;
	}
	*r = (struct knock_ring){
	    read, (const unsigned long *)(const void *)written, written + page, bytes};
	return true;
}

/* `at` is a whole one, which nobody writes any more. Its size stays 0 when it was damaged. */
static void take(struct record *r, const uint8_t *at)
{
	struct ring_knock k;
	struct datagram d = {.size = RING_DATAGRAM_BYTES - UDP_HEADER_BYTES};

	memcpy(&k, at, sizeof k);
	d.source = addr_from_bytes(k.from, sizeof k.from);
	d.destination = addr_from_bytes(k.to, sizeof k.to);
	d.bytes = k.datagram + UDP_HEADER_BYTES;
	r->source = d.source;
	r->local = d.destination;
	r->source_port = (uint16_t)(k.datagram[0] << 8 | k.datagram[1]);
	r->size = frame_udp_is_intact(&d) ? (uint16_t)d.size : 0;
	memcpy(r->bytes, d.bytes, d.size);
}

/* Before the kernel is asked whether there is more: it wakes us only for what it writes at the
 * place that it sees us at. */
static void leave_at(struct knock_ring *r, unsigned long place)
{
	__atomic_store_n(r->read, place, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

size_t ring_receive(struct knock_ring *r, struct record *const records[], size_t most)
{
	const unsigned long end = __atomic_load_n(r->written, __ATOMIC_ACQUIRE);
	unsigned long place = __atomic_load_n(r->read, __ATOMIC_RELAXED);
	size_t got = 0;

	while (got < most && place != end) {
		const uint8_t *at = r->data + (place & (r->bytes - 1));
		uint32_t head, size;

		if (end - place > r->bytes || end - place < BPF_RINGBUF_HDR_SZ ||
		    place % ALIGNMENT != 0) {
			place = end;
			break;
		}
		head = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE);
		if ((head & BPF_RINGBUF_BUSY_BIT) != 0)
			break; /* it is being written */
		size = head & ~(uint32_t)(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		if (size > end - place - BPF_RINGBUF_HDR_SZ) {
			place = end;
			break;
		}
		if (head == sizeof(struct ring_knock))
			take(records[got++], at + BPF_RINGBUF_HDR_SZ);
		place +=
		    (BPF_RINGBUF_HDR_SZ + size + ALIGNMENT - 1) & ~(unsigned long)(ALIGNMENT - 1);
	}
	leave_at(r, place);
	return got;
}
