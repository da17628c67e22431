/* What is left on the stack: a call runs on a stack of its own, which is then searched. Registers
 * and freed memory are out of sight here. */
#ifndef TESTS_OWN_STACK_H
#define TESTS_OWN_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void own_stack_run(void (*call)(void));
/* Whether any eight bytes of the secret, counted from its start, are there: one that was spilled
 * shows in pieces of a register. */
bool own_stack_holds(const uint8_t *secret, size_t size);

#endif
