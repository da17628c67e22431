#include "runner/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/child.h"

#define FILE_BYTES_MOST (16U << 20)  /* of one file that it writes */
#define DATA_BYTES_MOST (512U << 20) /* of memory of its own */
#define OPEN_FILES_MOST 256

/* --- The file */

bool runner_child_find(
    char **file, char **folder, const char *path, char why[static TRUSTED_TEXT_BYTES])
{
	const char *slash = strrchr(path, '/');
	char *above =
	    slash == NULL ? NULL : strndup(path, slash == path ? 1 : (size_t)(slash - path));

	*file = *path == '/' ? trusted_resolve(path, S_IFREG, OWNER_ROOT, why) : NULL;
	*folder = NULL;
	if (*path != '/')
		snprintf(why, TRUSTED_TEXT_BYTES, "its path is not absolute");
	else if (*file != NULL && above != NULL)
		*folder = trusted_resolve(above, S_IFDIR, OWNER_ROOT, why);
	free(above);
	if (*folder != NULL)
		return true;
	free(*file);
	*file = NULL;
	return false;
}

/* --- The process */

static bool set_limits(const struct runner_child_limits *limits)
{
	return child_limit(RLIMIT_CORE, 0) && child_limit(RLIMIT_NOFILE, OPEN_FILES_MOST) &&
	       child_limit(RLIMIT_FSIZE, FILE_BYTES_MOST) &&
	       child_limit(RLIMIT_DATA, DATA_BYTES_MOST) &&
	       child_limit(RLIMIT_NPROC, limits->processes) &&
	       (limits->resident || child_limit(RLIMIT_CPU, limits->cpu_s));
}

/* Where the kernel can (6.12), keeps it from sending signals to anybody but its own children:
 * whoever has the same user could be killed by it otherwise, the runner first. */
static void scope_signals(void)
{
	static const struct {
		uint64_t files;
		uint64_t net;
		uint64_t scoped;
	} signals = {0, 0, 2 /* LANDLOCK_SCOPE_SIGNAL, newer than some headers */};
	long fd = syscall(SYS_landlock_create_ruleset, &signals, sizeof signals, 0);

	if (fd >= 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
}

/* The child's side. Descriptors are the far ends; -1: standard input is /dev/null already. */
_Noreturn static void become(char *const argv[], const char *folder,
    const struct runner_child_limits *limits, pid_t parent, const int fds[static 3])
{
	char path[] = "PATH=" POSTERN_LIBEXEC
	              "/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char language[] = "LANG=C";
	char *const environment[] = {path, language, NULL};

	if (!child_set_up(fds))
		child_give_up("cannot get a session");
	/* If we are gone already, nobody is left who would end it. */
	if (!child_tie_to(parent))
		_exit(127);
	umask(077);
	scope_signals();
	if (!set_limits(limits))
		child_give_up("cannot set limits");
	if (chdir(folder) != 0)
		child_give_up(folder);
	execve(argv[0], argv, environment);
	child_give_up(argv[0]);
}

static void close_all(int fds[static 6])
{
	for (int i = 0; i < 6; i++) {
		fds[i] = fd_close(fds[i]);
	}
}

static bool not_blocking(int fd)
{
	return fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

bool runner_child_start(struct runner_child *out, char *const argv[], const char *folder,
    const struct runner_child_limits *limits)
{
	int fds[6] = {-1, -1, -1, -1, -1, -1}; /* in, out, err: each to read, to write */
	pid_t parent = getpid();

	*out = (struct runner_child){.pid = -1, .in = -1, .out = -1, .err = -1};
	if ((limits->resident && pipe2(fds, O_CLOEXEC) != 0) || pipe2(fds + 2, O_CLOEXEC) != 0 ||
	    pipe2(fds + 4, O_CLOEXEC) != 0 || (limits->resident && !not_blocking(fds[1])) ||
	    !not_blocking(fds[2]) || !not_blocking(fds[4]))
		goto done;
	out->pid = fork();
	if (out->pid == 0) {
		const int theirs[3] = {fds[0], fds[3], fds[5]};

		become(argv, folder, limits, parent, theirs);
	}
	if (out->pid < 0)
		goto done;
	out->in = fds[1];
	out->out = fds[2];
	out->err = fds[4];
	fds[1] = fds[2] = fds[4] = -1;
done:
	close_all(fds);
	return out->pid > 0;
}
