/* postern-echoip's sandbox, each layer alone: the filter in a process of root's with everything
 * that root can do, and the user without a filter. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/exit.h"
#include "emulated.h"
#include "http/sandbox.h"
#include "layers.h"

#ifdef SYS_mmap2
#define MMAP SYS_mmap2
#else
#define MMAP SYS_mmap
#endif

static const struct sandbox_program echoip = {.user = "postern-echoip"};

enum end { ENDED, REFUSED, GOES_ON };

/* What socketcall asks for no filter sees: there no socket is to be had, of whatever kind. */
#ifdef SYS_socketcall
#define ANY_SOCKET REFUSED
#define TO_MANAGER REFUSED
#else
#define ANY_SOCKET ENDED
#define TO_MANAGER GOES_ON
#endif

/* As the kernel sees them; what is 0 in the end was not given. */
static const struct call {
	const char *name;
	long number;
	long a[3];
	enum end end;
} calls[] = {
    {"execve", SYS_execve, {0}, ENDED},
    {"execveat", SYS_execveat, {0}, ENDED},
    {"clone", SYS_clone, {SIGCHLD}, ENDED},
    {"clone3", SYS_clone3, {0}, ENDED},
    {"socket inet", SYS_socket, {AF_INET, SOCK_STREAM}, ANY_SOCKET},
    {"socket unix stream", SYS_socket, {AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC}, ANY_SOCKET},
    {"socket netlink", SYS_socket, {AF_NETLINK, SOCK_RAW}, ANY_SOCKET},
    {"socket packet", SYS_socket, {AF_PACKET, SOCK_RAW}, ANY_SOCKET},
    {"bind", SYS_bind, {-1}, ENDED},
    {"connect", SYS_connect, {-1}, ENDED},
    {"listen", SYS_listen, {-1}, ENDED},
    {"kill", SYS_kill, {0, 0}, ENDED},
    {"tkill", SYS_tkill, {-1, 0}, ENDED},
    {"ptrace", SYS_ptrace, {PTRACE_TRACEME}, ENDED},
    {"process_vm_readv", SYS_process_vm_readv, {0}, ENDED},
    {"pidfd_open", SYS_pidfd_open, {1}, ENDED},
    {"unlinkat", SYS_unlinkat, {-1}, ENDED},
    {"mkdirat", SYS_mkdirat, {-1}, ENDED},
    {"fchmod", SYS_fchmod, {-1}, ENDED},
    {"fchown", SYS_fchown, {-1}, ENDED},
    {"truncate", SYS_truncate, {0}, ENDED},
    {"openat2", SYS_openat2, {-1}, ENDED},
    {"setuid", SYS_setuid, {0}, ENDED},
    {"setresuid", SYS_setresuid, {-1, -1, -1}, ENDED},
    {"capset", SYS_capset, {0}, ENDED},
    {"mount", SYS_mount, {0}, ENDED},
    {"unshare", SYS_unshare, {CLONE_NEWUSER}, ENDED},
    {"setns", SYS_setns, {-1}, ENDED},
    {"chroot", SYS_chroot, {0}, ENDED},
    {"bpf", SYS_bpf, {-1}, ENDED},
    {"memfd_create", SYS_memfd_create, {0}, ENDED},
    {"io_uring_setup", SYS_io_uring_setup, {0}, ENDED},
    {"keyctl", SYS_keyctl, {-1}, ENDED},
    {"setrlimit", SYS_setrlimit, {-1}, ENDED},
    {"code in new memory", MMAP, {0, 4096, PROT_READ | PROT_EXEC}, ENDED},
    {"code in old memory", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}, ENDED},
    {"who is told of a descriptor", SYS_fcntl, {-1, F_SETOWN, 1}, ENDED},
    {"duplicate", SYS_fcntl, {-1, F_DUPFD, 1}, ENDED},
    {"openat", SYS_openat, {AT_FDCWD, 0, O_RDONLY}, REFUSED},
    {"ioctl", SYS_ioctl, {-1}, REFUSED},
    {"prctl", SYS_prctl, {-1}, REFUSED},
    {"prlimit64", SYS_prlimit64, {0, -1}, REFUSED},
    {"socket to the service manager", SYS_socket, {AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC}, TO_MANAGER},
#ifdef SYS_socketcall
    {"socket by socketcall", SYS_socketcall, {1, -1}, REFUSED},
#endif
    {"getpid", SYS_getpid, {0}, GOES_ON},
};

static int status_of(const struct call *call, bool closed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		errno = 0;
		if (closed && !sandbox_close(&echoip, true))
			_exit(9);
		syscall(call->number, call->a[0], call->a[1], call->a[2], 0L, 0L, 0L);
		_exit(errno == EPERM ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is_as_wanted(int status, enum end end)
{
	if (end == ENDED)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	return status == (end == REFUSED ? 1 << 8 : 0);
}

static void the_filter_alone(void **state)
{
	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0 || is_emulated("seccomp"))
		skip();
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int status = status_of(&calls[i], true);

		if (!is_as_wanted(status, calls[i].end))
			fail_msg("%s: status %x", calls[i].name, status);
		if (calls[i].end == REFUSED && status_of(&calls[i], false) == status)
			fail_msg("%s is refused without a filter, too", calls[i].name);
	}
}

static char file[] = "/tmp/postern-echoip-XXXXXX";

static bool reads_roots_files(void)
{
	return open(file, O_RDONLY) >= 0;
}

static bool changes_roots_files(void)
{
	return chmod(file, 0666) == 0;
}

static bool signals_root(void)
{
	return kill(getppid(), 0) == 0;
}

static bool becomes_root(void)
{
	return setuid(0) == 0;
}

static bool keeps_groups(void)
{
	gid_t groups[64];

	return getgroups(64, groups) > 0 && (groups[0] == 0 || getgid() == 0);
}

static bool has_a_name_space(void)
{
	return unshare(CLONE_NEWNS) == 0;
}

static bool sees_packets(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static void the_user_alone(void **state)
{
	static bool (*const acts[])(void) = {reads_roots_files, changes_roots_files, signals_root,
	    becomes_root, keeps_groups, has_a_name_space, sees_packets};
	int fd, status;

	(void)state;
	if (getuid() != 0)
		skip();
	fd = mkstemp(file);
	assert_true(fd >= 0);
	close(fd);
	layer_calls = false;
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(!sandbox_limits(10) || user_become(&echoip, NULL) != EXIT_DONE ? 9
			      : acts[i]()                                                    ? 1
			                                                                     : 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("act %zu: status %x", i, status);
	}
	layer_calls = true;
	unlink(file);
}

static void the_limits_alone(void **state)
{
	struct rlimit limit;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (!sandbox_limits(10) || getrlimit(RLIMIT_CORE, &limit) != 0 ||
		    limit.rlim_max != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
		    limit.rlim_max != 74)
			_exit(9);
		for (int i = 0; i < 100; i++)
			if (dup(0) < 0)
				_exit(errno == EMFILE ? 0 : 2);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_filter_alone),
	    cmocka_unit_test(the_user_alone), cmocka_unit_test(the_limits_alone)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
