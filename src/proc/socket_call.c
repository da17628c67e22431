#include "proc/socket_call.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined __i386__
#define ARGUMENTS(registers) ((registers)[REG_ECX])
#define RESULT(registers)    ((registers)[REG_EAX])
#elif defined __s390x__
#define ARGUMENTS(registers) ((registers)[3])
#define RESULT(registers)    ((registers)[2])
#endif

#ifdef ARGUMENTS
/* A socket(2) that the filter refuses comes back here, too, while the first one is under way. */
static void judge_anew(int signal, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	long result = -EPERM;
	int before = errno;

	(void)signal;
	if (info->si_syscall == SYS_socketcall) {
		const long *a = (const long *)ARGUMENTS(interrupted->uc_mcontext.gregs);

		result = syscall(SYS_socket, a[0], a[1], a[2]);
		result = result == -1 ? -errno : result;
	}
	RESULT(interrupted->uc_mcontext.gregs) = (greg_t)result;
	errno = before;
}

bool socket_call_prepare(void)
{
	struct sigaction action = {.sa_sigaction = judge_anew, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigemptyset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL) == 0;
}
#else
bool socket_call_prepare(void)
{
	return true;
}
#endif
