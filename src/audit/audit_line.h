/* One line of the audit log: a JSON object of strings and whole numbers, made and read here alone,
 * so that both sides agree. Lines come out of a file that may be damaged: nothing in one is
 * believed before all of it has been read. */
#ifndef AUDIT_AUDIT_LINE_H
#define AUDIT_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/line.h"

#define AUDIT_LINE_BYTES  2048 /* with its newline */
#define AUDIT_FIELDS_MOST 24
#define AUDIT_KEY_BYTES   32

/* --- Made */

struct audit_line {
	struct line line;
	char text[AUDIT_LINE_BYTES];
};

/* Starts a line: what happened, in a word of ours, and when (CLOCK_REALTIME). */
void audit_line_begin(struct audit_line *l, const char *event, int64_t real_ns);
/* Keys are ours: [a-z_]. A value may be anything, and NULL leaves the field out. */
void audit_line_text(struct audit_line *l, const char *key, const char *value);
void audit_line_number(struct audit_line *l, const char *key, int64_t value);
/* A time as RFC 3339, UTC; 0 leaves the field out. */
void audit_line_time(struct audit_line *l, const char *key, int64_t real_ns);
/* A whole line but for its end: so many entries are not there. */
void audit_line_left_out(struct audit_line *l, uint64_t count);
/* Closes it with a newline; its size, or 0 when not all of it has found room. */
size_t audit_line_end(struct audit_line *l);

/* --- Read */

struct audit_field {
	char key[AUDIT_KEY_BYTES];
	const char *value; /* of a number: its digits */
	bool number;
};

struct audit_record {
	int64_t time_ns; /* of "time" */
	const char *event;
	struct audit_field fields[AUDIT_FIELDS_MOST]; /* "time" and "event" among them */
	size_t count;
	char text[AUDIT_LINE_BYTES]; /* the values */
};

/* Reads a line, without or with its newline. False, and nothing in `out` is to be used, for all but
 * one whole object of this form with a time and an event. Values may hold any byte but zero: escape
 * them before showing them to anyone. */
bool audit_line_read(struct audit_record *out, const char *line, size_t size);
/* The value of that key, or NULL. */
const char *audit_record_get(const struct audit_record *r, const char *key);
/* The same of a number; false when it is none. */
bool audit_record_number(const struct audit_record *r, const char *key, int64_t *out);

/* The exact form that audit_line_time writes. */
bool audit_time_read(int64_t *out, const char *text);

#endif
