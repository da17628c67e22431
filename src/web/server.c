#include "web/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "web/http.h"

/* Time for a connection to get a whole request in and its answer out, counted from its start or
 * its last answer. */
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
}

/* What libmicrohttpd, which asks epoll for edges, may not have seen. */
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
}

static void clock_ready(void *context)
{
	struct server *s = context;

	timer_read(s->clock.fd);
	history_add(&s->history, asker_stats(&s->asker));
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
	log_event(
	    s->started ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, "libmicrohttpd", "said", text, NULL);
}

static bool service_open(struct server *s, int fd)
{
	struct service *service = &s->services[s->count];
	const union MHD_DaemonInfo *info;
	struct MHD_OptionItem options[] = {
	    {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)library_says, s},
	    {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
	    {MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS, NULL},
	    {MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_BYTES, NULL},
	    {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
	    {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
	    {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_connection, s},
	    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_completed, s},
	    {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_target, s},
	    {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)http_keep_escapes, s},
	    {MHD_OPTION_END, 0, NULL},
	};

	service->server = s;
	service->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, http_admit, s,
	    http_request, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (service->daemon == NULL) {
		log_line(LOG_LEVEL_ERROR, "cannot start HTTP");
		return false;
	}
	s->count++;
	info = MHD_get_daemon_info(service->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return info != NULL && watch(s, &service->source, info->epoll_fd, service_ready, service);
}

bool server_open(struct server *s, struct listeners *l, const char *control)
{
	sigset_t ends;

	s->asker.control = control;
	if (gethostname(s->host, sizeof s->host) != 0)
		s->host[0] = '\0';
	s->host[sizeof s->host - 1] = '\0';
	s->timer.fd = s->clock.fd = s->signals.fd = -1;
	crowd_init(&s->crowd, SERVER_CONNECTIONS, SERVER_CONNECTIONS);
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (!loop_open(&s->loop) || !watch(s, &s->timer, timer_open(), timer_ready, s) ||
	    !watch(s, &s->clock, timer_open(), clock_ready, s) ||
	    !watch(
	        s, &s->signals, signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK), signals_ready, s))
		return false;
	while (l->count > 0) {
		if (!service_open(s, l->fds[l->count - 1]))
			return false;
		l->count--; /* the daemon closes it from now on */
	}
	s->started = true;
	return timer_set(s->clock.fd, NS_PER_MS, HISTORY_STEP_NS);
}

bool server_run(struct server *s)
{
	return loop_run(&s->loop);
}

void server_close(struct server *s)
{
	for (size_t i = 0; i < s->count; i++)
		MHD_stop_daemon(s->services[i].daemon);
	fd_close(s->timer.fd);
	fd_close(s->clock.fd);
	fd_close(s->signals.fd);
	loop_close(&s->loop);
	s->count = 0;
}
