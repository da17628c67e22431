#include "http/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/filters.h"
#include "base/log.h"
#include "base/unused_uids.h"
#include "http/landlock.h"

#define DESCRIPTORS_OWN 64 /* listeners, epoll, timer, signals, standard streams */

static bool without_filter, without_landlock;

static bool limit_is_set(int result, const char *what)
{
	if (result == 0)
		return true;
	log_line(LOG_LEVEL_ERROR, "cannot limit %s: %s", what, strerror(errno));
	return false;
}

bool sandbox_limits(uint32_t connections)
{
	const struct rlimit none = {0, 0};
	const struct rlimit enough = {connections + DESCRIPTORS_OWN, connections + DESCRIPTORS_OWN};

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		log_line(LOG_LEVEL_ERROR, "cannot forbid dumps: %s", strerror(errno));
		return false;
	}
	return limit_is_set(setrlimit(RLIMIT_CORE, &none), "core dumps") &&
	       limit_is_set(setrlimit(RLIMIT_NOFILE, &enough),
	           "descriptors to what --max-connections needs");
}

static bool find_unused(const char *user, uid_t *uid, gid_t *gid)
{
	for (uid_t id = UNUSED_UID_LAST; id >= UNUSED_UID_FIRST; id--) {
		if (getpwuid(id) == NULL && getgrgid(id) == NULL) {
			*uid = id;
			*gid = id;
			log_line(LOG_LEVEL_WARN, "there is no user %s: running as unused uid %u",
			    user, id);
			return true;
		}
	}
	log_line(LOG_LEVEL_ERROR, "there is no user %s and no unused uid", user);
	return false;
}

static bool find_user(
    const struct sandbox_program *program, const char *name, uid_t *uid, gid_t *gid)
{
	const struct passwd *entry = getpwnam(name != NULL ? name : program->user);

	if (entry == NULL && name == NULL)
		return find_unused(program->user, uid, gid);
	if (entry == NULL) {
		log_event(LOG_LEVEL_ERROR, "there is no such user", "user", name, NULL);
		return false;
	}
	*uid = entry->pw_uid;
	*gid = entry->pw_gid;
	if (*uid != 0 && *gid != 0)
		return true;
	log_event(
	    LOG_LEVEL_ERROR, "not to be run with root's rights", "user", entry->pw_name, NULL);
	return false;
}

static int stay(const char *name)
{
	const struct passwd *entry = name != NULL ? getpwnam(name) : NULL;

	if (name != NULL && (entry == NULL || entry->pw_uid != getuid())) {
		log_event(LOG_LEVEL_ERROR, "only root can become another user", "user", name, NULL);
		return EXIT_PERMISSION;
	}
	if (getuid() != geteuid() || getgid() != getegid()) {
		log_line(LOG_LEVEL_ERROR, "not to be installed set-uid or set-gid");
		return EXIT_PERMISSION;
	}
	capng_clear(CAPNG_SELECT_ALL);
	/* The bounding set can only be cleared by who may; an empty permitted set and
	 * no_new_privs do as much. */
	if (capng_apply(CAPNG_SELECT_CAPS) == 0)
		return EXIT_DONE;
	log_line(LOG_LEVEL_ERROR, "cannot drop capabilities: %s", strerror(errno));
	return EXIT_FAILED;
}

int user_become(const struct sandbox_program *program, const char *name)
{
	uid_t uid = 0;
	gid_t gid = 0;

	if (geteuid() != 0)
		return stay(name);
	if (!find_user(program, name, &uid, &gid))
		return EXIT_CONFIG;
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) != 0) {
		log_line(LOG_LEVEL_ERROR,
		    "cannot become uid %u: %s (it takes CAP_SETUID and CAP_SETGID, and a user "
		    "namespace that has this uid and gid; or start it as another user than root)",
		    uid, strerror(errno));
		return EXIT_PERMISSION;
	}
	if (getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid ||
	    setuid(0) == 0) {
		log_line(LOG_LEVEL_ERROR, "root was not given up");
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

#if SANITIZED || !SANDBOXED
/* A debugger looks into this process's memory, and a sanitizer starts a process that does, when it
 * ends. */
bool sandbox_close(const struct sandbox_program *program, bool best)
{
	(void)program;
	(void)best;
	if (SANDBOXED)
		log_line(LOG_LEVEL_WARN, "built with a sanitizer: no sandbox");
	else
		log_line(
		    LOG_LEVEL_ERROR, "built with -Dsandbox=off, for debugging only: NO SANDBOX");
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}
#else
/* Where mmap and socketcall have theirs in memory, which no filter sees */
#if defined __i386__ || defined __s390x__
#define HIDDEN_ARGUMENTS 1
#else
#define HIDDEN_ARGUMENTS 0
#endif

/* Anything else ends the process. */
static const int allowed[] = {
    /* connections */
    SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    SCMP_SYS(recv), SCMP_SYS(send), SCMP_SYS(accept), SCMP_SYS(shutdown), SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(close),
    /* waiting */
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
    SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_settime64),
    SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
    /* log lines, timer and signal descriptors */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
    SCMP_SYS(fstat64), SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(lseek), SCMP_SYS(_llseek),
    /* memory */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(munlock),
    SCMP_SYS(sched_getaffinity),
    /* time, randomness, identity */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid),
    /* leaving, also by abort */
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(tgkill)};

