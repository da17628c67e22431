/* What a request asks for, as far as its words tell: pure functions of text. */
#ifndef WEB_REQUEST_H
#define WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define FILTER_BYTES 65 /* with the closing zero */

enum request_kind {
	REQUEST_PAGE,    /* a file of the page */
	REQUEST_DATA,    /* /data.json */
	REQUEST_METRICS, /* /metrics */
	REQUEST_UNKNOWN, /* no such path: 404 */
	REQUEST_METHOD,  /* neither GET nor HEAD: 405 */
	REQUEST_HOST,    /* no name of this host: 421 */
};

struct page_file {
	const char *path;
	const char *type; /* Content-Type */
	const unsigned char *data;
	size_t size;
};

/* The files under page/, closed by one without a path; made by page-to-c.py. */
extern const struct page_file page_files[];

/* Whether a Host field names this host by a name that no other host can have: localhost, an address
 * of 127.0.0.0/8, or [::1]; with any port, for a port may be forwarded. So no name that somebody
 * has pointed here leads to the page. NULL: there was no such field. */
bool request_host_is_ours(const char *host);
/* *file is set for REQUEST_PAGE. `path` as it was sent, without the query. */
enum request_kind request_kind_of(
    const char *method, const char *host, const char *path, const struct page_file **file);
/* A filter as it stands in a query, with %XX and +, decoded and in lower case (ASCII). What is
 * longer is cut; NULL and what cannot be decoded become "". */
void request_filter(char out[static FILTER_BYTES], const char *text);
/* Whether `text` has `filter` in it, whatever the case of ASCII letters. "" is in every text. */
bool request_matches(const char *filter, const char *text);

#endif
