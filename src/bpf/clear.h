/* The shield's programs that an earlier daemon has left at devices: they go on dropping junk when
 * it has ended, as its rules go on shutting ports. */
#ifndef BPF_CLEAR_H
#define BPF_CLEAR_H

#include <stddef.h>

/* Takes them away, known by their name, and leaves those of others alone. How many there were; it
 * finds none where the kernel does not tell us (CAP_SYS_ADMIN). */
size_t kernel_shield_clear(void);

#endif
