#include "proc/lease.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"

#define NAME        "postern-guard" /* abstract */
#define WAITING     64
#define PATIENCE_NS (5 * NS_PER_SECOND)
#define AGAIN_MS    20

static int open_socket(struct sockaddr_un *name, socklen_t *size)
{
	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(name->sun_path + 1, NAME, sizeof NAME - 1);
	*size = offsetof(struct sockaddr_un, sun_path) + sizeof NAME;
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int lease_listen(void)
{
	struct sockaddr_un name;
	socklen_t size;
	int fd = open_socket(&name, &size);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, size) != 0 || listen(fd, WAITING) != 0)
		return fd_close(fd);
	return fd;
}

pid_t lease_peer(int connection)
{
	struct ucred who;
	socklen_t size = sizeof who;

	if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != 0)
		return 0;
	return who.pid;
}

int lease_connect(pid_t *guard)
{
	struct sockaddr_un name;
	socklen_t size;
	int fd = open_socket(&name, &size);

	if (fd < 0 || connect(fd, (struct sockaddr *)&name, size) != 0) {
		fd_close(fd);
		return -1;
	}
	*guard = lease_peer(fd);
	if (*guard > 0)
		return fd;
	fd_close(fd);
	errno = EPERM;
	return -1;
}

union with_socket {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

bool lease_send(int connection, struct lease_message m, int socket)
{
	union with_socket control = {.bytes = {0}};
	struct iovec part = {&m, sizeof m};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (socket >= 0) {
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof socket),
		    .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), &socket, sizeof socket);
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof control.bytes;
	}
	return sendmsg(connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof m;
}

int lease_receive(int connection, struct lease_message *m, int *socket)
{
	union with_socket control = {.bytes = {0}};
	struct iovec part = {m, sizeof *m};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	ssize_t got = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *head = got < 0 ? NULL : CMSG_FIRSTHDR(&message);

	*socket = -1;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (head != NULL && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof *socket))
		memcpy(socket, CMSG_DATA(head), sizeof *socket);
	if (got == sizeof *m)
		return 1;
	*socket = fd_close(*socket);
	return -1;
}

static int connect_until(int64_t until_ns, pid_t *guard)
{
	int fd = lease_connect(guard);

	while (fd < 0 && errno == EAGAIN && clock_boot_ns() < until_ns) { /* too many wait */
		poll(NULL, 0, AGAIN_MS);
		fd = lease_connect(guard);
	}
	if (fd < 0 && errno == EPERM)
		log_line(LOG_LEVEL_WARN,
		    "somebody who is not root has the name of postern-guard's socket "
		    "(@" NAME "); it is not believed");
	return fd;
}

static void end_hanging(pid_t guard)
{
	char pid[16];

	snprintf(pid, sizeof pid, "%d", (int)guard);
	log_event(LOG_LEVEL_ERROR, "postern-guard does not answer and is killed", "pid", pid, NULL);
	kill(guard, SIGKILL);
}

/* 1: it has answered; 0: it is to be asked again, for it was too busy to hear; -1: there is none.
 */
static int ask_once(
    struct lease_answer *a, const struct lease_message *m, int socket, int64_t until_ns)
{
	pid_t guard;
	int fd = connect_until(until_ns, &guard);

	*a = (struct lease_answer){.connection = fd, .socket = -1};
	if (fd < 0)
		return -1;
	if (lease_send(fd, *m, socket) && loop_wait_readable(fd, until_ns) &&
	    lease_receive(fd, &a->message, &a->socket) == 1)
		return 1;
	a->connection = -1;
	close(fd);
	if (clock_boot_ns() < until_ns)
		return 0;
	end_hanging(guard);
	errno = ETIMEDOUT;
	return -1;
}

bool lease_ask(enum lease_word word, int socket, struct lease_answer *a)
{
	const struct lease_message m = {.word = word};
	int64_t until_ns = clock_boot_ns() + PATIENCE_NS;
	int answered = ask_once(a, &m, socket, until_ns);

	while (answered == 0) {
		poll(NULL, 0, AGAIN_MS);
		answered = ask_once(a, &m, socket, until_ns);
	}
	return answered > 0;
}
