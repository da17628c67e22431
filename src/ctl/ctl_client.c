#include "ctl/ctl_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"

static enum ctl_result result_of(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return CTL_NOT_RUNNING;
	case EACCES:
	case EPERM:
		return CTL_NO_PERMISSION;
	case EAGAIN:
		return CTL_SILENT;
	default:
		errno = error;
		return CTL_FAILED;
	}
}

/* On success *fd is connected, and its sends give up after `timeout_ns`. */
static enum ctl_result connect_to(int *fd, const char *path, int64_t timeout_ns)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct timeval patience = {
	    .tv_sec = timeout_ns / NS_PER_SECOND, .tv_usec = timeout_ns % NS_PER_SECOND / 1000};

	if (strlen(path) >= sizeof to.sun_path)
		return result_of(ENAMETOOLONG);
	memcpy(to.sun_path, path, strlen(path) + 1);
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return result_of(errno);
	/* Bounds connect too: a daemon that is stuck stops taking connections from its queue. */
	if (setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
	    connect(*fd, (const struct sockaddr *)&to, sizeof to) != 0)
		return result_of(errno);
	return CTL_DONE;
}

static enum ctl_result send_request(int fd, enum control_type request)
{
	const struct control_record record = {.type = request};
	uint8_t packet[CONTROL_RECORD_BYTES];
	size_t size = control_encode(packet, &record);

	if (send(fd, packet, size, MSG_NOSIGNAL) != (ssize_t)size)
		return errno == EPIPE ? CTL_GARBLED : result_of(errno);
	return CTL_DONE;
}

static enum ctl_result take_record(int fd, int64_t deadline_ns, struct control_record *record)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	ssize_t size;

	if (!loop_wait_readable(fd, deadline_ns))
		return errno == 0 ? CTL_SILENT : CTL_FAILED;
	size = recv(fd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);
	if (size < 0)
		return errno == ECONNRESET ? CTL_GARBLED : result_of(errno);
	if ((size_t)size > sizeof packet || !control_decode(record, packet, (size_t)size) ||
	    control_is_request(record->type))
		return CTL_GARBLED;
	return CTL_DONE;
}

enum ctl_result ctl_ask(const char *path, enum control_type request, int64_t timeout_ns,
    ctl_reply_fn *reply, void *context, struct control_error *error)
{
	int64_t deadline_ns = clock_boot_ns() + timeout_ns;
	struct control_record record;
	enum ctl_result result;
	int fd = -1;

	result = connect_to(&fd, path, timeout_ns);
	if (result == CTL_DONE)
		result = send_request(fd, request);
	while (result == CTL_DONE) {
		result = take_record(fd, deadline_ns, &record);
		if (result != CTL_DONE || record.type == CONTROL_DONE)
			break;
		if (record.type == CONTROL_ERROR) {
			*error = record.error;
			result = CTL_REFUSED;
		} else if (reply != NULL) {
			reply(context, &record);
		}
	}
	fd_close(fd);
	return result;
}
