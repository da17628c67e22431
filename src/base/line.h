/* A line of text, put together piece by piece in a buffer that it never leaves: what does not fit
 * is cut off. */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct line {
	char *text; /* the caller's; closed by a zero that does not count as used */
	size_t size;
	size_t used;
	bool cut; /* something was cut off */
};

/* How bytes are shown that are not printable ASCII: as \xNN (JSON: \u00NN), so that a line stays
 * one line. " and \ get a \ in front, but for LINE_UNQUOTED. */
enum line_style { LINE_UNQUOTED, LINE_QUOTED, LINE_JSON };

void line_add(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Up to `most` bytes of `text`. */
void line_escape(struct line *l, const char *text, size_t most, enum line_style style);

#endif
