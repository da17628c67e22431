/* Which of several doormen gets a datagram, as one piece of C for user space and BPF. */
#ifndef INTAKE_STEER_CHOICE_H
#define INTAKE_STEER_CHOICE_H

#include <stdint.h>

/* Where random bytes stand that the rest of a datagram hangs on. */
#define STEER_KNOCKS   1 /* openme's ephemeral key */
#define STEER_REQUESTS 6 /* OpenSPA's sealed key */

struct steer_key {
	uint32_t mask, factor;
};

/* `word`: the four bytes there, as a number in the order of the network. The upper half of the
 * product hangs on all bits below it. */
static inline __attribute__((always_inline)) uint32_t steer_choice(
    uint32_t mask, uint32_t factor, uint32_t count, uint32_t word)
{
	return (((word ^ mask) * factor) >> 16) % count;
}

#endif
