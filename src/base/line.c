#include "base/line.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#define ESCAPED_MOST 6 /* \u00NN */

void line_add(struct line *l, const char *format, ...)
{
	size_t room = l->size - l->used;
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(l->text + l->used, room, format, args);
	va_end(args);
	if (size >= 0 && (size_t)size < room) {
		l->used += (size_t)size;
	} else {
		l->used += room > 0 ? room - 1 : 0;
		l->cut = true;
	}
}

void line_escape(struct line *l, const char *text, size_t most, enum line_style style)
{
	for (size_t i = 0; i < most && text[i] != '\0'; i++) {
		uint8_t c = (uint8_t)text[i];

		if (l->size - l->used <= ESCAPED_MOST) {
			l->cut = true; /* no byte is shown in part */
			return;
		}
		if (c < 0x20 || c >= 0x7f)
			line_add(l, style == LINE_JSON ? "\\u%04x" : "\\x%02x", c);
		else if (style != LINE_UNQUOTED && (c == '"' || c == '\\'))
			line_add(l, "\\%c", c);
		else
			l->text[l->used++] = (char)c;
		l->text[l->used] = '\0';
	}
}
