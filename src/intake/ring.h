/* Knocks by a BPF ring buffer. Its layout is the kernel's ABI: a page with the reader's place,
 * which alone is written here, one with the writer's, then the data, mapped twice in a row so that
 * none is split. libbpf could read it, and is in no process but main. */
#ifndef INTAKE_RING_H
#define INTAKE_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "intake/record.h"

struct knock_ring {
	unsigned long *read;          /* how far we are; NULL: there is none */
	const unsigned long *written; /* how far the kernel is */
	const uint8_t *data;
	size_t bytes; /* of data, a power of 2 */
};

/* Whether this process and the kernel can mean the same by a place. */
bool ring_fits(void);
/* `fd` is the map of `bytes`; it can be waited for as long as there is something. The mapping lives
 * as long as the process. False with errno. */
bool ring_map(struct knock_ring *r, int fd, size_t bytes);
/* As intake_receive. Nothing that stands there is believed: what has no sense is passed over. */
size_t ring_receive(struct knock_ring *r, struct record *const records[], size_t most);

#endif
