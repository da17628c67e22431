/* made_to_call PID NUMBER: has a process that waits in a system call make another one, without
 * arguments, as if its own code did. Prints what came of it: the value, or "signal N", by which the
 * process goes on. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifdef __x86_64__
#define INSTRUCTION    2   /* bytes of `syscall` */
#define RESTARTS_FIRST 512 /* ERESTARTSYS and its like, which no program sees */
#define RESTARTS_LAST  516

/* Its next stop, as ptrace tells it; -1 when it has ended. */
static int next_stop(pid_t pid, enum __ptrace_request how)
{
	int status;

	if (ptrace(how, pid, NULL, NULL) != 0 || waitpid(pid, &status, __WALL) != pid ||
	    !WIFSTOPPED(status))
		return -1;
	return status >> 8;
}

/* As it was in its own call: what the kernel would begin again by itself, it begins again. */
static int go_on(pid_t pid, struct user_regs_struct *r)
{
	long value = (long)r->rax;

	if ((long)r->orig_rax >= 0 && value <= -RESTARTS_FIRST && value >= -RESTARTS_LAST) {
		r->rax = r->orig_rax;
		r->rip -= INSTRUCTION;
	}
	r->orig_rax = (unsigned long long)-1;
	return ptrace(PTRACE_SETREGS, pid, NULL, r) == 0 &&
	               ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0
	           ? 0
	           : 2;
}

static int make_it_call(pid_t pid, unsigned long number)
{
	struct user_regs_struct before, r;
	int stop = 0;

	if (next_stop(pid, PTRACE_INTERRUPT) < 0 || ptrace(PTRACE_GETREGS, pid, NULL, &before) != 0)
		return 2;
	r = before;
	r.rax = number;
	r.orig_rax = (unsigned long long)-1;
	r.rip -= INSTRUCTION;
	r.rdi = r.rsi = r.rdx = r.r10 = r.r8 = r.r9 = 0;
	if (ptrace(PTRACE_SETREGS, pid, NULL, &r) != 0 ||
	    next_stop(pid, PTRACE_SYSCALL) != (SIGTRAP | 0x80) || /* before it, and after: */
	    next_stop(pid, PTRACE_SYSCALL) != (SIGTRAP | 0x80) ||
	    ptrace(PTRACE_GETREGS, pid, NULL, &r) != 0)
		return 2;
	if (r.rax != number) {
		printf("%lld\n", (long long)r.rax);
		return go_on(pid, &before);
	}
	/* Not made, but put back: a signal follows. */
	stop = next_stop(pid, PTRACE_CONT);
	printf("signal %d\n", stop);
	return stop > 0 && ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)stop) == 0 ? 0 : 2;
}

int main(int argc, char *argv[])
{
	pid_t pid = argc == 3 ? (pid_t)strtol(argv[1], NULL, 10) : 0;

	if (pid <= 0 || ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD) != 0) {
		perror("made_to_call");
		return 2;
	}
	return make_it_call(pid, strtoul(argv[2], NULL, 10));
}
#else
int main(void)
{
	return 77; /* not on this machine */
}
#endif
