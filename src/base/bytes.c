#include "base/bytes.h"

#include <string.h>

struct reader reader_of(const void *data, size_t size)
{
	return (struct reader){.data = data, .left = size};
}

struct writer writer_of(void *data, size_t size)
{
	return (struct writer){.data = data, .size = size};
}

/* Steps over the next `size` bytes; NULL when there are not as many. */
static const uint8_t *reader_step(struct reader *r, size_t size)
{
	const uint8_t *here = r->data;

	if (r->failed || size > r->left) {
		r->failed = true;
		return NULL;
	}
	r->data = here + size;
	r->left -= size;
	return here;
}

void reader_take(struct reader *r, void *to, size_t size)
{
	const uint8_t *from = reader_step(r, size);

	if (size == 0)
		return;
	if (from == NULL)
		memset(to, 0, size);
	else
		memcpy(to, from, size);
}

void reader_skip(struct reader *r, size_t size)
{
	reader_step(r, size);
}

static uint64_t reader_integer(struct reader *r, size_t size)
{
	const uint8_t *from = reader_step(r, size);
	uint64_t value = 0;

	for (size_t i = 0; from != NULL && i < size; i++)
		value = value << 8 | from[i];
	return value;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_integer(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_integer(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)reader_integer(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return reader_integer(r, 8);
}

bool reader_done(const struct reader *r)
{
	return !r->failed && r->left == 0;
}

void writer_put(struct writer *w, const void *from, size_t size)
{
	if (w->failed || size > w->size - w->used) {
		w->failed = true;
		return;
	}
	if (size > 0)
		memcpy(w->data + w->used, from, size);
	w->used += size;
}

static void writer_integer(struct writer *w, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	writer_put(w, bytes, size);
}

void writer_u8(struct writer *w, uint8_t value)
{
	writer_integer(w, value, 1);
}

void writer_u16(struct writer *w, uint16_t value)
{
	writer_integer(w, value, 2);
}

void writer_u32(struct writer *w, uint32_t value)
{
	writer_integer(w, value, 4);
}

void writer_u64(struct writer *w, uint64_t value)
{
	writer_integer(w, value, 8);
}

bool writer_filled(const struct writer *w, size_t size)
{
	return !w->failed && w->used == size;
}
