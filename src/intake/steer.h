/* Which of several sockets gets a datagram: by four of its bytes and by nothing else. Equal
 * datagrams go to the same one, wherever they come from. Which one is for nobody to know: the
 * choice has a key. */
#ifndef INTAKE_STEER_H
#define INTAKE_STEER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "intake/steer_choice.h"

#define STEER_STEPS 4

/* A random one. */
struct steer_key steer_new_key(void);
/* Steps of a classic filter from those four bytes, in its accumulator, to a number below `count`,
 * which is at least 1. They leave its index register alone. */
void steer_put_steps(
    struct sock_filter out[static STEER_STEPS], const struct steer_key *key, uint32_t count);
/* The key in such steps; false when it is none that steer_new_key makes. */
bool steer_key_of(struct steer_key *out, const struct sock_filter steps[static STEER_STEPS]);

/* Has the kernel choose among the `count` sockets at one port by the bytes at `offset`. `fd` is any
 * of them, once all are bound. False with errno. */
bool socket_steer(int fd, uint32_t count, uint32_t offset);

#endif
