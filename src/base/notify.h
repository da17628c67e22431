/* sd_notify(3) without its library: a datagram to $NOTIFY_SOCKET. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

/* `state` as in sd_notify(3), such as "READY=1". Does nothing without a service manager. */
void notify_manager(const char *state);
/* "RELOADING=1" with the monotonic time that systemd asks for beside it. */
void notify_reloading(void);

#endif
