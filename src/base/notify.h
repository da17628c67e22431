/* sd_notify(3) without its library: a datagram to $NOTIFY_SOCKET. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

/* `state` as in sd_notify(3), such as "READY=1". Does nothing without a service manager. */
void notify_manager(const char *state);
/* The same with a descriptor, which stays ours. */
void notify_with(const char *state, int fd);
/* Waits until the manager has done what it was told so far, some seconds at most. */
void notify_wait(void);
/* "RELOADING=1" with the monotonic time that systemd asks for beside it. */
void notify_reloading(void);

#endif
