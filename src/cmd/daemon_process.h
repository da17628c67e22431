/* The daemon's main process, as the kernel tells of it. */
#ifndef CMD_DAEMON_PROCESS_H
#define CMD_DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DAEMON_ROLES_BYTES 200

/* Who listens at the control socket; 0: nobody, or somebody in another PID namespace. Asks for
 * nothing there. */
pid_t daemon_process_find(const char *control);
/* When it started, CLOCK_REALTIME; 0: not known. */
int64_t daemon_process_since(pid_t pid);
/* Its processes by name, as "doorman, keeper, desk", and how many; "" and 0 when none is seen. */
unsigned int daemon_process_roles(pid_t pid, char roles[static DAEMON_ROLES_BYTES]);
/* Whether its program was replaced or removed since it started; false, too, when that is not told.
 */
bool daemon_process_is_outdated(pid_t pid);

#endif
