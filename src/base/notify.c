#include "base/notify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BARRIER_MS 5000

/* False where there is no manager, or none that can be told of. */
static bool find_manager(struct sockaddr_un *to, socklen_t *size)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path == NULL ? 0 : strlen(path);

	if (length == 0 || (path[0] != '/' && path[0] != '@') || length >= sizeof to->sun_path)
		return false;
	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(to->sun_path, path, length);
	if (path[0] == '@')
		to->sun_path[0] = '\0';
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	return true;
}

/* A manager that is not there is no reason to fail, and one that does not listen none to stand
 * still. */
static void say(const struct msghdr *message)
{
	static const struct timeval patience = {.tv_sec = 1};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	(void)!sendmsg(fd, message, MSG_NOSIGNAL);
	close(fd);
}

void notify_with(const char *state, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof fd)];
	} control = {.bytes = {0}};
	struct sockaddr_un to;
	struct iovec part = {.iov_len = strlen(state)};
	struct msghdr message = {.msg_name = &to, .msg_iov = &part, .msg_iovlen = 1};

	memcpy(&part.iov_base, &state, sizeof state); /* sendmsg only reads it */
	if (!find_manager(&to, &message.msg_namelen))
		return;
	if (fd >= 0) {
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd),
		    .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof control.bytes;
	}
	say(&message);
}

void notify_manager(const char *state)
{
	notify_with(state, -1);
}

/* It closes what comes with a barrier once it gets there. */
void notify_wait(void)
{
	struct pollfd closed = {.events = 0};
	int ends[2];

	if (getenv("NOTIFY_SOCKET") == NULL || pipe2(ends, O_CLOEXEC) != 0)
		return;
	notify_with("BARRIER=1", ends[1]);
	close(ends[1]);
	closed.fd = ends[0];
	(void)poll(&closed, 1, BARRIER_MS);
	close(ends[0]);
}

void notify_reloading(void)
{
	struct timespec t = {0};
	char state[80];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	notify_manager(state);
}
