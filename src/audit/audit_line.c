/* Making a line. */
#include "audit/audit_line.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"

#define REST       4                            /* the brace, the newline and a zero */
#define COUNT_MOST UINT64_C(999999999999999999) /* more digits are not read again */

static void add_text(struct audit_line *l, const char *text)
{
	line_add(&l->line, "\"");
	line_escape(&l->line, text, SIZE_MAX, LINE_JSON);
	line_add(&l->line, "\"");
}

void audit_line_begin(struct audit_line *l, const char *event, int64_t real_ns)
{
	char when[CLOCK_TEXT_BYTES];

	*l = (struct audit_line){.line = {.size = sizeof l->text - REST}};
	l->line.text = l->text;
	line_add(&l->line, "{\"time\":\"%s\",\"event\":", clock_text(real_ns, when));
	add_text(l, event);
}

void audit_line_text(struct audit_line *l, const char *key, const char *value)
{
	if (value == NULL)
		return;
	line_add(&l->line, ",\"%s\":", key);
	add_text(l, value);
}

void audit_line_number(struct audit_line *l, const char *key, int64_t value)
{
	line_add(&l->line, ",\"%s\":%" PRId64, key, value);
}

void audit_line_time(struct audit_line *l, const char *key, int64_t real_ns)
{
	char when[CLOCK_TEXT_BYTES];

	if (real_ns != 0)
		audit_line_text(l, key, clock_text(real_ns, when));
}

void audit_line_left_out(struct audit_line *l, uint64_t count)
{
	audit_line_begin(l, "left-out", clock_real_ns());
	audit_line_number(l, "count", (int64_t)(count > COUNT_MOST ? COUNT_MOST : count));
}

size_t audit_line_end(struct audit_line *l)
{
	l->line.size += REST;
	line_add(&l->line, "}\n");
	return l->line.cut ? 0 : l->line.used;
}
