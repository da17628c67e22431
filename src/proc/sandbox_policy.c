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

static const int datagrams[] = {
    CALL(recvmmsg), CALL(recvmmsg_time64), CALL(recvfrom), CALL(recv), END};

/* Guarded pages for secrets. */
static const int secret_memory[] = {CALL(mlock), CALL(munlock), END};

static const int timers[] = {CALL(timerfd_settime), CALL(timerfd_settime64), END};

/* The sockets were opened before: the back-end only talks. */
static const int netlink[] = {CALL(sendto), CALL(send), CALL(recvfrom), CALL(recv), END};

static const int listeners[] = {CALL(accept4), CALL(accept), CALL(getsockopt), CALL(setsockopt),
    CALL(sendto), CALL(send), CALL(recvfrom), CALL(recv), CALL(shutdown), END};

static const int *const doorman_calls[] = {
    run, memory, tell, channels, datagrams, secret_memory, timers, NULL};
static const int *const keeper_calls[] = {
    run, memory, tell, channels, secret_memory, timers, netlink, replay_file, NULL};
static const int *const desk_calls[] = {run, memory, tell, channels, listeners, timers, NULL};

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

/* Main starts everybody before its sandbox closes, and nobody after that. */
static const int processes[] = {
    CALL(execve), CALL(execveat), CALL(fork), CALL(vfork), CALL(clone), END};

static const int *const main_denied[] = {kernel, spaces, others, clocks, processes, NULL};
static const int *const programs_denied[] = {kernel, spaces, others, clocks, NULL};

/* To end the others at last, and for a reload: to read what root could read, keys into memory that
 * is locked. To bind sockets to an interface that is back, where one is named. */
static const int kill_read_and_bind[] = {
    CAP_KILL, CAP_DAC_READ_SEARCH, CAP_IPC_LOCK, CAP_NET_RAW, END};
static const int net_admin[] = {CAP_NET_ADMIN, END};
static const int net_admin_and_raw[] = {CAP_NET_ADMIN, CAP_NET_RAW, END};

const struct sandbox_policy sandbox_policies[ROLE_COUNT] = {
    /* Reads the configuration again at a reload, as root, with whatever libc calls for that. */
    [ROLE_MAIN] = {.denied = main_denied, .no_raw = true, .capabilities = kill_read_and_bind},
    [ROLE_DOORMAN] = {.calls = doorman_calls},
    [ROLE_KEEPER] = {.calls = keeper_calls, .capabilities = net_admin},
    [ROLE_DESK] = {.calls = desk_calls},
    [ROLE_RUNNER] = {.denied = programs_denied, .executes = true},
    [ROLE_PRIVILEGED_RUNNER] = {.denied = programs_denied,
        .capabilities = net_admin_and_raw,
        .executes = true},
};
