#include "explain/value.h"

#include <string.h>

#include <linux/netfilter/nf_tables.h>

#define WORD 4 /* bytes of the smaller registers */

struct value value_of(const void *bytes, size_t size)
{
	struct value v = {.size = size < VALUE_BYTES ? size : VALUE_BYTES};

	memcpy(v.bytes, bytes, v.size);
	memset(v.known, 0xff, v.size);
	return v;
}

struct value value_unknown(size_t size)
{
	return (struct value){.size = size < VALUE_BYTES ? size : VALUE_BYTES};
}

bool value_is_known(const struct value *v)
{
	for (size_t i = 0; i < v->size; i++) {
		if (v->known[i] != 0xff)
			return false;
	}
	return true;
}

bool value_u32(const struct value *v, uint32_t *out)
{
	if (v->size != sizeof *out || !value_is_known(v))
		return false;
	memcpy(out, v->bytes, sizeof *out);
	return true;
}

enum answer answer_not(enum answer a)
{
	return a == ANSWER_MAY ? a : a == ANSWER_NO ? ANSWER_YES : ANSWER_NO;
}

enum answer answer_both(enum answer a, enum answer b)
{
	if (a == ANSWER_NO || b == ANSWER_NO)
		return ANSWER_NO;
	return a == ANSWER_MAY || b == ANSWER_MAY ? ANSWER_MAY : ANSWER_YES;
}

enum answer value_equals(const struct value *v, const void *bytes, size_t size)
{
	const uint8_t *other = bytes;
	enum answer answer = ANSWER_YES;

	if (size > v->size)
		return ANSWER_MAY;
	for (size_t i = 0; i < size; i++) {
		if (((v->bytes[i] ^ other[i]) & v->known[i]) != 0)
			return ANSWER_NO;
		if (v->known[i] != 0xff)
			answer = ANSWER_MAY;
	}
	return answer;
}

enum answer value_between(
    const struct value *v, size_t at, const uint8_t *first, const uint8_t *last, size_t size)
{
	uint8_t least[VALUE_BYTES], most[VALUE_BYTES];

	if (at > v->size || size > v->size - at)
		return ANSWER_MAY;
	/* Between what it is at least and at most, it may be anything. */
	for (size_t i = 0; i < size; i++) {
		least[i] = v->bytes[at + i] & v->known[at + i];
		most[i] = (uint8_t)(least[i] | ~v->known[at + i]);
	}
	if (memcmp(most, first, size) < 0 || memcmp(least, last, size) > 0)
		return ANSWER_NO;
	if (memcmp(least, first, size) >= 0 && memcmp(most, last, size) <= 0)
		return ANSWER_YES;
	return ANSWER_MAY;
}

/* Where it begins; those of 16 bytes are numbered first and lie over those of 4. */
static bool place_of(uint32_t number, size_t size, size_t *at)
{
	if (number >= NFT_REG32_00 && number <= NFT_REG32_15)
		*at = (number - NFT_REG32_00) * WORD + sizeof(uint32_t[4]);
	else if (number >= NFT_REG_1 && number <= NFT_REG_4)
		*at = number * sizeof(uint32_t[4]);
	else
		return false;
	return size <= VALUE_BYTES && *at + size <= sizeof(struct registers) / 2;
}

bool registers_get(const struct registers *r, uint32_t number, size_t size, struct value *out)
{
	size_t at;

	*out = value_unknown(size);
	if (!place_of(number, size, &at))
		return false;
	memcpy(out->bytes, r->bytes + at, size);
	memcpy(out->known, r->known + at, size);
	return true;
}

bool registers_put(struct registers *r, uint32_t number, const struct value *v)
{
	size_t at, filled = (v->size + WORD - 1) / WORD * WORD;

	if (!place_of(number, filled, &at))
		return false;
	/* A load fills up with zeros. */
	memset(r->bytes + at, 0, filled);
	memset(r->known + at, 0xff, filled);
	memcpy(r->bytes + at, v->bytes, v->size);
	memcpy(r->known + at, v->known, v->size);
	return true;
}
