/* Values of which some bits may not be known, and what comparing them can tell. */
#ifndef EXPLAIN_VALUE_H
#define EXPLAIN_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_MAY };

#define VALUE_BYTES 64 /* the longest key of a set */

/* `known` has a bit for each bit of `bytes` that is known; the others are zero. */
struct value {
	uint8_t bytes[VALUE_BYTES];
	uint8_t known[VALUE_BYTES];
	size_t size;
};

/* What does not fit is left out, so that the value differs in size. */
struct value value_of(const void *bytes, size_t size);
struct value value_unknown(size_t size);
bool value_is_known(const struct value *v);
/* In the host's order; false when it is not of four bytes, or not wholly known. */
bool value_u32(const struct value *v, uint32_t *out);

enum answer answer_not(enum answer a);
enum answer answer_both(enum answer a, enum answer b);

/* Whether the first `size` bytes are these. */
enum answer value_equals(const struct value *v, const void *bytes, size_t size);
/* Whether they are between these, both included, as big-endian numbers. */
enum answer value_between(
    const struct value *v, size_t at, const uint8_t *first, const uint8_t *last, size_t size);

/* The registers of nf_tables, by their numbers in messages. */
struct registers {
	uint8_t bytes[80];
	uint8_t known[80];
};
/* False for a register that is none, or that has not so much room. */
bool registers_get(const struct registers *r, uint32_t number, size_t size, struct value *out);
bool registers_put(struct registers *r, uint32_t number, const struct value *v);

#endif
