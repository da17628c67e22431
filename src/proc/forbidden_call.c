#include "proc/forbidden_call.h"

#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define CALLS_MOST 512 /* numbers that have a name here */
#define NAME_BYTES 32

/* Looked up beforehand: a signal handler must not allocate. */
static char names[CALLS_MOST][NAME_BYTES];

static void learn_names(void)
{
	for (int i = 0; i < CALLS_MOST; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

		if (name != NULL)
			snprintf(names[i], sizeof names[i], "%s", name);
		free(name);
	}
}

static void report(int signal, siginfo_t *info, void *context)
{
	int call = info->si_syscall;
	char number[16];

	(void)signal;
	(void)context;
	snprintf(number, sizeof number, "%d", call);
	log_event(LOG_LEVEL_ERROR,
	    "forbidden system call, ending; if this is no attack, the C library here needs a call "
	    "that Postern does not know of: report it",
	    "call", call >= 0 && call < CALLS_MOST && names[call][0] != '\0' ? names[call] : "?",
	    "number", number, NULL);
	/* The signal is blocked here, so that the next forbidden call ends the process by it. */
	syscall(SYS_rt_sigaction, 0, NULL, NULL, 0);
	_exit(1);
}

bool forbidden_call_report(void)
{
	struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};

	learn_names();
	sigemptyset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL) == 0;
}
