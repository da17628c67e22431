/* Each layer of the sandboxes alone: whatever the others would stop gets as far as this one. */
#include <arpa/inet.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulated.h"
#include "layers.h"
#include "proc/role.h"
#include "proc/sandbox.h"

#define SOMEBODY          61999 /* any uid but root's */
#define LAST_CALL         600   /* more than the kernel has */
#define PORT              61998
#define OTHER_ABI         0x40000000 /* x32, on x86-64 */
#define WHAT_BECOMES_CODE 66         /* PR_GET_MDWE */
#define FIRST_ROLE        ROLE_DOORMAN
#define LAST_ROLE         ROLE_DESK

static const struct sandbox_policy *const policies[] = {[ROLE_MAIN] = &sandbox_main,
    [ROLE_DOORMAN] = &sandbox_doorman,
    [ROLE_KEEPER] = &sandbox_keeper,
    [ROLE_DESK] = &sandbox_desk};

static pid_t other; /* of root */
static long landlock;

/* --- What is tried */

struct act {
	const char *name;
	bool (*done)(void); /* errno tells why not */
	long landlock;      /* the first version that knows of it */
};

static char room[] = "/tmp/postern-layers-XXXXXX";

static bool reads_a_file(void)
{
	return open("old", O_RDONLY) >= 0;
}

static bool writes_a_file(void)
{
	return open("old", O_WRONLY) >= 0;
}

static bool makes_a_file(void)
{
	return open("new", O_WRONLY | O_CREAT, 0600) >= 0;
}

static bool lists_a_folder(void)
{
	return open(".", O_RDONLY | O_DIRECTORY) >= 0;
}

static bool makes_a_folder(void)
{
	return mkdir("new", 0700) == 0;
}

static bool removes_a_file(void)
{
	return unlink("old") == 0;
}

static bool removes_a_folder(void)
{
	return rmdir("folder") == 0;
}

static bool renames(void)
{
	return rename("old", "new") == 0;
}

static bool links(void)
{
	return link("old", "folder/new") == 0;
}

static bool makes_a_symbolic_link(void)
{
	return symlink("old", "new") == 0;
}

static bool makes_a_fifo(void)
{
	return mkfifo("new", 0600) == 0;
}

static bool makes_a_device(void)
{
	return mknod("new", S_IFCHR | 0600, 0x103) == 0;
}

static bool empties_a_file(void)
{
	return truncate("old", 0) == 0;
}

static bool executes(void)
{
	char *const nothing[] = {NULL};

	execve("/bin/true", nothing, nothing);
	return false;
}

static bool names_a_unix_socket(void)
{
	const struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "new"};

	return bind(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&at, sizeof at) == 0;
}

static const struct sockaddr_in at_port = {.sin_family = AF_INET, .sin_port = 0x1234};

static bool listens_by_tcp(void)
{
	return bind(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&at_port,
	           sizeof at_port) == 0;
}

static bool connects_by_tcp(void)
{
	return connect(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&at_port,
	           sizeof at_port) == 0 ||
	       errno == ECONNREFUSED || errno == ENETUNREACH;
}

static bool connects_to_an_abstract_socket(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof room - 1;

	memcpy(at.sun_path + 1, room + 1, sizeof room - 2);
	return connect(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&at, size) == 0;
}

static bool signals_another(void)
{
	return kill(other, 0) == 0;
}

static bool becomes_somebody(void)
{
	return setuid(SOMEBODY - 1) == 0;
}

static bool becomes_root(void)
{
	return setuid(0) == 0;
}

static bool owns_a_file(void)
{
	return chown("old", SOMEBODY, SOMEBODY) == 0;
}

static bool makes_it_readable(void)
{
	return chmod("old", 0666) == 0;
}

static bool mounts(void)
{
	return mount("none", "folder", "tmpfs", 0, NULL) == 0;
}

static bool leaves_its_root(void)
{
	return chroot(".") == 0;
}

static bool has_a_name_space(void)
{
	return unshare(CLONE_NEWNS) == 0;
}

static bool traces(void)
{
	return ptrace(PTRACE_SEIZE, other, NULL, NULL) == 0;
}

static bool reads_memory(void)
{
	char byte;
	const struct iovec here = {&byte, 1}, there = {room, 1};

	return process_vm_readv(other, &here, 1, &there, 1, 0) == 1;
}

