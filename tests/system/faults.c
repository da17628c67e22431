/* Preloaded: lets the FAULT_AT'th call of FAULT_CALL fail, in the role FAULT_ROLE of posternd
 * (`main`: also the tool), and says so on standard error; and says it when its process crashes.
 * Calls are counted by kind: memory, map, open, write, sync, rename, send, receive, socket. */
#undef _TIME_BITS
#undef _FILE_OFFSET_BITS /* or `open` would be another name for open64, and libraries call both */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static const char *wanted;
static long countdown;

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void crashed(int number)
{
	say("CRASHED\n");
	signal(number, SIG_DFL);
	raise(number);
}

__attribute__((constructor)) static void begin(int argc, char **argv)
{
	const char *where = getenv("FAULT_ROLE"), *at = getenv("FAULT_AT");
	const char *slash = strrchr(argv[0], '/');
	const char *program = slash == NULL ? argv[0] : slash + 1;
	const char *role = strncmp(program, "postern-", 8) == 0 ? program + 8 : "main";

	(void)argc;

	signal(SIGSEGV, crashed);
	signal(SIGABRT, crashed);
	signal(SIGBUS, crashed);
	signal(SIGFPE, crashed);
	if (strncmp(program, "postern", 7) != 0 || where == NULL || at == NULL ||
	    strcmp(where, role) != 0)
		return;
	countdown = strtol(at, NULL, 10);
	wanted = getenv("FAULT_CALL");
}

static bool fails(const char *kind, int error)
{
	if (wanted == NULL || strcmp(wanted, kind) != 0 || --countdown != 0)
		return false;
	say("FAULT\n");
	errno = error;
	return true;
}

void *malloc(size_t size)
{
	return fails("memory", ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails("memory", ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails("memory", ENOMEM) ? NULL : __libc_realloc(old, size);
}

/* The function of that name that would have been called. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return fails("map", ENOMEM) ? MAP_FAILED
	                            : NEXT(mmap)(at, size, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
	return fails("map", ENOMEM) ? MAP_FAILED
	                            : NEXT(mmap64)(at, size, protection, flags, fd, offset);
}

int open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return fails("open", EMFILE) ? -1 : NEXT(open)(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return fails("open", EMFILE) ? -1 : NEXT(openat)(folder, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return fails("open", EMFILE) ? -1 : NEXT(open64)(path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return fails("open", EMFILE) ? -1 : NEXT(openat64)(folder, path, flags, mode);
}

int fsync(int fd)
{
	return fails("sync", EIO) ? -1 : NEXT(fsync)(fd);
}

ssize_t write(int fd, const void *data, size_t size)
{
	/* Half of it, then a full disk. */
	if (fd > STDERR_FILENO && fails("write", ENOSPC)) {
		(void)!NEXT(write)(fd, data, size / 2);
		errno = ENOSPC;
		return -1;
	}
	return NEXT(write)(fd, data, size);
}

int rename(const char *from, const char *to)
{
	return fails("rename", EIO) ? -1 : NEXT(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	return fails("rename", EIO) ? -1 : NEXT(renameat)(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags)
{
	return fails("rename", EIO) ? -1 : NEXT(renameat2)(from_folder, from, to_folder, to, flags);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
	return fails("rename", EIO) ? -1 : NEXT(linkat)(from_folder, from, to_folder, to, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	return fails("send", ENOBUFS) ? -1 : NEXT(sendmsg)(fd, m, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	return fails("send", ENOBUFS) ? -1 : NEXT(send)(fd, data, size, flags);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	return fails("receive", ENOMEM) ? -1 : NEXT(recvmsg)(fd, m, flags);
}

int recvmmsg(int fd, struct mmsghdr *m, unsigned int count, int flags, struct timespec *timeout)
{
	return fails("receive", ENOMEM) ? -1 : NEXT(recvmmsg)(fd, m, count, flags, timeout);
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	return fails("receive", ENOMEM) ? -1 : NEXT(recv)(fd, data, size, flags);
}

int socket(int family, int kind, int protocol)
{
	return fails("socket", EMFILE) ? -1 : NEXT(socket)(family, kind, protocol);
}
