/* Running other programs, without a shell. */
#ifndef CMD_RUN_H
#define CMD_RUN_H

#include <stdbool.h>

/* Runs argv[0], looked for in PATH, with nothing to read, and waits. What it says goes to standard
 * error; with `talks`, *talks tells whether it has said anything to its standard output, which is
 * thrown away then. Its exit status; -1 with errno when it could not be started, or EINTR when a
 * signal has ended it. */
int run_program(const char *const argv[], bool *talks);
/* Starts it as a process of its own, which no terminal ends, with /dev/null for all that it reads
 * and writes, and waits for nothing. False with errno when it could not be started. */
bool run_apart(const char *const argv[]);

#endif