static bool sees_packets(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool has_a_low_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7)};

	return bind(socket(AF_INET, SOCK_DGRAM, 0), (const struct sockaddr *)&at, sizeof at) == 0;
}

static bool changes_the_clock(void)
{
	const struct timespec none = {.tv_sec = -1}; /* nothing changes if it is let through */

	return clock_settime(CLOCK_REALTIME, &none) == 0;
}

/* --- How it is tried */

static void prepare_room(void)
{
	int fd = open("old", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0 && write(fd, "text", 4) == 4);
	close(fd);
	assert_int_equal(mkdir("folder", 0700), 0);
}

static void clear_room(void)
{
	static const char *const files[] = {"old", "new", "folder/new"};

	umount2("folder", MNT_DETACH);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		unlink(files[i]);
	rmdir("folder");
	rmdir("new");
}

enum { DONE, REFUSED_PERMISSION, REFUSED_ACCESS, NOT_CLOSED, OTHERWISE };

static int outcome(const struct act *act)
{
	if (act->done())
		return DONE;
	return errno == EPERM ? REFUSED_PERMISSION : errno == EACCES ? REFUSED_ACCESS : OTHERWISE;
}

/* How a process of that role ends that tries it. */
static int status_of(enum role role, const struct act *act)
{
	uid_t uid = role == ROLE_MAIN ? 0 : SOMEBODY;
	int status;
	pid_t pid;

	prepare_room();
	pid = fork();
	if (pid == 0)
		_exit(sandbox_close(policies[role], uid, uid) ? outcome(act) : NOT_CLOSED);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	clear_room();
	return status;
}

static bool is_refused(int status)
{
	return WIFEXITED(status) &&
	       (WEXITSTATUS(status) == REFUSED_PERMISSION || WEXITSTATUS(status) == REFUSED_ACCESS);
}

static void only(bool *layer)
{
	layer_rights = layer == &layer_rights;
	layer_files = layer == &layer_files;
	layer_calls = layer == &layer_calls;
}

/* Each act is done where no layer is, or the refusals would mean nothing. */
static void all_are_refused(enum role role, const struct act *acts, size_t count, bool *layer)
{
	for (size_t i = 0; i < count; i++) {
		int status;

		if (acts[i].landlock > landlock)
			continue;
		only(NULL);
		status = status_of(role, &acts[i]);
		if (status != DONE)
			fail_msg("%s: %s cannot be done without a sandbox, either: %d",
			    role_name(role), acts[i].name, status);
		only(layer);
		status = status_of(role, &acts[i]);
		if (!is_refused(status))
			fail_msg("%s: %s: status %x", role_name(role), acts[i].name, status);
	}
}

#define ACT(name, ...)                   \
	{                                \
#name, name, __VA_ARGS__ \
	}
#define COUNT(acts) (sizeof(acts) / sizeof *(acts))

/* --- Landlock */

static void files_alone(void **state)
{
	static const struct act acts[] = {ACT(reads_a_file, 1), ACT(writes_a_file, 1),
	    ACT(makes_a_file, 1), ACT(lists_a_folder, 1), ACT(makes_a_folder, 1),
	    ACT(removes_a_file, 1), ACT(removes_a_folder, 1), ACT(renames, 1),
	    ACT(makes_a_symbolic_link, 1), ACT(makes_a_fifo, 1), ACT(makes_a_device, 1),
	    ACT(executes, 1), ACT(names_a_unix_socket, 1), ACT(links, 2), ACT(empties_a_file, 3),
	    ACT(listens_by_tcp, 4), ACT(connects_by_tcp, 4), ACT(signals_another, 6),
	    ACT(connects_to_an_abstract_socket, 6)};

	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0)
		skip();
	for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++)
		all_are_refused(role, acts, COUNT(acts), &layer_files);
}

/* --- User and capabilities */

static void rights_alone(void **state)
{
	static const struct act acts[] = {ACT(reads_a_file, 0), ACT(writes_a_file, 0),
	    ACT(makes_a_file, 0), ACT(removes_a_file, 0), ACT(signals_another, 0),
	    ACT(becomes_somebody, 0), ACT(becomes_root, 0), ACT(owns_a_file, 0),
	    ACT(makes_it_readable, 0), ACT(mounts, 0), ACT(leaves_its_root, 0),
	    ACT(has_a_name_space, 0), ACT(traces, 0), ACT(reads_memory, 0), ACT(sees_packets, 0),
	    ACT(has_a_low_port, 0), ACT(makes_a_device, 0)};

	(void)state;
	if (SANITIZED || getuid() != 0)
		skip();
	for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++)
		all_are_refused(role, acts, COUNT(acts), &layer_rights);
}

