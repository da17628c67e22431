#include "main/socket_store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/notify.h"
#include "conf/values.h"
#include "intake/held.h"

#define FIRST_FD   3 /* sd_listen_fds(3) */
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

/* 0 to `most`; 0 where the variable is not there, or no number. */
static int64_t number_in(const char *variable, int64_t most)
{
	const char *text = getenv(variable), *expected;
	int64_t number;

	return text != NULL && value_integer(&number, text, &expected) && number > 0 &&
	               number <= most
	           ? number
	           : 0;
}

/* The next name of the list; "" when it is none that a message could hold. */
static void next_name(const char **list, char out[static SOCKET_STORE_NAME_BYTES])
{
	size_t length = strcspn(*list, ":");
	bool sane = length < SOCKET_STORE_NAME_BYTES && strspn(*list, NAME_CHARS) == length;

	memcpy(out, *list, sane ? length : 0);
	out[sane ? length : 0] = '\0';
	*list += length;
	*list += **list == ':';
}

static void forget(const char *name)
{
	char state[SOCKET_STORE_NAME_BYTES + 40];

	snprintf(state, sizeof state, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	if (*name != '\0')
		notify_manager(state);
}

/* What there is no room for is of no use, whatever it is. */
static void receive(struct socket_store *s, int end)
{
	const char *names = getenv("LISTEN_FDNAMES");

	names = names == NULL ? "" : names;
	for (int fd = FIRST_FD; fd < end && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0; fd++) {
		struct kept_socket k = {.fd = fd};

		next_name(&names, k.name);
		if (s->count < SOCKET_STORE_MOST) {
			s->kept[s->count++] = k;
			continue;
		}
		close(fd);
		forget(k.name);
		s->refused_more = true;
	}
}

void socket_store_receive(struct socket_store *s)
{
	int64_t count = number_in("LISTEN_FDS", INT_MAX - FIRST_FD);

	s->count = 0;
	s->refused_more = false;
	if (count > 0 && number_in("LISTEN_PID", INT_MAX) == getpid())
		receive(s, (int)count + FIRST_FD);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_PIDFDID");
	unsetenv("LISTEN_FDNAMES");
}

static void refuse(struct kept_socket *k, const char *why)
{
	log_event(LOG_LEVEL_WARN, "a kept descriptor is of no use and is closed", "name",
	    *k->name == '\0' ? "?" : k->name, "why", why, NULL);
	k->fd = fd_close(k->fd);
	k->refused = true;
}

int socket_store_take(struct socket_store *s, const char *name, const struct socket_place *place)
{
	for (size_t i = 0; i < s->count; i++) {
		struct kept_socket *k = &s->kept[i];
		const char *why;
		int fd = k->fd;

		if (fd < 0 || strcmp(k->name, name) != 0)
			continue;
		why = intake_take_over(fd, place);
		if (why == NULL) {
			k->fd = -1;
			log_event(
			    LOG_LEVEL_INFO, "a socket has been kept for us", "name", name, NULL);
			return fd;
		}
		refuse(k, why);
	}
	return -1;
}

/* The one of that name, if it is what it is to be; or -1. */
static int take(struct socket_store *s, const char *name, bool (*is)(int fd))
{
	for (size_t i = 0; i < s->count; i++) {
		struct kept_socket *k = &s->kept[i];
		int fd = k->fd;

		if (fd < 0 || strcmp(k->name, name) != 0)
			continue;
		if (is(fd)) {
			k->fd = -1;
			return fd;
		}
		refuse(k, "it is not what it is to be");
	}
	return -1;
}

int socket_store_take_held(struct socket_store *s)
{
	int fd = take(s, SOCKET_STORE_HELD, held_is);

	return fd >= 0 ? fd : held_create();
}

int socket_store_take_firewall(struct socket_store *s)
{
	return take(s, SOCKET_STORE_FIREWALL, socket_is_netfilter);
}

bool socket_store_clear(struct socket_store *s)
{
	bool any = s->refused_more;

	for (size_t i = 0; i < s->count; i++) {
		struct kept_socket *k = &s->kept[i];

		if (k->fd >= 0)
			refuse(k, "nobody needs it");
		if (k->refused)
			forget(k->name);
		any = any || k->refused;
	}
	if (any)
		notify_wait();
	return any;
}

/* FDPOLL: it must not drop a listener that others have shut down; that is seen at the next start.
 */
void socket_store_keep(const char *name, int fd)
{
	char state[SOCKET_STORE_NAME_BYTES + 40];

	snprintf(state, sizeof state, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	notify_with(state, fd);
}
