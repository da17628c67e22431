#include "proc/message.h"

#include "base/fd.h"

#define X(id, from, to, phase, fds, body, handler)                                       \
	_Static_assert(__builtin_popcount(fds) <= MESSAGE_FDS_MOST, "too many of them"); \
	_Static_assert((int)ROLE_##to != (int)ROLE_##from, "nobody talks to itself");
MESSAGES(X)
#undef X

const char *role_name(enum role role)
{
	static const char *const names[ROLE_COUNT] = {
	    "main", "doorman", "keeper", "desk", "runner", "privileged-runner"};

	return names[role];
}

struct message_fds message_fds_none(void)
{
	struct message_fds fds;

	for (int i = 0; i < FD_COUNT; i++)
		fds.fd[i] = -1;
	return fds;
}

int message_fds_take(struct message_fds *fds, enum message_fd name)
{
	int fd = fds->fd[name];

	fds->fd[name] = -1;
	return fd;
}

void message_fds_close(struct message_fds *fds)
{
	for (int i = 0; i < FD_COUNT; i++)
		fds->fd[i] = fd_close(fds->fd[i]);
}
