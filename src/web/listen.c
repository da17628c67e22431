#include "web/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/fd.h"

#define LISTEN_FIRST 3 /* sd_listen_fds(3) */
#define BACKLOG      64
#define PORT_DEFAULT 9765

union socket_address {
	struct sockaddr any;
	struct sockaddr_un local;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static void listeners_add(struct listeners *l, int fd, const struct place *p)
{
	char address[ADDR_TEXT_BYTES], port[8];

	l->fds[l->count++] = fd;
	snprintf(port, sizeof port, "%u", p->port);
	log_event(LOG_LEVEL_INFO, "listening", "path", *p->path != '\0' ? p->path : NULL, "address",
	    *p->path != '\0' ? NULL : addr_text(&p->address, address), "port",
	    *p->path != '\0' ? NULL : port, NULL);
}

/* Where a socket is bound. False for a kind that is not ours. */
static bool place_of(struct place *p, int fd)
{
	union socket_address at = {.any.sa_family = AF_UNSPEC};
	socklen_t size = sizeof at;

	*p = (struct place){.port = 0};
	if (getsockname(fd, &at.any, &size) != 0)
		return false;
	if (at.any.sa_family == AF_UNIX) {
		snprintf(p->path, sizeof p->path, "%.*s", (int)sizeof at.local.sun_path,
		    at.local.sun_path);
		return *p->path != '\0';
	}
	return addr_from_sockaddr(&p->address, &p->port, &at) && place_is_loopback(&p->address);
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static int inherit(struct listeners *l, int fd)
{
	struct place p;

	if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1 ||
	    !place_of(&p, fd)) {
		log_line(LOG_LEVEL_ERROR,
		    "descriptor %d from LISTEN_FDS is no listening UNIX socket and none of a "
		    "loopback address: the page is for this host alone",
		    fd);
		return EXIT_CONFIG;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	listeners_add(l, fd, &p);
	return EXIT_DONE;
}

/* How many sockets the service manager left for this very process; -1: the variable is bad. */
static int inherited_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	char own[16];

	snprintf(own, sizeof own, "%d", (int)getpid());
	if (pid == NULL || count == NULL || strcmp(pid, own) != 0)
		return 0;
	return strlen(count) == 1 && *count >= '0' && *count <= '0' + PLACES_MAX ? *count - '0'
	                                                                         : -1;
}

/* What is left of one that has ended is taken away; what somebody listens at is not. */
static void clear_path(const struct sockaddr_un *at)
{
	struct stat st;
	int fd;

	if (lstat(at->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 &&
	    errno == ECONNREFUSED)
		unlink(at->sun_path);
	fd_close(fd);
}

static socklen_t address_of(union socket_address *at, const struct place *p)
{
	if (*p->path != '\0') {
		at->local.sun_family = AF_UNIX;
		memcpy(at->local.sun_path, p->path, sizeof at->local.sun_path);
		return sizeof at->local;
	}
	if (!addr_is_v4(&p->address)) {
		at->six = addr_to_sockaddr(&p->address, p->port);
		return sizeof at->six;
	}
	at->four.sin_family = AF_INET;
	at->four.sin_port = htons(p->port);
	memcpy(&at->four.sin_addr, p->address.bytes + 12, sizeof at->four.sin_addr);
	return sizeof at->four;
}

/* A UNIX socket is for its user and group. */
static int socket_open(const struct place *p)
{
	union socket_address at = {.any.sa_family = AF_UNSPEC};
	socklen_t size = address_of(&at, p);
	int on = 1, fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	bool bound;

	if (fd < 0)
		return -1;
	if (at.any.sa_family == AF_UNIX)
		clear_path(&at.local);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	mask = umask(0117);
	bound = bind(fd, &at.any, size) == 0;
	umask(mask);
	return bound && listen(fd, BACKLOG) == 0 ? fd : fd_close(fd);
}

static int open_one(struct listeners *l, const struct place *p)
{
	int fd = socket_open(p);
	char address[ADDR_TEXT_BYTES];
	struct place bound;

	if (fd >= 0 && place_of(&bound, fd)) {
		listeners_add(l, fd, &bound);
		return EXIT_DONE;
	}
	if (*p->path != '\0')
		log_event(LOG_LEVEL_ERROR, "cannot listen", "path", p->path, "error",
		    strerror(errno), "remedy",
		    "a folder that the user postern-web may write, such as /run/postern-web", NULL);
	else
		log_line(LOG_LEVEL_ERROR, "cannot listen on %s port %u: %s",
		    addr_text(&p->address, address), p->port, strerror(errno));
	fd_close(fd);
	return errno == EACCES || errno == EPERM ? EXIT_PERMISSION : EXIT_FAILED;
}

static int open_own(struct listeners *l, const struct options *o)
{
	static const struct place defaults[] = {
	    {.address = {{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}}, .port = PORT_DEFAULT},
	    {.address = {{[15] = 1}}, .port = PORT_DEFAULT}};
	bool has_ipv6 = access("/proc/net/if_inet6", F_OK) == 0;
	int code = EXIT_DONE;

	if (o->place_count == 0)
		code = open_one(l, &defaults[0]);
	if (o->place_count == 0 && code == EXIT_DONE && has_ipv6)
		code = open_one(l, &defaults[1]);
	for (size_t i = 0; i < o->place_count && code == EXIT_DONE; i++)
		code = open_one(l, &o->places[i]);
	return code;
}

int listen_all(struct listeners *l, const struct options *o)
{
	int inherited = inherited_count(), code = EXIT_DONE;

	l->count = 0;
	if (inherited < 0) {
		log_line(LOG_LEVEL_ERROR, "LISTEN_FDS must be a number up to %d", PLACES_MAX);
		return EXIT_CONFIG;
	}
	for (int i = 0; i < inherited && code == EXIT_DONE; i++)
		code = inherit(l, LISTEN_FIRST + i);
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
		close(l->fds[i]);
	l->count = 0;
}
