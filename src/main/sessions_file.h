/* openme's sessions file: the tool keeps it, in a process of its own that asks as anybody does who
 * calls it, and has no other right than to write there. */
#ifndef MAIN_SESSIONS_FILE_H
#define MAIN_SESSIONS_FILE_H

#include <sys/types.h>

#include "main/main.h"

/* Starts it, when a file is wanted; before the sandbox closes. 0: not wanted, or it could not be,
 * which is logged and no reason to serve nobody. */
pid_t sessions_file_start(const struct main_options *options);
/* A child has ended: says so, if it was this one. */
void sessions_file_check(pid_t *writer);
/* When the others have ended: it takes what was open out of the file. */
void sessions_file_end(pid_t *writer);

#endif
