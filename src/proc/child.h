/* What a child does between fork and exec, for the programs that are not processes of the daemon's,
 * and how those are found that a process has got from others. */
#ifndef PROC_CHILD_H
#define PROC_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Signals as a program expects them, a session of its own, `fds` as its standard input (-1: as it
 * is), output and errors, and nothing else open once it is executed. False with errno. */
bool child_set_up(const int fds[static 3]);
/* Lets the kernel end it with `parent`, which forked it. A change of user undoes that. False when
 * the parent is gone already. */
bool child_tie_to(pid_t parent);
/* `what` as for setrlimit. False with errno. */
bool child_limit(int what, uint64_t most);
/* Says what cannot be done, and why by errno, and ends with status 127. */
_Noreturn void child_give_up(const char *what);
/* "killed by SIGKILL" or "exit status 1", from a status of waitpid's. */
const char *child_how_ended(char *text, size_t size, int status);

/* The processes whose parent is this one. */
struct children {
	int fd; /* -1: this kernel does not tell */
};
struct children children_open(void);
/* Kills every child that `is_ours` does not know: what a program has left behind when its parent
 * ended, if this process is a subreaper. How many there were, of some 500 at a time. */
unsigned int children_kill_strangers(
    struct children children, bool (*is_ours)(void *context, pid_t pid), void *context);

#endif
