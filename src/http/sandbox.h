/* What is left to a program that only answers over HTTP. */
#ifndef HTTP_SANDBOX_H
#define HTTP_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Which of them it is, and what it has to do besides. */
struct sandbox_program {
	const char *user; /* it becomes that one when it is started as root and told no other */
	bool asks;        /* by the control socket, before each answer */
	bool landlock;    /* it takes the layer as well */
};

/* Before anything else: no core dumps, nobody may look into our memory, and as many descriptors as
 * `connections` need. False after having logged why. */
bool sandbox_limits(uint32_t connections);
/* Started as root: becomes `name` (NULL: the program's user, or an unused high uid where there is
 * none) and drops every capability, also from the bounding set. Started otherwise: stays who it
 * is and drops every capability. EXIT_DONE, or the status to leave with, after having logged why.
 */
int user_become(const struct sandbox_program *program, const char *name);
/* After the last file and socket has been opened: no new privileges, no new processes, no files
 * (Landlock), and the system calls of the list in sandbox.c alone; of the last two that is left out
 * which is missing here if `best` is set. False after having logged why. */
bool sandbox_close(const struct sandbox_program *program, bool best);
/* "" or ", without seccomp" and the like: what was left out. */
const char *sandbox_left_out(void);

#endif
