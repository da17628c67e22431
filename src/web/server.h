/* The service at work: one thread, one loop, an HTTP daemon of libmicrohttpd for each listener. */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include <limits.h>
#include <stdbool.h>

#include "base/loop.h"
#include "http/crowd.h"
#include "web/asker.h"
#include "web/history.h"
#include "web/listen.h"

#define SERVER_CONNECTIONS 64 /* at once, over all listeners */

struct MHD_Daemon;

struct service {
	struct server *server;
	struct MHD_Daemon *daemon;
	struct loop_source source;
};

struct server {
	struct loop loop;
	struct crowd crowd;
	struct asker asker;
	struct history history;
	struct service services[PLACES_MAX];
	size_t count;
	struct loop_source timer; /* while somebody is connected */
	struct loop_source clock; /* a sample of the history is due */
	struct loop_source signals;
	char host[HOST_NAME_MAX + 1]; /* of this machine */
	bool ticking;
	bool started;
};

/* Opens the loop and hands each listener to a daemon of its own; `l` is empty afterwards. `control`
 * is a path that outlives the server. False after having logged why; server_close is due in any
 * case. */
bool server_open(struct server *s, struct listeners *l, const char *control);
/* Serves until SIGTERM or SIGINT, both blocked by the caller before server_open. */
bool server_run(struct server *s);
void server_close(struct server *s);

#endif
