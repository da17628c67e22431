#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/sandbox.h"

#define SOMEBODY 61999 /* any uid but root's */

static pid_t other; /* of the same user as the sandboxed one */

static void signal_itself(void)
{
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0);
}

static void signal_another(void)
{
	syscall(SYS_tgkill, other, other, SIGKILL);
}

static void kill_another(void)
{
	kill(other, SIGKILL);
}

static void signal_by_fcntl(void)
{
	fcntl(3, F_SETOWN, other);
}

static void look_at_seals(void)
{
	fcntl(3, F_GET_SEALS);
}

static void allocate(void)
{
	free(malloc(1 << 20));
}

static void map_code(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void open_file(void)
{
	open("/etc/passwd", O_RDONLY);
}

static void open_socket(void)
{
	socket(AF_INET, SOCK_DGRAM, 0);
}

static void execute(void)
{
	char *const nothing[] = {NULL};

	execve("/bin/true", nothing, nothing);
}

static void trace(void)
{
	ptrace(PTRACE_ATTACH, other, NULL, NULL);
}

static void make_process(void)
{
	syscall(SYS_fork);
}

static void become_root(void)
{
	syscall(SYS_setuid, 0);
}

static const struct {
	void (*act)(void);
	bool allowed;
} acts[] = {{signal_itself, true}, {look_at_seals, true}, {allocate, true}, {signal_another, false},
    {kill_another, false}, {signal_by_fcntl, false}, {map_code, false}, {make_code, false},
    {open_file, false}, {open_socket, false}, {execute, false}, {trace, false},
    {make_process, false}, {become_root, false}};

/* How a process of that role ends when it does this. */
static int status_after(enum role role, void (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!sandbox_close(role, SOMEBODY, SOMEBODY))
			_exit(1);
		if (act != NULL)
			act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void roles_do_their_own_and_nothing_else(void **state)
{
	(void)state;
	if (SANITIZED || getuid() != 0)
		skip();
	other = fork();
	if (other == 0) {
		if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY) == 0)
			pause();
		_exit(1);
	}
	for (enum role role = ROLE_DOORMAN; role <= ROLE_DESK; role++) {
		assert_int_equal(status_after(role, NULL), 0);
		for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
			int status = status_after(role, acts[i].act);

			if (acts[i].allowed)
				assert_int_equal(status, 0);
			else
				assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
		}
	}
	assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(roles_do_their_own_and_nothing_else)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
