/* The lists of what a role may call, against what C libraries call: glibc of this system and musl,
 * for this machine and for i386; and by names for machines on which nothing can be run here. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulated.h"
#include "proc/role.h"
#include "proc/sandbox.h"

#define FIRST_ROLE ROLE_DOORMAN
#define LAST_ROLE  ROLE_DESK
#define FILTER_FD  3 /* of libc_calls */

static const struct sandbox_policy *const policies[] = {[ROLE_DOORMAN] = &sandbox_doorman,
    [ROLE_KEEPER] = &sandbox_keeper,
    [ROLE_DESK] = &sandbox_desk};

static scmp_filter_ctx empty_for(uint32_t arch, uint32_t action)
{
	scmp_filter_ctx filter = seccomp_init(action);

	assert_non_null(filter);
	/* First: a filter has one order of bytes. */
	if (arch != seccomp_arch_native()) {
		assert_int_equal(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), 0);
		assert_int_equal(seccomp_arch_add(filter, arch), 0);
	}
	return filter;
}

static scmp_filter_ctx filter_for(uint32_t arch, enum role role)
{
	scmp_filter_ctx filter = empty_for(arch, SCMP_ACT_TRAP);

	assert_true(sandbox_allow(filter, policies[role]->calls));
	return filter;
}

static bool is_listed(enum role role, const char *name)
{
	bool found = false;

	/* By name: those of socketcall have two numbers. */
	for (const int *const *list = policies[role]->calls; !found && *list != NULL; list++) {
		for (const int *listed = *list; !found && *listed != -1; listed++) {
			char *its = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, *listed);

			found = its != NULL && strcmp(its, name) == 0;
			free(its);
		}
	}
	return found;
}

/* --- Run */

/* The filter lets signals through to this process alone, which becomes the program. */
static _Noreturn void become(const char *program, uint32_t arch, enum role role, const char *word)
{
	int fd = memfd_create("filter", 0), null = open("/dev/null", O_WRONLY);

	if (seccomp_export_bpf(filter_for(arch, role), fd) == 0 && dup2(null, STDERR_FILENO) >= 0 &&
	    dup2(fd, FILTER_FD) >= 0)
		execl(program, program, role_name(role), word, NULL);
	_exit(100);
}

static int status_of(const char *program, uint32_t arch, enum role role, const char *word)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		become(program, arch, role, word);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Not every kernel for x86-64 runs programs of i386. */
static bool runs_here(const char *program)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl(program, program, NULL);
		_exit(errno == ENOEXEC ? 101 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 101;
}

/* It does all, and where it finds itself spoilt it ends by the signal that says so. */
static void lives(const char *program, uint32_t arch)
{
	if (SANITIZED || access(program, X_OK) != 0 || !runs_here(program))
		skip();
	for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++) {
		int status = status_of(program, arch, role, NULL);

		if (status != 0)
			fail_msg("%s as %s: status %x", program, role_name(role), status);
		status = status_of(program, arch, role, "abort");
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg("%s as %s, abort: status %x", program, role_name(role), status);
	}
}

/* --- Traced: where QEMU takes no filter, it tells what is called */

