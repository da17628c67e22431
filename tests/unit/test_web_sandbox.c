/* postern-web's sandbox, its layers alone, in a process of root's with everything that root can do:
 * the filter, which lets it ask the daemon and no more, and Landlock. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulated.h"
#include "http/landlock.h"
#include "http/sandbox.h"
#include "layers.h"

static const struct sandbox_program web = {.user = "postern-web", .asks = true, .landlock = true};

#ifdef SYS_socketcall
#define OTHER_SOCKET 0 /* which it is no filter sees */
#else
#define OTHER_SOCKET (-1)
#endif

static char file[] = "/tmp/postern-web-XXXXXX";
static struct sockaddr_un control = {.sun_family = AF_UNIX};

static int asks(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)&control, sizeof control) == 0 ? 0
	                                                                                      : 1;
}

static int makes_a_stream(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : 1;
}

static int reaches_the_network(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : 1;
}

static int binds(void)
{
	return syscall(SYS_bind, -1, NULL, 0) == 0 ? 0 : 1;
}

static int starts_a_program(void)
{
	return syscall(SYS_execve, NULL, NULL, NULL) == 0 ? 0 : 1;
}

static int makes_a_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0 ? 0 : 1;
}

static int reads_a_file(void)
{
	return open(file, O_RDONLY) >= 0 ? 0 : 1;
}

static int writes_a_file(void)
{
	return open(file, O_WRONLY) >= 0 ? 0 : 1;
}

static int removes_a_file(void)
{
	return unlink(file) == 0 ? 0 : 1;
}

/* The status with which a process ends that does it behind what is closed; -1: it was ended. */
static int outcome(int (*act)(void), bool closed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(closed && !sandbox_close(&web, false) ? 9 : act());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int listen_at_control(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(control.sun_path, sizeof control.sun_path, "/tmp/postern-web-control-%d",
	    (int)getpid());
	assert_int_equal(bind(fd, (const struct sockaddr *)&control, sizeof control), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void the_filter_alone(void **state)
{
	static const struct {
		int (*act)(void);
		int behind;
	} rows[] = {{asks, 0}, {makes_a_stream, OTHER_SOCKET}, {reaches_the_network, OTHER_SOCKET},
	    {binds, -1}, {starts_a_program, -1}, {makes_a_process, -1}, {reads_a_file, 1},
	    {removes_a_file, -1}};
	int fd;

	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0 || is_emulated("seccomp"))
		skip();
	fd = listen_at_control();
	layer_files = false;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (outcome(rows[i].act, true) != rows[i].behind)
			fail_msg("row %zu", i);
	layer_files = true;
	close(fd);
	unlink(control.sun_path);
}

static void the_files_alone(void **state)
{
	static int (*const acts[])(void) = {reads_a_file, writes_a_file, removes_a_file};
	int fd;

	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0 || is_emulated("Landlock") ||
	    landlock_lacking() != 0)
		skip();
	fd = listen_at_control();
	layer_calls = false;
	assert_int_equal(outcome(asks, true), 0);
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		assert_int_equal(outcome(acts[i], true), 1);
		assert_int_equal(outcome(acts[i], false), 0);
	}
	layer_calls = true;
	close(fd);
	unlink(control.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_filter_alone), cmocka_unit_test(the_files_alone)};
	int fd = mkstemp(file), status;

	close(fd);
	status = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	return status;
}
