/* The service at work: one thread, one loop, an HTTP daemon of libmicrohttpd for each listener. */
#ifndef ECHOIP_SERVER_H
#define ECHOIP_SERVER_H

#include <stdbool.h>

#include "base/loop.h"
#include "echoip/listen.h"
#include "echoip/options.h"
#include "echoip/pem.h"
#include "http/crowd.h"

struct MHD_Daemon;

struct service {
	struct server *server;
	struct MHD_Daemon *daemon;
	struct loop_source source;
};

struct server {
	struct loop loop;
	struct crowd crowd;
	const struct proxies *trusted;
	struct service services[LISTENERS_MAX];
	size_t count;
	struct loop_source timer, signals;
	bool ticking;
	bool started;
};

/* Opens the loop and hands each listener to a daemon of its own; `l` is empty afterwards. `pem` is
 * not needed any more then. False after having logged why; server_close is due in any case. */
bool server_open(
    struct server *s, const struct options *o, struct listeners *l, const struct pem *pem);
/* Serves until SIGTERM or SIGINT, both blocked by the caller before server_open. */
bool server_run(struct server *s);
void server_close(struct server *s);

#endif
