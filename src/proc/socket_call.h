/* On i386 and s390x C libraries make a socket by socketcall(2), of which no filter sees what kind
 * of socket it is to be. Main's filter sends such a call here, where it is made anew by socket(2),
 * which the filter judges. Programs that others start have no such way: see sandbox_denied.c. */
#ifndef PROC_SOCKET_CALL_H
#define PROC_SOCKET_CALL_H

#include <stdbool.h>

/* Before a filter closes that has SCMP_ACT_TRAP for sockets. On other processors nothing is to be
 * done. False with errno. */
bool socket_call_prepare(void);

#endif
