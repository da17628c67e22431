/* The SSH connection that somebody is logged in by. */
#ifndef CMD_LOGIN_H
#define CMD_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define LOGIN_BYTES 128

/* As sshd says it in SSH_CONNECTION: client, its port, server, its port; "" where there is none. It
 * is looked for in the processes that have started us, too, since sudo takes it away. */
void login_find(char login[static LOGIN_BYTES]);
/* Since when the connection is there by which we are logged in, CLOCK_BOOTTIME; INT64_MAX: none. */
int64_t login_since_ns(void);
/* False where `login` names none. */
bool login_peer(const char *login, struct addr *peer, uint16_t *port);

#endif
