/* The executables of the other processes: under libexec, or beside posternd in a build tree. */
#ifndef MAIN_EXECUTABLE_H
#define MAIN_EXECUTABLE_H

#include <limits.h>

#include "main/main.h"
#include "proc/role.h"

/* The name that ps shows. */
const char *executable_name(enum role role);
/* Opens it, to be executed. -1, having said why: it is not there, or others than root and the owner
 * of posternd's own executable could change it. */
int executable_open(enum role role);
/* The path of `name` beside our own executable, where that is not installed; false when there is
 * none or it is too long. */
bool executable_beside(char path[static PATH_MAX], const char *name);
/* The same of `postern`, which users have. */
int executable_open_tool(void);
/* Runs postern-guard, so that the ports are shut although the daemon cannot start. */
void executable_run_guard(const struct main_options *options);

/* Becomes postern-guard, which prints the rules of the configuration and changes nothing. Returns,
 * having said why, when that cannot be. */
void executable_become_dry_run(const struct main_options *options);

#endif
