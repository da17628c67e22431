/* A line of text, put together piece by piece in a buffer that it never leaves: what does not fit
 * is cut off. */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include <stddef.h>

struct line {
	char *text; /* the caller's; closed by a zero that does not count as used */
	size_t size;
	size_t used;
};

enum line_style { LINE_PLAIN, LINE_JSON };

void line_add(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Up to `most` bytes of `text`: printable ASCII as it is, with \ before " and \; the rest as \xNN
 * (JSON: \u00NN), so a line stays one line. */
void line_escape(struct line *l, const char *text, size_t most, enum line_style style);

#endif
