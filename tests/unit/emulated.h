/* A program for another processor runs by QEMU, on a kernel from which that hides filters, Landlock
 * and the netlink of firewalls. Meson tells programs how to start others likewise. */
#ifndef TESTS_EMULATED_H
#define TESTS_EMULATED_H

#include <stdbool.h>
#include <stddef.h>

/* Says what is left out, and why: QEMU has no `lacking`. False where this processor runs it. */
bool is_emulated(const char *lacking);
/* The same, and then ends the whole program as one that was not run. */
void not_when_emulated(const char *lacking);
/* Of many cases alike, which cost much there, QEMU runs every 13th. */
size_t emulated_step(void);

#endif