/* Root, with three or four capabilities. */
static void rights_of_main_alone(void **state)
{
	static const struct act refused[] = {ACT(becomes_somebody, 0), ACT(owns_a_file, 0),
	    ACT(mounts, 0), ACT(leaves_its_root, 0), ACT(has_a_name_space, 0),
	    ACT(has_a_low_port, 0), ACT(makes_a_device, 0)};

	(void)state;
	if (SANITIZED || getuid() != 0)
		skip();
	all_are_refused(ROLE_MAIN, refused, COUNT(refused), &layer_rights);
}

/* How a process ends that starts a set-uid program: 0 when that is not root. */
static int status_of_set_uid(const char *program, bool closed)
{
	char command[200];
	int status;
	pid_t pid;

	snprintf(command, sizeof command, "test $(%s -u) -ne 0", program);
	pid = fork();
	if (pid == 0) {
		if (closed ? sandbox_close(&sandbox_desk, SOMEBODY, SOMEBODY)
		           : setresuid(SOMEBODY, SOMEBODY, SOMEBODY) == 0)
			execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(9);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* NULL: in neither of the places for temporary files set-uid programs are root's. */
static const char *place_for_set_uid(void)
{
	static const char *const places[] = {"/tmp", "/var/tmp"};
	struct statvfs st;

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (statvfs(places[i], &st) == 0 && (st.f_flag & ST_NOSUID) == 0)
			return places[i];
	return NULL;
}

static void rights_stay_away(void **state)
{
	const char *place = place_for_set_uid();
	int open_status = -1, closed_status = -1, copied;
	char copy[64], command[200];

	(void)state;
	if (SANITIZED || getuid() != 0 || place == NULL)
		skip();
	snprintf(copy, sizeof copy, "%s/postern-set-uid-XXXXXX", place);
	close(mkstemp(copy));
	snprintf(command, sizeof command, "cp /usr/bin/id %s && chmod 4755 %s", copy, copy);
	copied = system(command);
	only(&layer_rights);
	if (copied == 0) {
		open_status = status_of_set_uid(copy, false);
		closed_status = status_of_set_uid(copy, true);
	}
	unlink(copy); /* before anything is asserted */
	assert_int_equal(copied, 0);
	assert_int_equal(open_status, 1 << 8);
	assert_int_equal(closed_status, 0);
}

/* --- seccomp */

static sigjmp_buf back;

static void caught(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

/* In place of the one that ends the process, so that one can try all of them. */
bool __wrap_forbidden_call_report(void)
{
	const struct sigaction action = {.sa_handler = caught};

	return sigaction(SIGSYS, &action, NULL) == 0;
}

static bool is_listed(const int *const *lists, int call)
{
	for (; *lists != NULL; lists++)
		for (const int *listed = *lists; *listed != -1; listed++)
			if (*listed == call)
				return true;
	return false;
}

/* The kernel's own, from its probes, which it shows to no filter: from anywhere else a crash. */
static bool is_unfiltered(int call)
{
#ifdef __x86_64__
	return call == 335 || call == 336;
#else
	return call < 0;
#endif
}

/* The number of calls that are not listed and were made, and the last of them. */
static int unlisted_calls(const struct sandbox_policy *policy, int *last)
{
	volatile int count = 0;

	layer_files = true; /* none of these calls is left out */
	for (volatile int call = 0; call < LAST_CALL; call++) {
		if (is_listed(policy->calls, call) || is_unfiltered(call))
			continue;
		if (sigsetjmp(back, 1) == 0) {
			/* What mmap and mprotect take third is PROT_EXEC, too. */
			syscall(call, 0, -1L, -1L, -1L, -1L, -1L);
			count++;
			*last = call;
		}
	}
	return count;
}

static bool makes_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool maps_code_to_write(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
	           0) != MAP_FAILED;
}

/* Without a filter, which on some processors does not see it. */
static void code_alone(void **state)
{
	static const struct act acts[] = {ACT(makes_code, 0), ACT(maps_code_to_write, 0)};

	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0 || prctl(WHAT_BECOMES_CODE, 0, 0, 0, 0) < 0)
		skip();
	only(NULL);
	for (size_t i = 0; i < COUNT(acts); i++) {
		assert_int_equal(status_of(ROLE_MAIN, &acts[i]), DONE);
		for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++)
			assert_int_equal(status_of(role, &acts[i]), REFUSED_ACCESS << 8);
	}
}

