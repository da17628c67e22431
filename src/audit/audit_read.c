/* Reading a line. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/audit_line.h"
#include "base/clock.h"

#define DIGITS_MOST 18 /* of a number: it fits 64 bits */

struct scan {
	const char *at, *end;
	char *out; /* where the next value goes; there is room for as much as was read */
};

static bool take(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind a backslash: as line_escape writes it, and no zero. */
static bool take_escaped(struct scan *s)
{
	int high, low;

	if (take(s, '"') || take(s, '\\')) {
		*s->out++ = s->at[-1];
		return true;
	}
	if (s->end - s->at < 5 || memcmp(s->at, "u00", 3) != 0)
		return false;
	high = hex(s->at[3]);
	low = hex(s->at[4]);
	if (high < 0 || low < 0 || high + low == 0)
		return false;
	*s->out++ = (char)(high * 16 + low);
	s->at += 5;
	return true;
}

/* A string; its text goes to `out`, closed by a zero. */
static const char *take_string(struct scan *s)
{
	const char *from = s->out;

	if (!take(s, '"'))
		return NULL;
	while (s->at < s->end && *s->at != '"') {
		if (take(s, '\\')) {
			if (!take_escaped(s))
				return NULL;
		} else if (*s->at < 0x20 || *s->at > 0x7e) { /* ASCII alone: it is escaped */
			return NULL;
		} else {
			*s->out++ = *s->at++;
		}
	}
	*s->out++ = '\0';
	return take(s, '"') ? from : NULL;
}

static const char *take_number(struct scan *s)
{
	const char *from = s->out;
	size_t digits = 0;

	if (take(s, '-'))
		*s->out++ = '-';
	for (; s->at < s->end && isdigit((unsigned char)*s->at); digits++)
		*s->out++ = *s->at++;
	*s->out++ = '\0';
	return digits > 0 && digits <= DIGITS_MOST ? from : NULL;
}

static bool take_key(struct scan *s, char key[static AUDIT_KEY_BYTES])
{
	size_t size = 0;

	if (!take(s, '"'))
		return false;
	for (; s->at < s->end && size < AUDIT_KEY_BYTES - 1 &&
	       ((*s->at >= 'a' && *s->at <= 'z') || *s->at == '_');
	     s->at++)
		key[size++] = *s->at;
	key[size] = '\0';
	return size > 0 && take(s, '"') && take(s, ':');
}

static bool take_field(struct scan *s, struct audit_record *r)
{
	struct audit_field *f = &r->fields[r->count];

	if (r->count == AUDIT_FIELDS_MOST || !take_key(s, f->key) ||
	    audit_record_get(r, f->key) != NULL)
		return false;
	f->number = s->at < s->end && *s->at != '"';
	f->value = f->number ? take_number(s) : take_string(s);
	r->count += f->value != NULL;
	return f->value != NULL;
}

bool audit_line_read(struct audit_record *out, const char *line, size_t size)
{
	struct scan s = {line, line + size, out->text};
	const char *time;

	out->count = 0;
	if (size > 0 && line[size - 1] == '\n')
		s.end--;
	if (s.end - s.at >= AUDIT_LINE_BYTES || !take(&s, '{'))
		return false;
	do {
		if (!take_field(&s, out))
			return false;
	} while (take(&s, ','));
	if (!take(&s, '}') || s.at != s.end)
		return false;
	out->event = audit_record_get(out, "event");
	time = audit_record_get(out, "time");
	return out->event != NULL && time != NULL && audit_time_read(&out->time_ns, time);
}

const char *audit_record_get(const struct audit_record *r, const char *key)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->fields[i].key, key) == 0)
			return r->fields[i].value;
	return NULL;
}

bool audit_record_number(const struct audit_record *r, const char *key, int64_t *out)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->fields[i].key, key) == 0 && r->fields[i].number) {
			*out = strtoll(r->fields[i].value, NULL, 10);
			return true;
		}
	return false;
}

/* "2026-11-21T10:00:00Z" */
bool audit_time_read(int64_t *out, const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	static const int starts[] = {0, 5, 8, 11, 14, 17};
	int parts[6] = {0};
	struct tm tm;

	if (strlen(text) != sizeof form - 1)
		return false;
	for (size_t i = 0; i < sizeof form - 1; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : form[i] != text[i])
			return false;
	for (int i = 0; i < 6; i++)
		for (int d = 0; d < (i == 0 ? 4 : 2); d++)
			parts[i] = parts[i] * 10 + (text[starts[i] + d] - '0');
	if (parts[0] < 1970 || parts[0] > 2261 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 ||
	    parts[2] > 31 || parts[3] > 23 || parts[4] > 59 || parts[5] > 60)
		return false;
	tm = (struct tm){.tm_year = parts[0] - 1900,
	    .tm_mon = parts[1] - 1,
	    .tm_mday = parts[2],
	    .tm_hour = parts[3],
	    .tm_min = parts[4],
	    .tm_sec = parts[5]};
	*out = (int64_t)timegm(&tm) * NS_PER_SECOND;
	return true;
}
