#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log_journal.h"
#include "emulated.h"
#include "proc/role.h"
#include "proc/sandbox.h"

#define SOMEBODY 61999 /* any uid but root's */

/* Where the filter does not see by which descriptor is sent (sandbox_hides_socket). */
#if defined(__i386__) || defined(__s390x__)
#define HIDES_SOCKET true
#else
#define HIDES_SOCKET false
#endif

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

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int by_value_with(const void *a, const void *b, void *context)
{
	(void)context;
	return by_value(a, b);
}

/* The C library allocates for that, and may ask how much memory there is. */
static void sort_many(void)
{
	enum { COUNT = 100000 };
	int *items = calloc(COUNT, sizeof *items);

	for (int i = 0; i < COUNT; i++)
		items[i] = i * 7919 % COUNT;
	qsort(items, COUNT, sizeof *items, by_value);
	qsort_r(items, COUNT, sizeof *items, by_value_with, NULL);
	free(items);
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
	if (fork() == 0)
		_exit(0);
}

static void become_root(void)
{
	syscall(SYS_setuid, 0);
}

static const struct {
	void (*act)(void);
	bool allowed;
} acts[] = {{signal_itself, true}, {look_at_seals, true}, {allocate, true}, {sort_many, true},
    {signal_another, false}, {kill_another, false}, {signal_by_fcntl, false}, {map_code, false},
    {make_code, false}, {open_file, false}, {open_socket, false}, {execute, false}, {trace, false},
    {make_process, false}, {become_root, false}};

static const struct sandbox_policy *const policies[] = {[ROLE_DOORMAN] = &sandbox_doorman,
    [ROLE_KEEPER] = &sandbox_keeper,
    [ROLE_DESK] = &sandbox_desk};

/* How a process of that role ends when it does this. */
static int status_after(enum role role, void (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!sandbox_close(policies[role], SOMEBODY, SOMEBODY))
			_exit(1);
		if (act != NULL)
			act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void start_another(void)
{
	other = fork();
	if (other == 0) {
		/* A test that fails does not end it. */
		if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY) == 0 &&
		    prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
			pause();
		_exit(1);
	}
}

