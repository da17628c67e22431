/* What libmicrohttpd calls as connections and requests come and go. The context of each is the
 * struct server. */
#ifndef WEB_HTTP_H
#define WEB_HTTP_H

#include <microhttpd.h>

/* May one more connect? */
enum MHD_Result http_admit(void *context, const struct sockaddr *from, socklen_t size);
/* A connection begins and ends. */
void http_connection(void *context, struct MHD_Connection *connection, void **guest,
    enum MHD_ConnectionNotificationCode what);
/* Paths are compared as they were sent, and a query is decoded by request_filter. */
size_t http_keep_escapes(void *context, struct MHD_Connection *connection, char *text);
/* The request line is in. Returns the request's own context. */
void *http_target(void *context, const char *target, struct MHD_Connection *connection);
/* Called with the headers, with each piece of the body, and at its end. */
enum MHD_Result http_request(void *context, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *body, size_t *body_size, void **guest);
/* Answered, refused or cut off. */
void http_completed(void *context, struct MHD_Connection *connection, void **guest,
    enum MHD_RequestTerminationCode how);

#endif
