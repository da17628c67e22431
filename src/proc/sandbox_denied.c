/* Of those of whom nobody knows what they need, so that they have a list of what is refused: main
 * and the two runners, with the administrator's programs. */
#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)
#define END        (-1)

/* A list of what scripts in any language may call would be a guess, so this is one of what none of
 * them has any business with: other processes' memory, name spaces, mounts, the kernel itself. */
static const int kernel[] = {CALL(bpf), CALL(delete_module), CALL(finit_module), CALL(init_module),
    CALL(kexec_file_load), CALL(kexec_load), CALL(perf_event_open), CALL(reboot), CALL(swapoff),
    CALL(swapon), CALL(syslog), CALL(acct), CALL(quotactl), CALL(userfaultfd), CALL(iopl),
    CALL(ioperm), CALL(io_uring_setup), CALL(io_uring_enter), CALL(io_uring_register),
    CALL(lookup_dcookie), CALL(nfsservctl), CALL(vhangup), END};
static const int spaces[] = {CALL(chroot), CALL(fsconfig), CALL(fsmount), CALL(fsopen),
    CALL(fspick), CALL(mount), CALL(mount_setattr), CALL(move_mount), CALL(open_by_handle_at),
    CALL(open_tree), CALL(pivot_root), CALL(setns), CALL(umount), CALL(umount2), CALL(unshare),
    END};
static const int others[] = {CALL(kcmp), CALL(pidfd_getfd), CALL(process_madvise),
    CALL(process_vm_readv), CALL(process_vm_writev), CALL(ptrace), CALL(add_key), CALL(keyctl),
    CALL(request_key), END};
static const int clocks[] = {CALL(adjtimex), CALL(clock_adjtime), CALL(clock_adjtime64),
    CALL(clock_settime), CALL(clock_settime64), CALL(settimeofday), CALL(stime), CALL(sethostname),
    CALL(setdomainname), END};

/* Main executes everybody before its sandbox closes, and nothing after that: what it forks to read
 * the configuration stays in the same sandbox. */
static const int processes[] = {CALL(execve), CALL(execveat), CALL(vfork), END};

/* The kernel looks at the lower half of what it takes for an int. */
#define INT_IS(n, value) AMONG(n, 0xffffffffU, (uint32_t)(value))
#define IS_NOT(n, value)                 \
	{                                \
		n, SCMP_CMP_NE, value, 0 \
	}
#define HAS(n, bits) AMONG(n, bits, bits)
#define AMONG(n, bits, is)                      \
	{                                       \
		n, SCMP_CMP_MASKED_EQ, bits, is \
	}

#define SET_UID       04000U
#define SET_GID       02000U
#define OF_TMPFILE    020000000U /* O_TMPFILE without O_DIRECTORY */
#define IOCTL_TYPE    0xff00U
#define WHO_PROCESS   1 /* of ioprio_set */
#define SETOWN_FD     0x8901U
#define SETOWN_SOCKET 0x8902U

/* Newer than some headers; the same number everywhere */
enum {
	CALL_FCHMODAT2 = 452,
	CALL_SETXATTRAT = 463,
	CALL_REMOVEXATTRAT = 466,
	CALL_FILE_SETATTR = 469
};

struct narrowed {
	int call;
	struct scmp_arg_cmp when[2]; /* both; the second may be left out */
};

/* Whoever may bind a socket to a device could listen to everybody there. */
static const struct narrowed for_main[] = {
    {CALL(socket), {INT_IS(0, AF_PACKET)}},
    {CALL(socket), {INT_IS(0, AF_INET), AMONG(1, 0xf, SOCK_RAW)}},
    {CALL(socket), {INT_IS(0, AF_INET6), AMONG(1, 0xf, SOCK_RAW)}},
};

