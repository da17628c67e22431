/* What is left to a service that only answers. */
#ifndef ECHOIP_SANDBOX_H
#define ECHOIP_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Before anything else: no core dumps, nobody may look into our memory, and as many descriptors as
 * `connections` need. False after having logged why. */
bool sandbox_limits(uint32_t connections);
/* After the last file and socket has been opened: no new privileges, no new processes, and the
 * system calls of the list in sandbox.c alone. False after having logged why. */
bool sandbox_close(void);

#endif
