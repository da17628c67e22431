#include "proc/program_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

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
    {CALL(mmap), {HAS(3, MAP_SHARED | MAP_ANONYMOUS)}},
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

static const int denied_for_all[] = {CALL(pidfd_send_signal), CALL(migrate_pages), CALL(move_pages),
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

static bool narrow(scmp_filter_ctx filter, const struct narrowed *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), calls[i].call,
		        calls[i].when[1].op == 0 ? 1 : 2, calls[i].when) != 0)
			return false;
	return true;
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

bool sandbox_narrow_programs(scmp_filter_ctx filter, bool root)
{
	const pid_t group = getpgrp(); /* 0: of another PID namespace, so out of reach */

	/* openat2 hides its flags; who asks for it can do without. */
	return narrow(filter, for_all, sizeof for_all / sizeof *for_all) &&
	       deny(filter, denied_for_all) && spare(filter, getpid()) &&
	       spare(filter, getppid()) && (group == 0 || spare(filter, -group)) &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) == 0 &&
	       (!root || (narrow(filter, for_root, sizeof for_root / sizeof *for_root) &&
	                     deny(filter, denied_for_root)));
}
