#include "cmd/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define WORDS_MOST 32

/* exec only reads them. */
static void copy_words(char *to[static WORDS_MOST], const char *const argv[])
{
	size_t count = 0;

	while (count < WORDS_MOST - 1 && argv[count] != NULL)
		count++;
	memcpy(to, argv, count * sizeof *to);
	to[count] = NULL;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	errno = EINTR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* `report` gets errno when that fails, and is closed when it does not. */
_Noreturn static void become(const char *const argv[], int output, int error, int report)
{
	char *words[WORDS_MOST];
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC), failure;

	copy_words(words, argv);
	if (words[0] != NULL && nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
	    dup2(output < 0 ? nothing : output, STDOUT_FILENO) >= 0 &&
	    dup2(error < 0 ? nothing : error, STDERR_FILENO) >= 0)
		execvp(words[0], words);
	failure = errno;
	(void)!write(report, &failure, sizeof failure);
	_exit(127);
}

/* Errno of a program that could not be started, or 0. */
static int outcome(int report)
{
	int failure = 0;

	if (fd_read(report, &failure, sizeof failure) != sizeof failure)
		failure = 0;
	fd_close(report);
	return failure;
}

static bool listen_to(int output)
{
	char words[512];
	bool any = false;

	while (fd_read(output, words, sizeof words) > 0)
		any = true;
	fd_close(output);
	return any;
}

int run_program(const char *const argv[], bool *talks)
{
	int report[2], output[2] = {-1, STDERR_FILENO}, failure, status;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) != 0)
		return -1;
	if (talks != NULL && pipe2(output, O_CLOEXEC) != 0) {
		fd_close(report[0]);
		return fd_close(report[1]);
	}
	pid = fork();
	if (pid == 0)
		become(argv, output[1], STDERR_FILENO, report[1]);
	failure = errno;
	fd_close(report[1]);
	if (pid > 0)
		failure = outcome(report[0]);
	else
		fd_close(report[0]);
	if (talks != NULL) {
		fd_close(output[1]);
		*talks = listen_to(output[0]);
	}
	status = pid < 0 ? -1 : wait_for(pid);
	if (failure == 0)
		return status;
	errno = failure;
	return -1;
}

bool run_apart(const char *const argv[])
{
	int report[2], failure;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		signal(SIGHUP, SIG_IGN);
		pid = setsid() < 0 ? -1 : fork();
		if (pid == 0)
			become(argv, -1, -1, report[1]);
		failure = errno;
		if (pid < 0)
			(void)!write(report[1], &failure, sizeof failure);
		_exit(0);
	}
	failure = errno;
	fd_close(report[1]);
	if (pid > 0) {
		wait_for(pid);
		failure = outcome(report[0]);
	} else {
		fd_close(report[0]);
	}
	errno = failure;
	return failure == 0;
}