static const struct narrowed for_all[] = {
    /* Others' limits, scheduling and priorities: only the caller's own. A thread is another, too.
     */
    {CALL(prlimit64), {IS_NOT(0, 0)}},
    {CALL(sched_setaffinity), {IS_NOT(0, 0)}},
    {CALL(sched_setattr), {IS_NOT(0, 0)}},
    {CALL(sched_setparam), {IS_NOT(0, 0)}},
    {CALL(sched_setscheduler), {IS_NOT(0, 0)}},
    {CALL(setpriority), {IS_NOT(0, 0)}},
    {CALL(setpriority), {IS_NOT(1, 0)}},
    {CALL(ioprio_set), {IS_NOT(0, WHO_PROCESS)}},
    {CALL(ioprio_set), {IS_NOT(1, 0)}},
    /* Signals to everybody, and those that a descriptor sends */
    {CALL(kill), {INT_IS(0, -1)}},
    {CALL(fcntl), {INT_IS(1, F_SETOWN)}},
    {CALL(fcntl), {INT_IS(1, F_SETOWN_EX)}},
    {CALL(fcntl64), {INT_IS(1, F_SETOWN)}},
    {CALL(fcntl64), {INT_IS(1, F_SETOWN_EX)}},
    {CALL(ioctl), {INT_IS(1, SETOWN_FD)}},
    {CALL(ioctl), {INT_IS(1, SETOWN_SOCKET)}},
    /* Memory that is nobody's */
    {CALL(mmap2), {HAS(3, MAP_SHARED | MAP_ANONYMOUS)}},
    /* Files that make whoever executes them somebody else */
    {CALL(open), {HAS(1, O_CREAT), HAS(2, SET_UID)}},
    {CALL(open), {HAS(1, O_CREAT), HAS(2, SET_GID)}},
    {CALL(open), {HAS(1, OF_TMPFILE), HAS(2, SET_UID)}},
    {CALL(open), {HAS(1, OF_TMPFILE), HAS(2, SET_GID)}},
    {CALL(openat), {HAS(2, O_CREAT), HAS(3, SET_UID)}},
    {CALL(openat), {HAS(2, O_CREAT), HAS(3, SET_GID)}},
    {CALL(openat), {HAS(2, OF_TMPFILE), HAS(3, SET_UID)}},
    {CALL(openat), {HAS(2, OF_TMPFILE), HAS(3, SET_GID)}},
    {CALL(creat), {HAS(1, SET_UID)}},
    {CALL(creat), {HAS(1, SET_GID)}},
    {CALL(mknod), {HAS(1, SET_UID)}},
    {CALL(mknod), {HAS(1, SET_GID)}},
    {CALL(mknodat), {HAS(2, SET_UID)}},
    {CALL(mknodat), {HAS(2, SET_GID)}},
    {CALL(chmod), {HAS(1, SET_UID)}},
    {CALL(chmod), {HAS(1, SET_GID)}},
    {CALL(fchmod), {HAS(1, SET_UID)}},
    {CALL(fchmod), {HAS(1, SET_GID)}},
    {CALL(fchmodat), {HAS(2, SET_UID)}},
    {CALL(fchmodat), {HAS(2, SET_GID)}},
    {CALL_FCHMODAT2, {HAS(2, SET_UID)}},
    {CALL_FCHMODAT2, {HAS(2, SET_GID)}},
};

static const int nobodys[] = {CALL(pidfd_send_signal), CALL(migrate_pages), CALL(move_pages),
    CALL(process_mrelease), CALL(shmget), CALL(semget), CALL(msgget), CALL(mq_open),
    CALL(memfd_create), CALL(memfd_secret), -1};

/* Landlock knows nothing of modes, owners, times and attributes, and at first not of truncating. */
static const struct narrowed for_root[] = {
    {CALL(open), {AMONG(1, O_ACCMODE | O_TRUNC, O_RDONLY | O_TRUNC)}},
    {CALL(open), {HAS(1, O_ACCMODE | O_TRUNC)}},
    {CALL(openat), {AMONG(2, O_ACCMODE | O_TRUNC, O_RDONLY | O_TRUNC)}},
    {CALL(openat), {HAS(2, O_ACCMODE | O_TRUNC)}},
    {CALL(socket), {INT_IS(0, AF_UNIX)}},
    /* Flags, versions and snapshots of files: by what each file system has numbered */
    {CALL(ioctl), {AMONG(1, IOCTL_TYPE, 'f' << 8)}},
    {CALL(ioctl), {AMONG(1, IOCTL_TYPE, 'r' << 8)}},
    {CALL(ioctl), {AMONG(1, IOCTL_TYPE, 'v' << 8)}},
    {CALL(ioctl), {AMONG(1, IOCTL_TYPE, 'X' << 8)}},
    {CALL(ioctl), {AMONG(1, IOCTL_TYPE, 0x9400)}},
    {CALL(ioctl), {AMONG(1, IOCTL_TYPE, 0xf500)}},
};

static const int denied_for_root[] = {CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL_FCHMODAT2,
    CALL(chown), CALL(fchown), CALL(lchown), CALL(fchownat), CALL(chown32), CALL(fchown32),
    CALL(lchown32), CALL(setxattr), CALL(fsetxattr), CALL(lsetxattr), CALL_SETXATTRAT,
    CALL(removexattr), CALL(fremovexattr), CALL(lremovexattr), CALL_REMOVEXATTRAT,
    CALL_FILE_SETATTR, CALL(utime), CALL(utimes), CALL(futimesat), CALL(utimensat),
    CALL(utimensat_time64), CALL(truncate), CALL(truncate64), -1};

