#include "web/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "web/data.h"
#include "web/request.h"
#include "web/server.h"

/* Nothing but our own files and data is loaded, by nobody but the page itself, and text never
 * becomes markup or code. */
#define POLICY                                                                              \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "         \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " \
	"require-trusted-types-for 'script'; trusted-types 'none'"

/* A connection and the one request that it carries at a time. */
struct guest {
	struct visitor visitor;
	bool has_headers;
};

enum MHD_Result http_admit(void *context, const struct sockaddr *from, socklen_t size)
{
	const struct server *s = context;

	(void)from;
	(void)size;
	return crowd_has_room(&s->crowd) ? MHD_YES : MHD_NO;
}

void http_connection(void *context, struct MHD_Connection *connection, void **guest,
    enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct server *s = context;
	struct guest *g = *guest;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		g = info != NULL ? calloc(1, sizeof *g) : NULL;
		*guest = g;
		if (g == NULL)
			return;
		g->visitor.fd = info->connect_fd;
		crowd_enter(&s->crowd, &g->visitor, clock_boot_ns());
		return;
	}
	if (g != NULL)
		crowd_leave(&s->crowd, &g->visitor);
	free(g);
	*guest = NULL;
}

size_t http_keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

void *http_target(void *context, const char *target, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct guest *g = info != NULL ? info->socket_context : NULL;

	(void)context;
	(void)target;
	if (g != NULL)
		g->has_headers = false;
	return g;
}

static bool add_headers(struct MHD_Response *response, const char *type, unsigned int status)
{
	const struct {
		const char *name, *value;
	} fields[] = {
	    {"Content-Type", type},
	    {"Content-Security-Policy", POLICY},
	    {"X-Content-Type-Options", "nosniff"},
	    {"X-Frame-Options", "DENY"},
	    {"Referrer-Policy", "no-referrer"},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Cross-Origin-Opener-Policy", "same-origin"},
	    {"Cache-Control", "no-store"},
	    {status == MHD_HTTP_METHOD_NOT_ALLOWED ? "Allow" : NULL, "GET, HEAD"},
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].name != NULL &&
		    MHD_add_response_header(response, fields[i].name, fields[i].value) != MHD_YES)
			return false;
	return true;
}

/* `mode` says whose the bytes are. */
static enum MHD_Result send_bytes(struct MHD_Connection *connection, unsigned int status,
    const char *type, const void *data, size_t size, enum MHD_ResponseMemoryMode mode)
{
	/* The cast is for the library's prototype. */
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(size, (void *)(uintptr_t)data, mode);
	enum MHD_Result result = MHD_NO;

	if (response == NULL) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free((void *)(uintptr_t)data);
		return MHD_NO;
	}
	if (add_headers(response, type, status))
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_words(
    struct MHD_Connection *connection, unsigned int status, const char *words)
{
	return send_bytes(connection, status, "text/plain; charset=utf-8", words, strlen(words),
	    MHD_RESPMEM_PERSISTENT);
}

/* What is written anew for each that asks; the daemon is not asked that often. */
static enum MHD_Result send_written(
    struct server *s, struct MHD_Connection *connection, enum request_kind kind)
{
	char *text = NULL, filter[FILTER_BYTES];
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	bool failed;

	if (to == NULL)
		return MHD_NO;
	request_filter(
	    filter, MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "filter"));
	if (kind == REQUEST_METRICS)
		stats_print_prometheus(to, asker_stats(&s->asker));
	else
		data_print(to, s->host, &s->asker, &s->history, filter);
	failed = ferror(to) != 0;
	if (fclose(to) != 0 || failed) {
		free(text);
		return MHD_NO;
	}
	return send_bytes(connection, MHD_HTTP_OK,
	    kind == REQUEST_METRICS ? "text/plain; version=0.0.4; charset=utf-8"
	                            : "application/json",
	    text, size, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result answer(
    struct server *s, struct MHD_Connection *connection, const char *path, const char *method)
{
	const struct page_file *file = NULL;
	enum request_kind kind = request_kind_of(
	    method, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"), path, &file);

	switch (kind) {
	case REQUEST_PAGE:
		return send_bytes(connection, MHD_HTTP_OK, file->type, file->data, file->size,
		    MHD_RESPMEM_PERSISTENT);
	case REQUEST_DATA:
	case REQUEST_METRICS:
		return send_written(s, connection, kind);
	case REQUEST_UNKNOWN:
		return send_words(connection, MHD_HTTP_NOT_FOUND,
		    "There is nothing here. The page is at /, the counters are at /metrics.\n");
	case REQUEST_METHOD:
		return send_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "This page is only to be looked at: GET and HEAD.\n");
	case REQUEST_HOST:
		break;
	}
	return send_words(connection, MHD_HTTP_MISDIRECTED_REQUEST,
	    "This page is for this host alone: ask for it as localhost, 127.0.0.1 or [::1].\n");
}

enum MHD_Result http_request(void *context, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *body, size_t *body_size, void **guest)
{
	struct guest *g = *guest;

	(void)version;
	(void)body;
	/* Nobody has anything to send. */
	if (g == NULL || *body_size > 0)
		return MHD_NO;
	if (!g->has_headers) {
		g->has_headers = true;
		return MHD_YES;
	}
	return answer(context, connection, path, method);
}

void http_completed(void *context, struct MHD_Connection *connection, void **guest,
    enum MHD_RequestTerminationCode how)
{
	struct server *s = context;
	struct guest *g = *guest;

	(void)connection;
	if (g != NULL && how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		crowd_progress(&s->crowd, &g->visitor, clock_boot_ns());
	*guest = NULL;
}