static void calls_alone(void **state)
{
	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0)
		skip();
	only(&layer_calls);
	for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++) {
		int status, last = 0;
		pid_t pid = fork();

		if (pid == 0) {
			alarm(20); /* a call that is made may wait */
			if (!sandbox_close(policies[role], SOMEBODY, SOMEBODY))
				_exit(2);
			if (unlisted_calls(policies[role], &last) != 0)
				_exit(fprintf(stderr, "%s: call %d\n", role_name(role), last) > 0);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* Root with all capabilities, and no call but by the list of what main is refused. */
static void calls_of_main_alone(void **state)
{
	static const struct act acts[] = {ACT(executes, 0), ACT(mounts, 0), ACT(leaves_its_root, 0),
	    ACT(has_a_name_space, 0), ACT(traces, 0), ACT(reads_memory, 0),
	    ACT(changes_the_clock, 0), ACT(sees_packets, 0)};
	int status, call = 0;
	pid_t pid;

	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0)
		skip();
	for (size_t i = 0; i < COUNT(acts); i++) {
		only(&layer_calls);
		status = status_of(ROLE_MAIN, &acts[i]);
		if (status != REFUSED_PERMISSION << 8)
			fail_msg("%s: status %x", acts[i].name, status);
	}
	pid = fork();
	if (pid == 0) {
		if (!sandbox_close(&sandbox_main, 0, 0))
			_exit(2);
		for (call = 0; call < LAST_CALL; call++)
			if (is_listed(sandbox_main.calls, call) &&
			    (syscall(call, -1L, -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM))
				_exit(fprintf(stderr, "main: call %d\n", call) > 0);
		/* It hides what it asks for, and is said not to exist. */
		_exit(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#ifdef __x86_64__
static bool calls_by_another_abi(void)
{
	return syscall(OTHER_ABI | SYS_getpid) > 0 || errno == ENOSYS;
}

static bool calls_as_a_32_bit_program(void)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory"); /* getpid */
	return result > 0 || result == -ENOSYS;
}

/* Not every kernel for x86-64 does. */
static bool kernel_runs_32_bit_programs(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(calls_as_a_32_bit_program() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFSIGNALED(status);
}

/* Whose numbers mean other calls. */
static void no_other_abi(void **state)
{
	static const struct act acts[] = {
	    ACT(calls_by_another_abi, 0), ACT(calls_as_a_32_bit_program, 0)};

	(void)state;
	if (SANITIZED || !SANDBOXED || getuid() != 0)
		skip();
	const size_t count = kernel_runs_32_bit_programs() ? COUNT(acts) : 1;

	for (enum role role = ROLE_MAIN; role <= LAST_ROLE; role++) {
		for (size_t i = 0; i < count; i++) {
			int status;

			only(NULL);
			assert_int_equal(status_of(role, &acts[i]), DONE);
			only(&layer_calls);
			status = status_of(role, &acts[i]);
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
				fail_msg(
				    "%s: %s: status %x", role_name(role), acts[i].name, status);
		}
	}
}
#endif

/* --- */

static int set_up(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = -1;

	(void)state;
	if (getuid() == 0 && (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
	                         mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (mkdtemp(room) == NULL || chdir(room) != 0 || chmod(room, 0755) != 0)
		return -1;
	memcpy(at.sun_path + 1, room + 1, sizeof room - 2);
	if (bind(fd, (struct sockaddr *)&at,
	        offsetof(struct sockaddr_un, sun_path) + sizeof room - 1) != 0 ||
	    listen(fd, 16) != 0)
		return -1;
	other = fork();
	if (other == 0) {
		pause();
		_exit(1);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	return chdir("/") == 0 && rmdir(room) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_alone),
	    cmocka_unit_test(rights_alone),
	    cmocka_unit_test(rights_of_main_alone),
	    cmocka_unit_test(rights_stay_away),
	    cmocka_unit_test(code_alone),
	    cmocka_unit_test(calls_alone),
	    cmocka_unit_test(calls_of_main_alone),
#ifdef __x86_64__
	    cmocka_unit_test(no_other_abi),
#endif
	};

	not_when_emulated("seccomp and no Landlock");
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
