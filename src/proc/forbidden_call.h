/* A system call that a sandbox forbids ends its process. Before that, its name is logged: it tells
 * an attack from a C library that calls what the lists in sandbox_policy.c do not have. */
#ifndef PROC_FORBIDDEN_CALL_H
#define PROC_FORBIDDEN_CALL_H

#include <stdbool.h>

/* Before the sandbox closes, whose filter then has SCMP_ACT_TRAP for what it forbids. The process
 * still ends by SIGSYS. False with errno. */
bool forbidden_call_report(void);

#endif
