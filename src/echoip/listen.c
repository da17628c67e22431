#include "echoip/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/fd.h"
#include "base/log.h"

#define LISTEN_FIRST 3 /* sd_listen_fds(3) */
#define BACKLOG      SOMAXCONN

static void log_socket(const struct listener *l)
{
	struct sockaddr_storage at = {0};
	socklen_t size = sizeof at;
	char text[ADDR_TEXT_BYTES], port_text[8];
	struct addr a;
	uint16_t port;

	if (getsockname(l->fd, (struct sockaddr *)&at, &size) != 0 ||
	    !addr_from_sockaddr(&a, &port, &at))
		return;
	snprintf(port_text, sizeof port_text, "%u", port);
	log_event(LOG_LEVEL_INFO, "listening", "scheme", l->tls ? "https" : "http", "address",
	    addr_text(&a, text), "port", port_text, NULL);
}

static void listeners_add(struct listeners *l, int fd, bool tls)
{
	l->list[l->count] = (struct listener){.fd = fd, .tls = tls};
	log_socket(&l->list[l->count]);
	l->count++;
}

/* The n-th name, between colons, in LISTEN_FDNAMES. */
static bool name_is(const char *names, size_t n, const char *name)
{
	size_t length;

	for (; names != NULL && n > 0; n--) {
		names = strchr(names, ':');
		if (names != NULL)
			names++;
	}
	if (names == NULL)
		return false;
	length = strcspn(names, ":");
	return length == strlen(name) && memcmp(names, name, length) == 0;
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* HTTPS is what is named so or stands on the HTTPS port. */
static int inherit(struct listeners *l, const struct options *o, size_t n)
{
	struct sockaddr_storage at = {0};
	socklen_t size = sizeof at;
	int fd = LISTEN_FIRST + (int)n;
	struct addr a;
	uint16_t port;
	bool tls;

	if (getsockname(fd, (struct sockaddr *)&at, &size) != 0 ||
	    !addr_from_sockaddr(&a, &port, &at) || option_of(fd, SO_TYPE) != SOCK_STREAM ||
	    option_of(fd, SO_ACCEPTCONN) != 1) {
		log_line(LOG_LEVEL_ERROR,
		    "descriptor %d from LISTEN_FDS is no listening TCP socket", fd);
		return EXIT_CONFIG;
	}
	tls = name_is(getenv("LISTEN_FDNAMES"), n, "https") || port == o->https_port;
	if (tls && o->cert == NULL) {
		log_line(LOG_LEVEL_ERROR, "a socket for HTTPS was given, but no --cert and --key");
		return EXIT_CONFIG;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	listeners_add(l, fd, tls);
	return EXIT_DONE;
}

/* How many sockets the service manager left for this very process; -1: the variable is bad. */
static int inherited_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	char own[16];
	unsigned long value;

	snprintf(own, sizeof own, "%d", (int)getpid());
	if (pid == NULL || count == NULL || strcmp(pid, own) != 0)
		return 0;
	if (*count == '\0' || strlen(count) > 2 || strspn(count, "0123456789") != strlen(count))
		return -1;
	value = strtoul(count, NULL, 10);
	return value <= LISTENERS_MAX ? (int)value : -1;
}

/* `a` NULL: every address of both families. */
static int socket_open(const struct addr *a, uint16_t port)
{
	bool v4 = a != NULL && addr_is_v4(a);
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd, on = 1, only = a != NULL && !addr_is_wildcard(a);

	if (v4)
		memcpy(&four.sin_addr, a->bytes + 12, sizeof four.sin_addr);
	else if (a != NULL)
		six = addr_to_sockaddr(a, port);
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    (!v4 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) ||
	    bind(fd, v4 ? (const struct sockaddr *)&four : (const struct sockaddr *)&six,
	        v4 ? sizeof four : sizeof six) != 0 ||
	    listen(fd, BACKLOG) != 0)
		return fd_close(fd);
	return fd;
}

static int open_one(struct listeners *l, const struct addr *a, uint16_t port, bool tls)
{
	static const struct addr any4 = {{[10] = 0xff, [11] = 0xff}};
	int fd = socket_open(a, port);
	char text[ADDR_TEXT_BYTES];

	/* A host without IPv6. */
	if (fd < 0 && a == NULL && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		fd = socket_open(&any4, port);
	if (fd < 0) {
		bool refused = errno == EACCES || errno == EPERM;

		log_line(LOG_LEVEL_ERROR, "cannot listen on %s port %u: %s",
		    a != NULL ? addr_text(a, text) : "any address", port, strerror(errno));
		return refused ? EXIT_PERMISSION : EXIT_FAILED;
	}
	listeners_add(l, fd, tls);
	return EXIT_DONE;
}

static int open_own(struct listeners *l, const struct options *o)
{
	size_t places = o->bind_count > 0 ? o->bind_count : 1;
	int code = EXIT_DONE;

	for (size_t i = 0; i < places && code == EXIT_DONE; i++) {
		const struct addr *a = o->bind_count > 0 ? &o->binds[i] : NULL;

		if (!o->no_http)
			code = open_one(l, a, o->port, false);
		if (o->cert != NULL && code == EXIT_DONE)
			code = open_one(l, a, o->https_port, true);
	}
	return code;
}

int listen_all(struct listeners *l, const struct options *o)
{
	int inherited = inherited_count();
	int code = EXIT_DONE;

	l->count = 0;
	if (inherited < 0) {
		log_line(LOG_LEVEL_ERROR, "LISTEN_FDS must be a number up to %d", LISTENERS_MAX);
		return EXIT_CONFIG;
	}
	for (int i = 0; i < inherited && code == EXIT_DONE; i++)
		code = inherit(l, o, (size_t)i);
	if (inherited == 0)
		code = open_own(l, o);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (code != EXIT_DONE)
		listen_close(l);
	return code;
}

void listen_close(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		close(l->list[i].fd);
	l->count = 0;
}
