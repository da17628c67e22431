#include "doctor/run.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define PATIENCE_NS (5 * NS_PER_SECOND)

_Noreturn static void become(char *const argv[], uid_t uid, int out)
{
	char *const environment[] = {(char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
	    (char[]){"LANG=C"}, (char[]){"SYSTEMD_PAGER="}, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	if (uid != 0 && (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
	                    setresuid(uid, uid, uid) != 0))
		_exit(127);
	environ = (char **)(uintptr_t)environment; /* where execvp() finds its PATH */
	execvp(argv[0], argv);
	_exit(127);
}

/* To its end, or to that of our patience. */
static bool hear(int fd, char *out, size_t size, int64_t end_ns)
{
	char spilt[256];
	size_t used = 0;
	ssize_t got = 1;

	while (got > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end_ns - clock_boot_ns();
		bool room = used + 1 < size;

		if (left <= 0 || poll(&p, 1, (int)(left / NS_PER_MS) + 1) <= 0)
			break;
		got = read(fd, room ? out + used : spilt, room ? size - 1 - used : sizeof spilt);
		if (got > 0 && room)
			used += (size_t)got;
	}
	out[used] = '\0';
	return got == 0;
}

static bool finish(pid_t pid, int64_t end_ns)
{
	static const struct timespec step = {0, 1000000};
	int status = -1;
	pid_t ended;

	while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && clock_boot_ns() < end_ns)
		nanosleep(&step, NULL);
	if (ended == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool run_read(char *const argv[], uid_t uid, char *out, size_t size)
{
	int64_t end_ns = clock_boot_ns() + PATIENCE_NS;
	int ends[2];
	bool heard;
	pid_t pid;

	out[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0)
		become(argv, uid, ends[1]);
	close(ends[1]);
	heard = pid > 0 && hear(ends[0], out, size, end_ns);
	close(ends[0]);
	return pid > 0 && finish(pid, heard ? end_ns : clock_boot_ns()) && heard;
}
