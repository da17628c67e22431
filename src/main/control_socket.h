/* The listening end of the control socket. */
#ifndef MAIN_CONTROL_SOCKET_H
#define MAIN_CONTROL_SOCKET_H

#include <sys/types.h>

/* Who may look, besides who the daemon runs as: the user `postern-web`. */
struct viewer {
	uid_t uid; /* 0: there is none */
	gid_t gid;
};

struct viewer control_viewer(void);

/* Listens at `path` (mode 0600, or 0660 with the viewer's group), in place of what a dead daemon
 * left; makes the last folder of the path when it is missing. Refuses when a daemon answers there.
 * -1, having said why. */
int control_socket_open(const char *path, const struct viewer *viewer);
/* Closes the listener and takes its name away. */
void control_socket_close(const char *path, int fd);

#endif
