/* Apache's common log, one line a request, to standard output. Lines are gathered and written when
 * whoever reads them has room; a reader that is stuck loses lines (their number is reported) and
 * never holds up the service. */
#ifndef ECHOIP_ACCESSLOG_H
#define ECHOIP_ACCESSLOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define ACCESS_TEXT_BYTES 256 /* of a method, path or version; the rest is cut off */
#define ACCESS_LINE_BYTES (3 * 4 * ACCESS_TEXT_BYTES + 256) /* all of them escaped */

struct access {
	struct addr client;
	const char *method; /* NULL: never got that far */
	const char *target; /* path and query as sent; NULL likewise */
	const char *version;
	unsigned int status; /* 0: none was sent */
	size_t bytes;
};

/* The line with its newline; everything from the wire escaped as Apache does (\xNN, \", \\).
 * Returns its length. */
size_t access_format(char line[static ACCESS_LINE_BYTES], const struct access *a, int64_t now_ns);

void accesslog_add(const struct access *a, int64_t now_ns);
/* Writes what can be written without waiting. */
void accesslog_flush(void);

#endif
