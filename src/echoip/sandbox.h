/* What is left to a service that only answers. */
#ifndef ECHOIP_SANDBOX_H
#define ECHOIP_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Before anything else: no core dumps, nobody may look into our memory, and as many descriptors as
 * `connections` need. False after having logged why. */
bool sandbox_limits(uint32_t connections);
/* Started as root: becomes `name` (NULL: the default user, or an unused high uid where there is
 * none) and drops every capability, also from the bounding set. Started otherwise: stays who it
 * is and drops every capability. EXIT_DONE, or the status to leave with, after having logged why.
 */
int user_become(const char *name);
/* After the last file and socket has been opened: no new privileges, no new processes, and the
 * system calls of the list in sandbox.c alone; the latter is left out where there are no filters
 * and `best` is set. False after having logged why. */
bool sandbox_close(bool best);
/* Whether it was. */
bool sandbox_without_filter(void);

#endif
