/* The shield's program at network devices, by rtnetlink. */
#ifndef BPF_ATTACH_H
#define BPF_ATTACH_H

#include <stdint.h>

/* Where it stands: by the driver, or in the stack for drivers that have no place for it. */
enum attach_mode { ATTACH_NONE, ATTACH_GENERIC, ATTACH_NATIVE, ATTACH_MODES };

/* A socket for the other calls; -1 with errno. */
int attach_open(void);

/* Attaches `program` to the device of that index, natively or, where that is refused, generically.
 * A program that is there already is left alone (*error is EBUSY then, or EEXIST): nobody's is
 * replaced. ATTACH_NONE with *error when it could not be. Waits for nobody but the kernel. */
enum attach_mode attach_program(int socket, int index, int program, int *error);

/* Takes `program` away from there, if it is what is there; -1: whatever is. 0 or an errno. */
int attach_remove(int socket, int index, int program);

#endif