static bool is_called_narrowly(const char *name)
{
	static const char *const names[] = {
	    "tgkill", "tkill", "fcntl", "fcntl64", "ioctl", "mprotect", "mmap2"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strcmp(name, "mmap") == 0 && seccomp_arch_native() != SCMP_ARCH_X86;
}

/* In a line such as "4711 read(3,0x40,16) = 16". False: it tells of no call. */
static bool name_of_call(char name[static 64], const char *line)
{
	int number;

	if (sscanf(line, "%*d Unknown syscall %d", &number) == 1) {
		char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

		snprintf(name, 64, "%s", known != NULL ? known : "?");
		free(known);
		return true;
	}
	/* Only these are not told by their own names. */
	if (sscanf(line, "%*d socketcall(%d", &number) == 1) {
		snprintf(name, 64, "%s",
		    number == 18   ? "accept4"
		    : number == 19 ? "recvmmsg"
		    : number == 20 ? "sendmmsg"
		                   : "?");
		return true;
	}
	return sscanf(line, "%*d %63[a-z0-9_](", name) == 1;
}

/* How many calls there were after the mark; each of them is listed. */
static int listed_calls(FILE *trace, enum role role)
{
	char line[4096], name[64];
	int count = -1;

	while (fgets(line, sizeof line, trace) != NULL) {
		if (!name_of_call(name, line))
			continue;
		if (strcmp(name, "getppid") == 0)
			count = 0;
		else if (count >= 0 && !is_called_narrowly(name) && !is_listed(role, name))
			fail_msg("%s: %s is called and not listed", role_name(role), name);
		count += count >= 0;
	}
	return count;
}

static void calls_only_what_is_listed(const char *program, const char *word)
{
	for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++) {
		char command[1024];
		FILE *trace;
		int count;

		snprintf(command, sizeof command, "%s -strace %s %s traced %s 2>&1 >/dev/null",
		    getenv("MESON_EXE_WRAPPER"), program, role_name(role), word);
		trace = popen(command, "re");
		assert_non_null(trace);
		count = listed_calls(trace, role);
		/* It did all that it was to do, or ended as it was to. */
		assert_int_equal(pclose(trace) == 0, *word == '\0');
		assert_true(count > (*word == '\0' ? 50 : 2));
	}
}

static void by_this_glibc(void **state)
{
	(void)state;
	if (is_emulated("seccomp: what it traces is compared with the lists")) {
		calls_only_what_is_listed(PROGRAMS "/libc_calls", "");
		calls_only_what_is_listed(PROGRAMS "/libc_calls", "abort");
		return;
	}
	lives(PROGRAMS "/libc_calls", seccomp_arch_native());
}

static void by_musl(void **state)
{
	(void)state;
	lives(PROGRAMS "/libc_calls_musl", seccomp_arch_native());
}

#ifdef __x86_64__
static void by_glibc_on_i386(void **state)
{
	(void)state;
	lives(PROGRAMS "/libc_calls_i386", SCMP_ARCH_X86);
}

static void by_glibc_on_i386_with_long_times(void **state)
{
	(void)state;
	lives(PROGRAMS "/libc_calls_i386_time64", SCMP_ARCH_X86);
}
#endif

/* --- By names */

static const uint32_t archs[] = {
    SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64, SCMP_ARCH_ARM, SCMP_ARCH_S390X};
static const char *const narrow[] = {
    "tgkill", "tkill", "fcntl", "fcntl64", "ioctl", "mprotect", "mmap2"};

/* What a machine has, by name; where sockets are called by another number, they are there, too. */
static bool has(uint32_t arch, const char *name)
{
	int call = seccomp_syscall_resolve_name_arch(arch, name);

	return call >= 0 ||
	       (call <= -101 && call >= -120 && (arch == SCMP_ARCH_X86 || arch == SCMP_ARCH_S390X));
}

/* Names under which other machines, or other C libraries, do the same. */
static const struct {
	const char *call;
	const char *also;
} twins[] = {{"clock_gettime", "clock_gettime64"}, {"futex", "futex_time64"}, {"poll", "ppoll"},
    {"ppoll", "ppoll_time64"}, {"epoll_wait", "epoll_pwait"}, {"recvmmsg", "recvmmsg_time64"},
    {"timerfd_settime", "timerfd_settime64"}, {"fstat", "newfstatat"}, {"fstat", "fstat64"},
    {"fstat", "statx"}, {"newfstatat", "fstatat64"}, {"sendto", "send"}, {"recvfrom", "recv"},
    {"accept4", "accept"}, {"rt_sigreturn", "sigreturn"}, {"write", "writev"}, {"lseek", "_llseek"},
    {"time", "clock_gettime"}, {"gettimeofday", "clock_gettime"}};

static void twins_stand_together(void **state)
{
	(void)state;
	for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++)
		for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
			if (is_listed(role, twins[i].call) && !is_listed(role, twins[i].also))
				fail_msg("%s: %s without %s", role_name(role), twins[i].call,
				    twins[i].also);
}

/* A call that a 32-bit machine has anew, with long times or files, under a name of that kind. */
static void no_new_name_is_missing(enum role role, const char *name)
{
	static const char *const ends[] = {"64", "_time64"};

	for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
		char longer[64];

		snprintf(longer, sizeof longer, "%s%s", name, ends[e]);
		if ((has(SCMP_ARCH_X86, longer) || has(SCMP_ARCH_ARM, longer)) &&
		    !is_listed(role, longer))
			fail_msg("%s: %s is not listed", role_name(role), longer);
	}
}

