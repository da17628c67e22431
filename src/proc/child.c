#include "proc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/libc.h"

#ifndef __GLIBC__
#define __rlimit_resource_t  int
#define sigabbrev_np(number) NULL
#endif

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

bool child_set_up(const int fds[static 3])
{
	reset_signals();
	return (fds[0] < 0 || dup2(fds[0], STDIN_FILENO) >= 0) &&
	       dup2(fds[1], STDOUT_FILENO) >= 0 && dup2(fds[2], STDERR_FILENO) >= 0 &&
	       setsid() >= 0 && close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

bool child_tie_to(pid_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

bool child_limit(int what, uint64_t most)
{
	const struct rlimit limit = {most, most};

	return setrlimit((__rlimit_resource_t)what, &limit) == 0;
}

void child_give_up(const char *what)
{
	dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
	_exit(127);
}

const char *child_how_ended(char *text, size_t size, int status)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (name != NULL)
		snprintf(text, size, "killed by SIG%s", name);
	else if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(text, size, "exit status %d", WEXITSTATUS(status));
	return text;
}

struct children children_open(void)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	return (struct children){open(path, O_RDONLY | O_CLOEXEC)};
}

unsigned int children_kill_strangers(
    struct children children, bool (*is_ours)(void *context, pid_t pid), void *context)
{
	char text[4096]; /* some 500 of them; those who come later are met the next time */
	ssize_t size = children.fd < 0 ? 0 : pread(children.fd, text, sizeof text - 1, 0);
	unsigned int found = 0;
	char *at = text;

	text[size < 0 ? 0 : size] = '\0';
	for (;;) {
		char *end = at;
		long pid = strtol(at, &end, 10);

		/* Without a space behind it, it may be cut short. */
		if (end == at || *end != ' ')
			return found;
		if (pid > 1 && !is_ours(context, (pid_t)pid)) {
			kill((pid_t)pid, SIGKILL);
			waitpid((pid_t)pid, NULL, WNOHANG);
			found++;
		}
		at = end;
	}
}
