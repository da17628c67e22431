#include "cmd/json.h"

#include <inttypes.h>

#include "base/clock.h"
#include "conf/values.h"

static void put_text(struct json *j, const char *text)
{
	fputc('"', j->to);
	while (*text != '\0') {
		uint32_t c = value_character(&text);

		if (c == 0)
			c = (unsigned char)*text++;
		if (c == '"' || c == '\\')
			fprintf(j->to, "\\%c", (int)c);
		else if (c >= 0x20 && c < 0x7f)
			fputc((int)c, j->to);
		else if (c <= UINT16_MAX)
			fprintf(j->to, "\\u%04x", c);
		else
			fprintf(j->to, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
	}
	fputc('"', j->to);
}

static void start_value(struct json *j, const char *key)
{
	if (j->comma)
		fputc(',', j->to);
	j->comma = true;
	if (key != NULL) {
		put_text(j, key);
		fputc(':', j->to);
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	start_value(j, key);
	fputc(bracket, j->to);
	j->comma = false;
	j->depth++;
}

void json_close(struct json *j, char bracket)
{
	fputc(bracket, j->to);
	j->comma = --j->depth > 0;
	if (j->depth == 0)
		fputc('\n', j->to);
}

void json_string(struct json *j, const char *key, const char *value)
{
	start_value(j, key);
	if (value != NULL)
		put_text(j, value);
	else
		fputs("null", j->to);
}

void json_number(struct json *j, const char *key, int64_t value)
{
	start_value(j, key);
	fprintf(j->to, "%" PRId64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	start_value(j, key);
	fputs(value ? "true" : "false", j->to);
}

void json_time(struct json *j, const char *key, int64_t real_ns)
{
	char text[CLOCK_TEXT_BYTES];

	json_string(j, key, real_ns == INT64_MAX ? NULL : clock_text(real_ns, text));
}
