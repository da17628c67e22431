#include "echoip/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "echoip/accesslog.h"
#include "echoip/http.h"

/* Time for a connection to get a whole request in and its answer out, counted from its start or
 * its last answer. So it is the idle time as well, and trickling bytes buys nothing. */
#define PATIENCE_NS  (10 * NS_PER_SECOND)
#define TICK_NS      NS_PER_SECOND
#define ROUNDS_MOST  64
#define MEMORY_BYTES 8192 /* a connection's: request line and headers in, headers out */

static void timer_start(struct server *s, int64_t first_ns)
{
	s->ticking = timer_set(s->timer.fd, first_ns, TICK_NS);
}

/* One daemon's turn. It says "timeout 0" while it holds something it has read but not dealt with,
 * of which epoll knows nothing. */
static void service_turn(struct service *service)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 1;

	for (int i = 0; i < ROUNDS_MOST; i++) {
		MHD_run(service->daemon);
		if (MHD_get_timeout(service->daemon, &wait_ms) != MHD_YES || wait_ms != 0)
			break;
	}
	if (wait_ms == 0)
		timer_start(service->server, NS_PER_MS);
}

static void service_ready(void *context)
{
	struct service *service = context;

	service_turn(service);
	if (!service->server->ticking && !crowd_is_empty(&service->server->crowd))
		timer_start(service->server, TICK_NS);
	accesslog_flush();
}

/* A far end that closes in the midst of a request can escape the library: it asks epoll for edges,
 * and the data's and the close's may be one. Without this such a connection would keep its place
 * until its time is up. */
static void end_if_gone(const struct visitor *v)
{
	uint8_t next;
	ssize_t got = recv(v->fd, &next, sizeof next, MSG_PEEK | MSG_DONTWAIT);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		shutdown(v->fd, SHUT_RDWR);
}

/* Ends the connections whose time is up; the daemon sees their sockets close. */
static void timer_ready(void *context)
{
	struct server *s = context;
	struct visitor *late;

	timer_read(s->timer.fd);
	while ((late = crowd_next_late(&s->crowd, clock_boot_ns() - PATIENCE_NS)) != NULL)
		shutdown(late->fd, SHUT_RDWR);
	crowd_each_quiet(&s->crowd, clock_boot_ns() - TICK_NS, end_if_gone);
	for (size_t i = 0; i < s->count; i++)
		service_turn(&s->services[i]);
	if (crowd_is_empty(&s->crowd)) {
		timer_set(s->timer.fd, 0, 0);
		s->ticking = false;
	}
	accesslog_flush();
}

static void signals_ready(void *context)
{
	struct server *s = context;
	struct signalfd_siginfo info;

	if (read(s->signals.fd, &info, sizeof info) == (ssize_t)sizeof info)
		loop_stop(&s->loop);
}

static bool watch(struct server *s, struct loop_source *source, int fd,
    void (*ready)(void *context), void *context)
{
	*source = (struct loop_source){.fd = fd, .ready = ready, .context = context};
	if (fd >= 0 && loop_add(&s->loop, source))
		return true;
	log_line(LOG_LEVEL_ERROR, "cannot wait for events: %s", strerror(errno));
	return false;
}

/* What the library says before we serve is why it does not start; afterwards it is about what
 * callers send, and of interest to nobody else. */
static void __attribute__((format(printf, 2, 0)))
library_says(void *context, const char *format, va_list args)
{
	const struct server *s = context;
	char text[256];

	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\n")] = '\0';
	log_line(s->started ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, "libmicrohttpd: %s", text);
}

static struct MHD_Daemon *daemon_start(
    struct server *s, const struct listener *l, const struct options *o, const struct pem *pem)
{
	/* The logger comes first, to hear what is wrong with the others. */
	struct MHD_OptionItem options[] = {
	    {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)library_says, s},
	    {MHD_OPTION_LISTEN_SOCKET, l->fd, NULL},
	    {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)o->max_connections, NULL},
	    {MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_BYTES, NULL},
	    {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
	    {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
	    {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_connection, s},
	    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_completed, s},
	    {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_target, s},
	    {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)http_keep_escapes, s},
	    {MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_MEM_CERT, 0, pem->cert},
	    {MHD_OPTION_HTTPS_MEM_KEY, 0, pem->key},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)HTTP_TLS_PRIORITIES},
	    {MHD_OPTION_END, 0, NULL},
	};
	unsigned int flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;

	if (!l->tls)
		return MHD_start_daemon(flags, 0, http_admit, s, http_request, s, MHD_OPTION_ARRAY,
		    options, MHD_OPTION_END);
	return MHD_start_daemon(flags | MHD_USE_TLS, 0, http_admit, s, http_request, s,
	    MHD_OPTION_ARRAY, options, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static bool service_open(
    struct server *s, const struct listener *l, const struct options *o, const struct pem *pem)
{
	struct service *service = &s->services[s->count];
	const union MHD_DaemonInfo *info;

	service->server = s;
	service->daemon = daemon_start(s, l, o, pem);
	if (service->daemon == NULL) {
		log_line(LOG_LEVEL_ERROR, "cannot start %s%s", l->tls ? "HTTPS" : "HTTP",
		    l->tls ? ": are certificate and key in order and do they belong together?"
		           : "");
		return false;
	}
	s->count++;
	info = MHD_get_daemon_info(service->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return info != NULL && watch(s, &service->source, info->epoll_fd, service_ready, service);
}

bool server_open(
    struct server *s, const struct options *o, struct listeners *l, const struct pem *pem)
{
	sigset_t ends;

	*s = (struct server){.trusted = &o->trusted, .timer.fd = -1, .signals.fd = -1};
	crowd_init(&s->crowd, o->max_connections, o->per_address);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (!loop_open(&s->loop) || !watch(s, &s->timer, timer_open(), timer_ready, s) ||
	    !watch(
	        s, &s->signals, signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK), signals_ready, s))
		return false;
	while (l->count > 0) {
		if (!service_open(s, &l->list[l->count - 1], o, pem))
			return false;
		l->count--; /* the daemon closes it from now on */
	}
	s->started = true;
	return true;
}

bool server_run(struct server *s)
{
	return loop_run(&s->loop);
}

void server_close(struct server *s)
{
	for (size_t i = 0; i < s->count; i++)
		MHD_stop_daemon(s->services[i].daemon);
	accesslog_flush();
	fd_close(s->timer.fd);
	fd_close(s->signals.fd);
	loop_close(&s->loop);
	s->count = 0;
}
