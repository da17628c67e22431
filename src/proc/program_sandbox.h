/* What the administrator's programs may do in some ways only: a filter's rules by argument. */
#ifndef PROC_PROGRAM_SANDBOX_H
#define PROC_PROGRAM_SANDBOX_H

#include <seccomp.h>
#include <stdbool.h>

/* For a runner, before the filter is loaded: nothing that it starts reaches this process or its
 * parent, or anybody else, by signals, limits, scheduling or priorities, or has memory that no
 * limit counts and that outlives it, or makes a set-uid file. As `root`, to whom every file and
 * every root's service is open, it changes nothing about a file that Landlock does not see, and
 * connects to no UNIX socket. */
bool sandbox_narrow_programs(scmp_filter_ctx filter, bool root);

#endif
