/* Of those who have a list of what they may do. */
#include <linux/capability.h>
#include <seccomp.h>
#include <stddef.h>

#include "proc/sandbox.h"

#define CALL(name) SCMP_SYS(name)
#define END        (-1)

/* By what a role has to do, with room for how C libraries do it: glibc of Debian 12 and 13 and
 * musl, on x86-64, i386, arm64 and armhf. tests/unit/test_sandbox_libc.c calls each. What a machine
 * does not have is passed over there. */

/* What every role needs to run its loop. */
static const int run[] = {CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_ctl), CALL(poll),
    CALL(ppoll), CALL(ppoll_time64), CALL(read), CALL(close), CALL(futex), CALL(futex_time64),
    CALL(sched_yield), CALL(restart_syscall), CALL(rt_sigreturn), CALL(sigreturn),
    CALL(rt_sigprocmask), CALL(getpid), CALL(gettid), CALL(exit), CALL(exit_group), END};

/* To allocate and sort: for that C libraries ask for the size of the memory, or for processors. */
static const int memory[] = {CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(sysinfo),
    CALL(sched_getaffinity), END};

/* To log: by write, or by streams, of which musl's use writev, and glibc's look first where they
 * stand. To tell the time, where the kernel has put no code for that into the process. To have
 * randomness. */
static const int tell[] = {CALL(write), CALL(writev), CALL(lseek), CALL(_llseek),
    CALL(clock_gettime), CALL(clock_gettime64), CALL(gettimeofday), CALL(time), CALL(getrandom),
    END};

/* The replay guard's file: it grows by a write, and what is stamped far ahead is on the disk before
 * it is granted. */
static const int replay_file[] = {CALL(pwrite64), CALL(msync), END};

/* Channels, and the descriptors that come over them. */
static const int channels[] = {CALL(recvmsg), CALL(sendmsg), CALL(fstat), CALL(newfstatat),
    CALL(fstat64), CALL(fstatat64), CALL(statx), END};

/* Several in one call: between doorman and keeper, and datagrams. */
static const int many[] = {CALL(sendmmsg), CALL(recvmmsg), CALL(recvmmsg_time64), END};

static const int datagrams[] = {CALL(recvfrom), CALL(recv), END};

/* Guarded pages for secrets. */
static const int secret_memory[] = {CALL(mlock), CALL(munlock), END};

static const int timers[] = {CALL(timerfd_settime), CALL(timerfd_settime64), END};

/* The sockets were opened before: the back-end only talks. */
static const int netlink[] = {CALL(sendto), CALL(send), CALL(recvfrom), CALL(recv), END};

static const int listeners[] = {CALL(accept4), CALL(accept), CALL(getsockopt), CALL(setsockopt),
    CALL(sendto), CALL(send), CALL(recvfrom), CALL(recv), CALL(shutdown), END};

static const int *const doorman_calls[] = {
    run, memory, tell, channels, many, datagrams, secret_memory, timers, NULL};
static const int *const keeper_calls[] = {
    run, memory, tell, channels, many, secret_memory, timers, netlink, replay_file, NULL};
static const int *const desk_calls[] = {run, memory, tell, channels, listeners, timers, NULL};

static const int net_admin[] = {CAP_NET_ADMIN, END};

const struct sandbox_policy sandbox_doorman = {.calls = doorman_calls};
const struct sandbox_policy sandbox_keeper = {.calls = keeper_calls, .capabilities = net_admin};
const struct sandbox_policy sandbox_desk = {.calls = desk_calls};
