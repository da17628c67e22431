/* The listening end of the control socket. */
#ifndef MAIN_CONTROL_SOCKET_H
#define MAIN_CONTROL_SOCKET_H

/* Listens at `path` (mode 0600), in place of what a dead daemon left; makes the last folder of the
 * path when it is missing. Refuses when a daemon answers there. -1, having said why. */
int control_socket_open(const char *path);
/* Closes the listener and takes its name away. */
void control_socket_close(const char *path, int fd);

#endif