static bool has_twin(uint32_t arch, const char *name)
{
	for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
		if ((strcmp(twins[i].call, name) == 0 && has(arch, twins[i].also)) ||
		    (strcmp(twins[i].also, name) == 0 && has(arch, twins[i].call)))
			return true;
	return false;
}

/* Each call that is listed is there on each machine, or another one in its place. */
static void each_machine_has_its_own(void **state)
{
	(void)state;
	for (enum role role = FIRST_ROLE; role <= LAST_ROLE; role++) {
		for (const int *const *list = policies[role]->calls; *list != NULL; list++) {
			for (const int *call = *list; *call != -1; call++) {
				char *name =
				    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, *call);

				assert_non_null(name);
				no_new_name_is_missing(role, name);
				for (size_t a = 0; a < sizeof archs / sizeof *archs; a++)
					if (!has(archs[a], name) && !has_twin(archs[a], name))
						fail_msg("%s on %x: nothing does what %s does",
						    role_name(role), archs[a], name);
				free(name);
			}
		}
	}
}

/* The filter as text, which names what it looks at. */
static char *text_of(scmp_filter_ctx filter)
{
	int fd = memfd_create("text", 0);
	char *text;
	off_t size;

	assert_int_equal(seccomp_export_pfc(filter, fd), 0);
	size = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)size, 0), size);
	close(fd);
	return text;
}

static bool tells_of(const char *text, const char *name)
{
	char quoted[64];

	snprintf(quoted, sizeof quoted, "syscall \"%s\"", name);
	return strstr(text, quoted) != NULL;
}

static void filters_name_them(void **state)
{
	(void)state;
	for (size_t a = 0; a < sizeof archs / sizeof *archs; a++) {
		scmp_filter_ctx filter = filter_for(archs[a], ROLE_KEEPER);
		char *text = text_of(filter);

		for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++)
			if (has(archs[a], narrow[i]) && !tells_of(text, narrow[i]))
				fail_msg("%s on %x", narrow[i], archs[a]);
		/* That of i386 takes what no filter sees; arm has none. */
		if (archs[a] == SCMP_ARCH_X86)
			assert_false(tells_of(text, "mmap"));
		else if (has(archs[a], "mmap"))
			assert_true(tells_of(text, "mmap"));
		assert_false(tells_of(text, "open") || tells_of(text, "openat"));
		free(text);
		seccomp_release(filter);
	}
}

/* What is refused by one name on a 64-bit machine has others on those of 32, of which the
 * filter of x86-64 tells, too. */
static void what_is_refused_is_by_each_name(void **state)
{
	static const char *const calls[] = {"clock_settime", "clock_settime64", "clock_adjtime64",
	    "chown32", "fchown32", "lchown32", "truncate64", "fcntl64", "mmap2",
	    "utimensat_time64"};
	const uint32_t arch = seccomp_arch_native();
	scmp_filter_ctx filter = empty_for(arch, SCMP_ACT_ALLOW);
	const int *const *list = sandbox_privileged_runner.calls;
	char *text;

	(void)state;
	for (; *list != NULL; list++)
		for (const int *call = *list; *call != -1; call++)
			assert_int_equal(
			    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), *call, 0), 0);
	assert_true(sandbox_privileged_runner.narrow(filter, true));
	text = text_of(filter);
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if ((has(arch, calls[i]) || arch == SCMP_ARCH_X86_64) && !tells_of(text, calls[i]))
			fail_msg("%s", calls[i]);
	free(text);
	seccomp_release(filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(by_this_glibc),
	    cmocka_unit_test(by_musl),
#ifdef __x86_64__
	    cmocka_unit_test(by_glibc_on_i386),
	    cmocka_unit_test(by_glibc_on_i386_with_long_times),
#endif
	    cmocka_unit_test(twins_stand_together),
	    cmocka_unit_test(each_machine_has_its_own),
	    cmocka_unit_test(filters_name_them),
	    cmocka_unit_test(what_is_refused_is_by_each_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