static void end_another(void)
{
	assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

static void roles_do_their_own_and_nothing_else(void **state)
{
	(void)state;
	if (SANITIZED || getuid() != 0)
		skip();
	start_another();
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
	end_another();
}

/* --- The doorman's sockets, which outlive it */

static int its_socket;
static const struct sockaddr_in somewhere = {.sin_family = AF_INET};

static void connect_it(void)
{
	(void)connect(its_socket, (const struct sockaddr *)&somewhere, sizeof somewhere);
}

static void bind_it(void)
{
	(void)bind(its_socket, (const struct sockaddr *)&somewhere, sizeof somewhere);
}

static void set_an_option(void)
{
	static const int on = 1;

	setsockopt(its_socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

static void shut_it_down(void)
{
	shutdown(its_socket, SHUT_RDWR);
}

static void the_doorman_leaves_its_sockets_as_they_are(void **state)
{
	static void (*const changes[])(void) = {connect_it, bind_it, set_an_option, shut_it_down};

	(void)state;
	if (SANITIZED || getuid() != 0)
		skip();
	its_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(its_socket >= 0);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		int status = status_after(ROLE_DOORMAN, changes[i]);

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
	close(its_socket);
}

/* --- The journal's descriptor, by which nobody else is to be reached */

static char journal_path[] = "/tmp/postern-journal-XXXXXX";

static void write_to_journal(void)
{
	if (write(journal_fd(), "x", 1) != 1)
		_exit(3);
}

static void send_elsewhere(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct iovec part = {(char[]){"x"}, 1};
	const struct msghdr header = {
	    .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};

	sendmsg(journal_fd(), &header, MSG_DONTWAIT);
}

/* The kernel looks at the lower half alone. */
static void send_by_another_number(void)
{
	static const struct msghdr header;

	syscall(SYS_sendmsg, (long)((1ULL << 32) + (unsigned int)journal_fd()), &header, 0);
}

static void send_to_a_channel(void)
{
	static const struct msghdr header;

	sendmsg(its_socket, &header, MSG_DONTWAIT);
}

static int status_with_journal(enum role role, void (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!journal_connect("test", journal_path, false))
			_exit(2);
		if (!sandbox_close(policies[role], SOMEBODY, SOMEBODY))
			_exit(1);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void the_journal_is_written_to_and_no_more(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int journal = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)state;
	if (SANITIZED || getuid() != 0 || HIDES_SOCKET)
		skip();
	its_socket = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_true(mkstemp(journal_path) >= 0);
	unlink(journal_path);
	memcpy(at.sun_path, journal_path, sizeof journal_path);
	assert_int_equal(bind(journal, (const struct sockaddr *)&at, sizeof at), 0);
	for (enum role role = ROLE_DOORMAN; role <= ROLE_DESK; role++) {
		assert_int_equal(status_with_journal(role, write_to_journal), 0);
		assert_int_equal(status_with_journal(role, send_to_a_channel), 0);
		assert_true(WIFSIGNALED(status_with_journal(role, send_elsewhere)));
		assert_true(WIFSIGNALED(status_with_journal(role, send_by_another_number)));
	}
	unlink(journal_path);
	close(its_socket);
	close(journal);
}

/* --- Main */

static bool is_refused(long result)
{
	return result == -1 && errno == EPERM;
}

static bool executes_nothing(void)
{
	char *const nothing[] = {NULL};

	return is_refused(execve("/bin/true", nothing, nothing)) &&
	       is_refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", nothing, nothing, 0));
}

/* What it forks is in the same sandbox. */
static bool starts_nobody(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(executes_nothing() ? 0 : 1);
	return executes_nothing() && pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 &&
	       syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS;
}

static bool leaves_the_system_alone(void)
{
	const struct timespec when = {0};

	return is_refused(unshare(CLONE_NEWNS)) && is_refused(setns(0, 0)) &&
	       is_refused(mount("none", "/", "tmpfs", 0, NULL)) && is_refused(chroot("/")) &&
	       is_refused(ptrace(PTRACE_ATTACH, other, NULL, NULL)) &&
	       is_refused(clock_settime(CLOCK_REALTIME, &when)) &&
	       is_refused(syscall(SYS_bpf, 0, NULL, 0)) && is_refused(setuid(SOMEBODY));
}

/* It keeps the capability for that, to bind sockets to an interface. */
static bool sees_no_packet(void)
{
	const uint64_t high = (uint64_t)1
	                      << 32; /* where a long has no such half, the same once more */

	return is_refused(socket(AF_PACKET, SOCK_RAW, 0)) &&
	       is_refused(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) &&
	       is_refused(socket(AF_INET, SOCK_RAW, IPPROTO_UDP)) &&
	       is_refused(socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_UDP)) &&
	       is_refused((int)syscall(SYS_socket, (long)(AF_PACKET | high), SOCK_RAW, 0));
}

static bool binds_to_a_device_again(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (int i = 0; i < 2; i++)
		if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) != 0)
			return false;
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static char private_file[] = "/tmp/postern-sandbox-XXXXXX";

static bool reads_and_does_not_write(void)
{
	return open(private_file, O_RDONLY) >= 0 && open(private_file, O_WRONLY) == -1 &&
	       errno == EACCES;
}

static bool ends_another(void)
{
	return kill(other, 0) == 0;
}

static bool allocates_locked_memory(void)
{
	static const struct rlimit none = {0, 0};
	static char pages[1 << 16];

	return setrlimit(RLIMIT_MEMLOCK, &none) == 0 && mlock(pages, sizeof pages) == 0;
}

static void main_reads_and_ends_the_others(void **state)
{
	static bool (*const as_wanted[])(void) = {starts_nobody, leaves_the_system_alone,
	    sees_no_packet, binds_to_a_device_again, reads_and_does_not_write, ends_another,
	    allocates_locked_memory};
	int fd;

	(void)state;
	if (SANITIZED || getuid() != 0)
		skip();
	fd = mkstemp(private_file);
	assert_true(fd >= 0 && fchown(fd, SOMEBODY, SOMEBODY) == 0);
	start_another();
	for (size_t i = 0; i < sizeof as_wanted / sizeof *as_wanted; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(
			    sandbox_close(&sandbox_main, 0, 0) && as_wanted[i]() ? 0 : 1 + (int)i);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	end_another();
	unlink(private_file);
}

/* A service manager may have left it without some. */
static void main_does_with_less(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (SANITIZED || getuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		if (capng_get_caps_process() != 0)
			_exit(2);
		capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_IPC_LOCK);
		capng_update(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
		_exit(capng_apply(CAPNG_SELECT_CAPS) == 0 && sandbox_close(&sandbox_main, 0, 0) &&
		              capng_have_capability(CAPNG_EFFECTIVE, CAP_KILL) == 1
		          ? 0
		          : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(roles_do_their_own_and_nothing_else),
	    cmocka_unit_test(the_doorman_leaves_its_sockets_as_they_are),
	    cmocka_unit_test(the_journal_is_written_to_and_no_more),
	    cmocka_unit_test(main_reads_and_ends_the_others),
	    cmocka_unit_test(main_does_with_less)};

	not_when_emulated("seccomp and no Landlock");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
