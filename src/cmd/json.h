/* JSON on one line of a stream. `key` is NULL inside an array and at the top. */
#ifndef CMD_JSON_H
#define CMD_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	bool comma; /* something stands before in this object or array */
	unsigned int depth;
};

void json_open(struct json *j, const char *key, char bracket);
/* With a newline after the outermost one. */
void json_close(struct json *j, char bracket);
/* Characters outside printable ASCII, and bytes that are no UTF-8, become \uNNNN. NULL becomes
 * null. */
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* RFC 3339, UTC; INT64_MAX (never) becomes null. */
void json_time(struct json *j, const char *key, int64_t real_ns);

#endif
