/* Of those who have a list of what they may do. */
#include <linux/capability.h>
#include <seccomp.h>
#include <stddef.h>

#include "proc/sandbox.h"

#define CALL(name) SCMP_SYS(name)
#define END        (-1)

/* What every role needs to run its loop, allocate, sort (qsort asks for the size of the memory),
 * tell the time, log, and end. */
static const int run_and_log[] = {CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_ctl), CALL(poll),
    CALL(ppoll), CALL(read), CALL(write), CALL(close), CALL(brk), CALL(munmap), CALL(mremap),
    CALL(madvise), CALL(clock_gettime), CALL(clock_gettime64), CALL(restart_syscall),
    CALL(rt_sigreturn), CALL(rt_sigprocmask), CALL(exit), CALL(exit_group), CALL(getpid),
    CALL(gettid), CALL(getrandom), CALL(futex), CALL(sysinfo), END};

/* The replay guard's file: it grows by a write, and what is stamped far ahead is on the disk before
 * it is granted. */
static const int replay_file[] = {CALL(pwrite64), CALL(msync), END};

/* Channels, and the descriptors that come over them. */
static const int channels[] = {CALL(recvmsg), CALL(sendmsg), CALL(fstat), CALL(newfstatat), END};

static const int datagrams[] = {CALL(recvmmsg), CALL(recvmmsg_time64), CALL(recvfrom), END};

/* Guarded pages for secrets. */
static const int secret_memory[] = {CALL(mlock), CALL(munlock), END};

static const int timers[] = {CALL(timerfd_settime), END};

/* The sockets were opened before: the back-end only talks. */
static const int netlink[] = {CALL(sendto), CALL(recvfrom), END};

static const int listeners[] = {CALL(accept4), CALL(accept), CALL(getsockopt), CALL(setsockopt),
    CALL(sendto), CALL(recvfrom), CALL(shutdown), END};

static const int *const doorman_calls[] = {
    run_and_log, channels, datagrams, secret_memory, timers, NULL};
static const int *const keeper_calls[] = {
    run_and_log, channels, secret_memory, timers, netlink, replay_file, NULL};
static const int *const desk_calls[] = {run_and_log, channels, listeners, timers, NULL};

static const int net_admin[] = {CAP_NET_ADMIN, END};

const struct sandbox_policy sandbox_doorman = {.calls = doorman_calls};
const struct sandbox_policy sandbox_keeper = {.calls = keeper_calls, .capabilities = net_admin};
const struct sandbox_policy sandbox_desk = {.calls = desk_calls};