/* Libraries try these and can live with the refusal. */
static const int refused[] = {
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(readlink),
    SCMP_SYS(ioctl), SCMP_SYS(prctl), SCMP_SYS(prlimit64), SCMP_SYS(sysinfo), SCMP_SYS(uname),
#if HIDDEN_ARGUMENTS /* of whatever kind it is, so that the service manager is not told of a stop \
                      */
    SCMP_SYS(socket)
#endif
};

/* To reach the control socket. Where a filter does not see which socket is asked for, it is of any
 * kind: Landlock and the unit stand behind it. */
static int allow_to_ask(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp control[] = {SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0),
	    SCMP_A1(SCMP_CMP_EQ, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
	int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);

	return failed != 0 ? failed
	                   : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket),
	                         HIDDEN_ARGUMENTS ? 0 : 2, control);
}

static int filter_fill(scmp_filter_ctx filter, bool asks)
{
	const unsigned int exec = PROT_EXEC;
	const struct {
		int call;
		unsigned int count;
		struct scmp_arg_cmp arguments[2];
	} narrow[] = {
	/* Memory, but none that can be executed. */
#if !HIDDEN_ARGUMENTS
		{SCMP_SYS(mmap), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0)}},
#elif defined __s390x__ /* which has nothing else */
		{SCMP_SYS(mmap), 0, {{0}}},
#endif
		{SCMP_SYS(mmap2), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0)}},
		{SCMP_SYS(mprotect), 1, {SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0)}},
		/* As a C library may abort */
		{SCMP_SYS(tkill), 1, {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)}},
#if !HIDDEN_ARGUMENTS
		/* A socket only to tell the service manager that we stop. */
		{SCMP_SYS(socket), 2,
		    {SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0),
		        SCMP_A1(SCMP_CMP_EQ, SOCK_DGRAM | SOCK_CLOEXEC, 0)}},
#endif
		/* Flags of a descriptor, no locks and owners. */
		{SCMP_SYS(fcntl), 1, {SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0)}},
		{SCMP_SYS(fcntl), 1, {SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0)}},
		{SCMP_SYS(fcntl64), 1, {SCMP_A1(SCMP_CMP_EQ, F_GETFL, 0)}},
		{SCMP_SYS(fcntl64), 1, {SCMP_A1(SCMP_CMP_EQ, F_SETFL, 0)}},
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof allowed / sizeof *allowed && failed == 0; i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < sizeof refused / sizeof *refused && failed == 0; i++)
		if (!asks || refused[i] != SCMP_SYS(socket))
			failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	for (size_t i = 0; i < sizeof narrow / sizeof *narrow && failed == 0; i++)
		failed = seccomp_rule_add_array(
		    filter, SCMP_ACT_ALLOW, narrow[i].call, narrow[i].count, narrow[i].arguments);
	return failed == 0 && asks ? allow_to_ask(filter) : failed;
}

static bool filter_load(bool asks)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int failed = filter == NULL ? -ENOMEM : filter_fill(filter, asks);

	if (failed == 0)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	if (failed != 0)
		log_event(LOG_LEVEL_ERROR, "cannot load the filter of system calls", "error",
		    strerror(-failed), NULL);
	return failed == 0;
}

/* Only where there is none: one that fails is no reason to go without. */
static bool go_without(const char *layer, const char *option, int err, bool best)
{
	char remedy[160];

	snprintf(remedy, sizeof remedy,
	    "a kernel with %s=y, and in a container a filter that lets %s by; or --sandbox best, "
	    "to go on without it",
	    option, layer);
	if (best)
		log_event(LOG_LEVEL_WARN,
		    "going on without a layer of the sandbox that is missing here", "layer", layer,
		    "error", strerror(err), "so", "only what is left limits the service", NULL);
	else
		log_event(LOG_LEVEL_ERROR, "a layer of the sandbox is missing here", "layer", layer,
		    "error", strerror(err), "remedy", remedy, NULL);
	return best;
}

static bool close_files(const struct sandbox_program *program, bool best)
{
	int lacking = program->landlock ? landlock_lacking() : 0;

	if (!program->landlock)
		return true;
	without_landlock = lacking != 0;
	if (lacking != 0)
		return go_without("Landlock", "CONFIG_SECURITY_LANDLOCK", lacking, best);
	if (landlock_close())
		return true;
	log_event(LOG_LEVEL_ERROR, "cannot close the file system", "error", strerror(errno), NULL);
	return false;
}

static bool close_calls(const struct sandbox_program *program, bool best)
{
	int lacking = filters_lacking();

	without_filter = lacking != 0;
	return lacking != 0 ? go_without("seccomp", "CONFIG_SECCOMP_FILTER", lacking, best)
	                    : filter_load(program->asks);
}

bool sandbox_close(const struct sandbox_program *program, bool best)
{
	const struct rlimit none = {0, 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		log_line(LOG_LEVEL_ERROR, "cannot give up new privileges: %s", strerror(errno));
		return false;
	}
	return limit_is_set(setrlimit(RLIMIT_NPROC, &none), "processes") &&
	       close_files(program, best) && close_calls(program, best);
}
#endif

const char *sandbox_left_out(void)
{
	return without_filter && without_landlock ? ", without Landlock and seccomp"
	       : without_filter                   ? ", without seccomp"
	       : without_landlock                 ? ", without Landlock"
	                                          : "";
}
