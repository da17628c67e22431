#include "echoip/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "echoip/accesslog.h"
#include "echoip/answers.h"
#include "echoip/server.h"

#define BODY_MOST 16384 /* nobody needs one */

/* A connection and the one request that it carries at a time. */
struct guest {
	struct visitor visitor;
	struct addr client;
	char target[ACCESS_TEXT_BYTES + 1];
	char method[24];
	char version[16];
	size_t target_size;
	size_t body;
	size_t sent;
	unsigned int status;
	bool has_headers;
};

static bool peer_of(struct addr *out, const struct sockaddr *from)
{
	uint16_t port;

	return from != NULL && addr_from_sockaddr(out, &port, from);
}

/* All of a proxy's callers come from its address: the limit per address is the proxy's to keep. */
enum MHD_Result http_admit(void *context, const struct sockaddr *from, socklen_t size)
{
	const struct server *s = context;
	struct addr peer;

	(void)size;
	if (!peer_of(&peer, from) || !crowd_has_room(&s->crowd))
		return MHD_NO;
	if (!proxies_trust(s->trusted, &peer) && !crowd_has_room_for(&s->crowd, &peer))
		return MHD_NO;
	return MHD_YES;
}

/* With libmicrohttpd 1.0 all answers about a connection stand in one place: each is taken before
 * the next is asked for. */
static struct guest *guest_new(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct guest *g = calloc(1, sizeof *g);

	if (g == NULL || info == NULL || !peer_of(&g->visitor.peer, info->client_addr))
		goto fail;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info == NULL)
		goto fail;
	g->visitor.fd = info->connect_fd;
	return g;
fail:
	free(g);
	return NULL;
}

void http_connection(void *context, struct MHD_Connection *connection, void **guest,
    enum MHD_ConnectionNotificationCode what)
{
	struct server *s = context;
	struct guest *g;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		g = guest_new(connection);
		if (g != NULL)
			crowd_enter(&s->crowd, &g->visitor, clock_boot_ns());
		*guest = g;
		return;
	}
	g = *guest;
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
	if (g == NULL)
		return NULL;
	g->client = g->visitor.peer;
	snprintf(g->target, sizeof g->target, "%s", target);
	g->target_size = strlen(target);
	g->body = 0;
	g->sent = 0;
	g->status = 0;
	g->has_headers = false;
	return g;
}

static enum MHD_Result add_line(
    void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	if (strcasecmp(name, "X-Forwarded-For") == 0 && value != NULL)
		forwarded_add(context, value);
	return MHD_YES;
}

/* What a proxy before us could read in another way than we do. */
struct doubts {
	uintptr_t first, end; /* of the lines, where they lie */
	size_t lengths;       /* of the body, told in whatever way */
	bool odd;             /* a blank in a name */
	bool gap;             /* something between two lines that belongs to neither */
};

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name,
    size_t name_size, const char *value, size_t value_size)
{
	struct doubts *d = context;

	(void)kind;
	(void)name_size;
	if (d->first == 0)
		d->first = (uintptr_t)name;
	else if ((uintptr_t)name != d->end)
		d->gap = true;
	d->end = (uintptr_t)value + value_size + strlen("\r\n");
	d->odd = d->odd || strpbrk(name, " \t") != NULL;
	if (strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0)
		d->lengths++;
	return MHD_YES;
}

/* libmicrohttpd ends a value at a zero and is silent about what a proxy has added behind it. Only
 * the size of the whole and where the lines lie tell. */
static bool is_doubtful(const struct server *s, const struct guest *g,
    struct MHD_Connection *connection, const char *method, const char *version)
{
	size_t around = strlen(method) + g->target_size + strlen(version) + strlen("  \r\n\r\n");
	const union MHD_ConnectionInfo *info;
	struct doubts d = {.lengths = 0};

	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look_at, &d);
	if (d.odd || d.lengths > 1)
		return true;
	if (!proxies_trust(s->trusted, &g->visitor.peer))
		return false;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	return d.gap || info == NULL || info->header_size != around + (d.end - d.first);
}

static struct caller caller_of(
    const struct server *s, const struct guest *g, struct MHD_Connection *connection)
{
	struct caller caller = {.peer = g->visitor.peer, .client = g->visitor.peer};
	struct forwarded lines = {.count = 0};

	if (!proxies_trust(s->trusted, &caller.peer))
		return caller;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, add_line, &lines);
	caller.forwarded = forwarded_client(&caller.client, &lines, s->trusted, &caller.peer);
	return caller;
}

static enum MHD_Result send_answer(
    struct guest *g, struct MHD_Connection *connection, const struct answer *a)
{
	/* Copied by the library; the cast is for its prototype. */
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    a->length, (void *)(uintptr_t)a->body, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(response, "Content-Type", "application/json") == MHD_YES &&
	    MHD_add_response_header(response, "Cache-Control", "no-store") == MHD_YES &&
	    (a->status != MHD_HTTP_BAD_REQUEST ||
	        MHD_add_response_header(response, "Connection", "close") == MHD_YES) &&
	    (a->status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	        MHD_add_response_header(response, "Allow", "GET, HEAD, POST") == MHD_YES))
		result = MHD_queue_response(connection, a->status, response);
	MHD_destroy_response(response);
	if (result == MHD_YES) {
		g->status = a->status;
		g->sent = strcmp(g->method, "HEAD") == 0 ? 0 : a->length;
	}
	return result;
}

/* The first call for a request; the answer waits for the end of the body, unless that is announced
 * to be too large. */
static enum MHD_Result headers_in(const struct server *s, struct guest *g,
    struct MHD_Connection *connection, const char *method, const char *version)
{
	const char *length =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
	struct answer a;

	g->has_headers = true;
	snprintf(g->method, sizeof g->method, "%s", method);
	snprintf(g->version, sizeof g->version, "%s", version);
	if (is_doubtful(s, g, connection, method, version))
		answer_error(&a, MHD_HTTP_BAD_REQUEST, "Bad Request", clock_real_ns());
	else if (length == NULL || strtoull(length, NULL, 10) <= BODY_MOST)
		return MHD_YES;
	else
		answer_error(&a, MHD_HTTP_CONTENT_TOO_LARGE, "Content Too Large", clock_real_ns());
	return send_answer(g, connection, &a);
}

enum MHD_Result http_request(void *context, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *body, size_t *body_size, void **guest)
{
	struct server *s = context;
	struct guest *g = *guest;
	struct caller caller;
	struct answer a;

	(void)body;
	if (g == NULL)
		return MHD_NO;
	if (!g->has_headers)
		return headers_in(s, g, connection, method, version);
	if (*body_size > 0) {
		g->body += *body_size;
		*body_size = 0;
		return g->body <= BODY_MOST ? MHD_YES : MHD_NO;
	}
	if (g->status != 0)
		return MHD_YES;
	caller = caller_of(s, g, connection);
	g->client = caller.client;
	answer_request(&a, method, path, &caller, clock_real_ns());
	return send_answer(g, connection, &a);
}

void http_completed(void *context, struct MHD_Connection *connection, void **guest,
    enum MHD_RequestTerminationCode how)
{
	struct server *s = context;
	struct guest *g = *guest;
	struct access line;

	(void)connection;
	if (g == NULL)
		return;
	line = (struct access){.client = g->client,
	    .method = g->has_headers ? g->method : NULL,
	    .target = g->target,
	    .version = g->has_headers ? g->version : NULL,
	    .status = g->status,
	    .bytes = g->sent};
	accesslog_add(&line, clock_real_ns());
	if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		crowd_progress(&s->crowd, &g->visitor, clock_boot_ns());
	*guest = NULL;
}
