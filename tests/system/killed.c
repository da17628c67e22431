/* killed AT COMMAND...: runs the command and kills it before the AT'th of its system calls that can
 * change a file. Then it says which on standard error, and exits with 137; otherwise with the
 * command's own status. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const long calls[] = {
    SYS_write,
    SYS_writev,
    SYS_pwrite64,
    SYS_ftruncate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchownat,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_renameat2,
    SYS_flock,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_rename
    SYS_rename,
    SYS_link,
    SYS_unlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_chmod,
    SYS_creat,
#endif
};

static bool changes(uint64_t number, const uint64_t arguments[static 6])
{
	if (number == SYS_openat)
		return (arguments[2] & (O_CREAT | O_TRUNC | O_TMPFILE)) != O_DIRECTORY &&
		       (arguments[2] & (O_CREAT | O_TRUNC | O_TMPFILE)) != 0;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (number == (uint64_t)calls[i])
			return true;
	return false;
}

static pid_t start(char *argv[])
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		exit(2);
	raise(SIGSTOP);
	execv(argv[0], argv);
	exit(2);
}

/* At a stop: whether it is before the call that the process is not to make any more. */
static bool is_the_last(pid_t pid, long *left)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY ||
	    !changes(info.entry.nr, (uint64_t *)info.entry.args))
		return false;
	if (--*left > 0)
		return false;
	kill(pid, SIGKILL);
	fprintf(stderr, "KILLED before system call %llu\n", (unsigned long long)info.entry.nr);
	return true;
}

int main(int argc, char *argv[])
{
	long left = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	pid_t pid = left > 0 ? start(argv + 2) : -1;
	int status, deliver = 0;
	bool killed = false;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) != 0)
		return 2;
	for (;;) {
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)deliver);
		if (waitpid(pid, &status, 0) != pid)
			return 2;
		if (!WIFSTOPPED(status))
			break;
		deliver = 0;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			killed = killed || is_the_last(pid, &left);
		else if (WSTOPSIG(status) != SIGTRAP)
			deliver = WSTOPSIG(status);
	}
	return killed ? 128 + SIGKILL : WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
