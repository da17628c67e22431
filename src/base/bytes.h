/* The only two types through which bytes are taken apart or put together: neither can leave its
 * buffer, and a failed step makes every later step fail, so callers test once at the end. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *data;
	size_t left;
	bool failed;
};

struct writer {
	uint8_t *data;
	size_t size;
	size_t used;
	bool failed;
};

/* The buffers stay the caller's and must outlive the reader or writer. */
struct reader reader_of(const void *data, size_t size);
struct writer writer_of(void *data, size_t size);

/* Copies the next `size` bytes to `to`; short input fails the reader and zeroes `to`. */
void reader_take(struct reader *r, void *to, size_t size);
void reader_skip(struct reader *r, size_t size);
uint8_t reader_u8(struct reader *r);
/* Integers are big-endian on every wire we speak. A failed reader returns 0. */
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* True when nothing failed and nothing is left over. */
bool reader_done(const struct reader *r);

void writer_put(struct writer *w, const void *from, size_t size);
void writer_u8(struct writer *w, uint8_t value);
void writer_u16(struct writer *w, uint16_t value);
void writer_u32(struct writer *w, uint32_t value);
void writer_u64(struct writer *w, uint64_t value);
/* True when nothing failed and exactly `size` bytes were written. */
bool writer_filled(const struct writer *w, size_t size);

#endif
