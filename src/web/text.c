#include "web/text.h"

#include "base/line.h"
#include "ctl/control.h"

void text_print(FILE *to, const char *text)
{
	char escaped[6 * CONTROL_TEXT_BYTES];
	struct line l = {.text = escaped, .size = sizeof escaped};

	escaped[0] = '\0';
	line_escape(&l, text, CONTROL_TEXT_BYTES, LINE_JSON);
	fprintf(to, "\"%s\"", escaped);
}
