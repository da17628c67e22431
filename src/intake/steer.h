/* Which of several sockets at one port gets a datagram. */
#ifndef INTAKE_STEER_H
#define INTAKE_STEER_H

#include <stdbool.h>
#include <stdint.h>

/* Where random bytes stand that the rest of a datagram hangs on. */
#define STEER_KNOCKS   1 /* openme's ephemeral key */
#define STEER_REQUESTS 6 /* OpenSPA's sealed key */

/* Has the kernel choose by the four bytes there, and by nothing else: equal datagrams go to the
 * same socket of the `count`, wherever they come from. Which one is for nobody to know: the choice
 * has a key. `fd` is any of them, once all are bound. False with errno. */
bool socket_steer(int fd, uint32_t count, uint32_t offset);

#endif