static bool narrow_by(
    scmp_filter_ctx filter, uint32_t action, const struct narrowed *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (seccomp_rule_add_array(filter, action, calls[i].call,
		        calls[i].when[1].op == 0 ? 1 : 2, calls[i].when) != 0)
			return false;
	return true;
}

static bool narrow(scmp_filter_ctx filter, const struct narrowed *calls, size_t count)
{
	return narrow_by(filter, SCMP_ACT_ERRNO(EPERM), calls, count);
}

static bool deny(scmp_filter_ctx filter, const int *calls)
{
	for (; *calls != -1; calls++)
		if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), *calls, 0) != 0)
			return false;
	return true;
}

/* Whoever has the same user could end it, also where Landlock knows nothing of signals. */
static bool spare(scmp_filter_ctx filter, pid_t pid)
{
	const struct narrowed calls[] = {
	    {CALL(kill), {INT_IS(0, pid)}},
	    {CALL(tkill), {INT_IS(0, pid)}},
	    {CALL(tgkill), {INT_IS(1, pid)}},
	    {CALL(rt_sigqueueinfo), {INT_IS(0, pid)}},
	    {CALL(rt_tgsigqueueinfo), {INT_IS(1, pid)}},
	};

	return narrow(filter, calls, sizeof calls / sizeof *calls);
}

/* New name spaces by clone are refused; clone3 hides what it asks for, so that it is said not to
 * exist, and libc takes clone. */
static bool deny_clone(scmp_filter_ctx filter)
{
	/* s390x takes the stack first. */
	bool stack_first = seccomp_arch_exist(filter, SCMP_ARCH_S390X) == 0;
	const struct narrowed clone[] = {{CALL(clone), {HAS(stack_first ? 1 : 0, CLONE_NEWUSER)}}};

	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
	       narrow(filter, clone, 1);
}

static bool narrow_main(scmp_filter_ctx filter, bool root)
{
	uint32_t action = sandbox_hides_socket(filter) ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM);

	(void)root;
	return deny_clone(filter) &&
	       narrow_by(filter, action, for_main, sizeof for_main / sizeof *for_main);
}

/* As mmap2. i386 has that for it and can do without the one that hides what it asks for; s390x
 * cannot, so that there such memory is to be had. */
static bool narrow_mmap(scmp_filter_ctx filter)
{
	static const struct narrowed shared[] = {
	    {CALL(mmap), {HAS(3, MAP_SHARED | MAP_ANONYMOUS)}}};

	if (!sandbox_hides_mmap(filter))
		return narrow(filter, shared, 1);
	return seccomp_arch_exist(filter, SCMP_ARCH_X86) != 0 ||
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(mmap), 0) == 0;
}

/* Nothing that a runner starts reaches the runner or its parent, or anybody else, by signals,
 * limits, scheduling or priorities, or has memory that no limit counts and that outlives it, or
 * makes a set-uid file. As root, to whom every file and every root's service is open, it changes
 * nothing about a file that Landlock does not see, and connects to no UNIX socket: where that is
 * asked for out of sight, to none of any kind. */
static bool narrow_programs(scmp_filter_ctx filter, bool root)
{
	const pid_t group = getpgrp(); /* 0: of another PID namespace, so out of reach */

	/* openat2 hides its flags; who asks for it can do without. */
	return deny_clone(filter) && narrow_mmap(filter) &&
	       narrow(filter, for_all, sizeof for_all / sizeof *for_all) &&
	       spare(filter, getpid()) && spare(filter, getppid()) &&
	       (group == 0 || spare(filter, -group)) &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) == 0 &&
	       (!root || (narrow(filter, for_root, sizeof for_root / sizeof *for_root) &&
	                     deny(filter, denied_for_root)));
}

static const int *const main_denied[] = {kernel, spaces, others, clocks, processes, NULL};
static const int *const programs_denied[] = {kernel, spaces, others, clocks, nobodys, NULL};

/* To end the others at last, and for a reload: to read what root could read, keys into memory that
 * is locked. To bind sockets to an interface that is back, where one is named. */
static const int kill_read_and_bind[] = {
    CAP_KILL, CAP_DAC_READ_SEARCH, CAP_IPC_LOCK, CAP_NET_RAW, END};
static const int net_admin_and_raw[] = {CAP_NET_ADMIN, CAP_NET_RAW, END};

/* Reads the configuration again at a reload, as root, with whatever libc calls for that. */
const struct sandbox_policy sandbox_main = {.calls = main_denied,
    .narrow = narrow_main,
    .capabilities = kill_read_and_bind,
    .as_started = true};
const struct sandbox_policy sandbox_runner = {
    .calls = programs_denied, .narrow = narrow_programs, .executes = true};
const struct sandbox_policy sandbox_privileged_runner = {.calls = programs_denied,
    .narrow = narrow_programs,
    .capabilities = net_admin_and_raw,
    .executes = true};
