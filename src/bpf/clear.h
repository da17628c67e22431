/* The shield's programs that an earlier daemon has left at devices: they go on dropping junk when
 * it has ended, as its rules go on shutting ports. */
#ifndef BPF_CLEAR_H
#define BPF_CLEAR_H

#include <stddef.h>
#include <stdint.h>

/* Takes them away, and leaves those of others alone. They are known by `id`, which one was given
 * (0: none), and by their name, which the kernel tells to those with CAP_SYS_ADMIN alone. How many
 * there were. */
size_t kernel_shield_clear(uint32_t id);

#endif
