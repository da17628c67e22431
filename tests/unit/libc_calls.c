/* libc_calls ROLE [abort]: loads the filter on descriptor 3 as it is, then does by its C library
 * what the role has to do, or aborts. Built with several of them, for the machine and for its
 * 32-bit sister; needs no other library. Exits with 0, or names the call that the filter has
 * refused. `traced` in place of a filter marks where it would be loaded, by asking for its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define FILTER_FD 3

/* The kernel's own, whose headers are not where every C library looks. */
#define MODE_FILTER 2
struct instruction {
	uint16_t code;
	uint8_t on_true;
	uint8_t on_false;
	uint32_t k;
};
struct program {
	unsigned short count;
	struct instruction *instructions;
};

static int pair[2], epoll, timer, file, listener;
static const char *doing = "nothing";

/* --- Any role */

static bool allocates(void)
{
	static const size_t sizes[] = {1, 100, 5000, 200000, 1 << 20, 40 << 20};
	char *blocks[sizeof sizes / sizeof *sizes];
	bool got = true;

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			char *more = NULL;

			blocks[i] = malloc(sizes[i]);
			if (blocks[i] != NULL)
				more = realloc(memset(blocks[i], 1, sizes[i]), sizes[i] * 2);
			if (more != NULL)
				blocks[i] = more;
			got = got && more != NULL;
		}
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			free(blocks[i]);
	}
	free(calloc(1000, 1000));
	return got && posix_memalign((void **)&blocks[0], 4096, 100000) == 0 &&
	       (free(blocks[0]), true);
}

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, 64);
}

static bool sorts(void)
{
	enum { COUNT = 50000, SIZE = 64 };
	unsigned char *items = malloc(COUNT * SIZE);

	for (size_t i = 0; items != NULL && i < COUNT * SIZE; i++)
		items[i] = (unsigned char)(i * 7919 >> 3);
	if (items == NULL)
		return false;
	qsort(items, COUNT, SIZE, by_value);
	qsort(items, 300, SIZE, by_value);
	free(items);
	return true;
}

static bool logs(void)
{
	char text[400];
	int size = snprintf(text, sizeof text, "%s %5.2f %-20s %llx %zu\n", "a line", 1.5, "wide",
	    0x123456789abcULL, sizeof text);

	return write(STDERR_FILENO, text, (size_t)size) == size &&
	       fprintf(stderr, "%s", text) > 0 && dprintf(STDERR_FILENO, "%d\n", size) > 0 &&
	       strerror(ENOENT) != NULL;
}

static bool tells_the_time(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	struct timespec now;
	struct timeval tv;
	struct tm tm;
	char text[64];
	time_t seconds;

	for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
		if (clock_gettime(clocks[i], &now) != 0)
			return false;
	seconds = time(NULL);
	return gettimeofday(&tv, NULL) == 0 && gmtime_r(&seconds, &tm) != NULL &&
	       strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0 &&
	       localtime_r(&seconds, &tm) != NULL && mktime(&tm) != -1;
}

/* What the kernel's own code in the process would answer otherwise. */
static bool tells_the_time_by_calls(void)
{
	long long now[4];

#ifdef SYS_clock_gettime64
	if (syscall(SYS_clock_gettime64, CLOCK_BOOTTIME, now) != 0)
		return false;
#endif
#ifdef SYS_gettimeofday
	if (syscall(SYS_gettimeofday, now, NULL) != 0)
		return false;
#endif
#ifdef SYS_time
	if (syscall(SYS_time, NULL) <= 0)
		return false;
#endif
#ifdef SYS_clock_gettime32 /* what musl calls it where there is one of 64 bits, too */
	return syscall(SYS_clock_gettime32, CLOCK_BOOTTIME, now) == 0;
#else
	return syscall(SYS_clock_gettime, CLOCK_BOOTTIME, now) == 0;
#endif
}

static bool has_randomness(void)
{
	unsigned char bytes[300];

	return getrandom(bytes, 256, 0) == 256 && getentropy(bytes, 200) == 0;
}

static bool waits(void)
{
	const struct timespec soon = {0, 1000};
	struct pollfd one = {pair[0], POLLIN, 0};
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t none;

	sigemptyset(&none);
	return poll(&one, 1, 1) == 0 && ppoll(&one, 1, &soon, &none) == 0 &&
	       epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event) == 0 &&
	       epoll_wait(epoll, &event, 1, 1) == 0 &&
	       epoll_pwait(epoll, &event, 1, 1, &none) == 0 &&
	       epoll_ctl(epoll, EPOLL_CTL_DEL, pair[0], NULL) == 0 &&
	       sigprocmask(SIG_BLOCK, &none, NULL) == 0 && sched_yield() == 0;
}

static bool waits_on_a_futex(void)
{
	static int word;
	const long long soon[2] = {0, 1000};

#ifdef SYS_futex_time64
	if (syscall(SYS_futex_time64, &word, 0, 0, soon, NULL, 0) != -1 || errno != ETIMEDOUT)
		return false;
#endif
#ifdef SYS_futex
	const long short_soon[2] = {0, 1000};

	if (syscall(SYS_futex, &word, 0, 0, short_soon, NULL, 0) != -1 || errno != ETIMEDOUT)
		return false;
#endif
	return soon[0] == 0;
}

static bool knows_itself(void)
{
	return getpid() > 0 && syscall(SYS_gettid) == getpid() && fcntl(file, F_GET_SEALS) >= 0;
}

/* --- By role */

static bool hands_on(void)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec piece = {&byte, 1};
	struct msghdr m = {.msg_iov = &piece,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof control};
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	struct stat st;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &file, sizeof file);
	return sendmsg(pair[0], &m, MSG_NOSIGNAL) == 1 &&
	       recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == 1 && fstat(file, &st) == 0 &&
	       st.st_size == 4096;
}

static bool maps(void)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);

	return page != MAP_FAILED && page[0] == 0 && munmap(page, 4096) == 0;
}

static bool sets_a_timer(void)
{
	const struct itimerspec soon = {.it_value = {0, 1000}};
	uint64_t count;

	return timerfd_settime(timer, 0, &soon, NULL) == 0 &&
	       read(timer, &count, sizeof count) == sizeof count;
}

static bool locks(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mlock(page, 4096) == 0 &&
	       mprotect(page, 4096, PROT_NONE) == 0 &&
	       mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0 && munlock(page, 4096) == 0 &&
	       munmap(page, 4096) == 0;
}

static char bytes[2][8];
static struct iovec pieces[2] = {{bytes[0], 8}, {bytes[1], 8}};
static struct mmsghdr many[2] = {{.msg_hdr = {.msg_iov = &pieces[0], .msg_iovlen = 1}},
    {.msg_hdr = {.msg_iov = &pieces[1], .msg_iovlen = 1}}};

static bool sends_many(void)
{
	return recvmmsg(pair[1], many, 2, MSG_DONTWAIT, NULL) == -1 && errno == EAGAIN &&
	       sendmmsg(pair[0], many, 2, MSG_NOSIGNAL) == 2 &&
	       recvmmsg(pair[1], many, 2, MSG_DONTWAIT, NULL) == 2;
}

static bool receives_datagrams(void)
{
	return recv(pair[1], bytes, 8, MSG_DONTWAIT) == -1 && errno == EAGAIN &&
	       recvfrom(pair[1], bytes, 8, MSG_DONTWAIT, NULL, NULL) == -1 && errno == EAGAIN;
}

static bool talks(void)
{
	char byte;

	return send(pair[0], "x", 1, MSG_NOSIGNAL) == 1 && recv(pair[1], &byte, 1, 0) == 1 &&
	       sendto(pair[0], "x", 1, MSG_NOSIGNAL, NULL, 0) == 1 &&
	       recvfrom(pair[1], &byte, 1, 0, NULL, NULL) == 1;
}

static bool writes_its_file(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	return page != MAP_FAILED && pwrite(file, "x", 1, 8191) == 1 &&
	       msync(page, 4096, MS_SYNC) == 0 &&
	       mremap(page, 4096, 8192, MREMAP_MAYMOVE) != MAP_FAILED;
}

static bool serves(void)
{
	int size, type;
	socklen_t length = sizeof type;

	size = 4096;
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) == -1 &&
	       errno == EAGAIN && accept(listener, NULL, NULL) == -1 && errno == EAGAIN &&
	       getsockopt(listener, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
	       setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0 &&
	       shutdown(pair[0], SHUT_RDWR) == 0 && close(pair[0]) == 0;
}

#define ALL     "doorman keeper desk"
#define ACT(to) #to, to

static const struct {
	const char *name;
	bool (*act)(void);
	const char *roles;
} acts[] = {{ACT(allocates), ALL}, {ACT(sorts), ALL}, {ACT(logs), ALL}, {ACT(tells_the_time), ALL},
    {ACT(tells_the_time_by_calls), ALL}, {ACT(has_randomness), ALL}, {ACT(waits), ALL},
    {ACT(waits_on_a_futex), ALL}, {ACT(knows_itself), ALL}, {ACT(hands_on), ALL}, {ACT(maps), ALL},
    {ACT(sets_a_timer), ALL}, {ACT(locks), "doorman keeper"}, {ACT(sends_many), "doorman keeper"},
    {ACT(receives_datagrams), "doorman"}, {ACT(talks), "keeper desk"},
    {ACT(writes_its_file), "keeper"}, {ACT(serves), "desk"}};

/* --- */

static void refused(int signal, siginfo_t *info, void *context)
{
	char text[200];
	int size = snprintf(
	    text, sizeof text, "%s: system call %d was refused\n", doing, info->si_syscall);

	(void)signal;
	(void)context;
	_exit(write(STDOUT_FILENO, text, (size_t)size) == size ? 2 : 3);
}

static bool prepare(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	const struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO};

	epoll = epoll_create1(EPOLL_CLOEXEC);
	timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	file = memfd_create("file", MFD_ALLOW_SEALING);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	tzset(); /* as log_open does */
	return epoll >= 0 && timer >= 0 && file >= 0 && ftruncate(file, 4096) == 0 &&
	       socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 &&
	       bind(listener, (const struct sockaddr *)&any, sizeof any) == 0 &&
	       listen(listener, 1) == 0 && sigaction(SIGSYS, &action, NULL) == 0;
}

static bool close_calls(void)
{
	static struct instruction filter[4096];
	ssize_t size = pread(FILTER_FD, filter, sizeof filter, 0);
	const struct program program = {(unsigned short)((size_t)size / sizeof *filter), filter};

	return size > 0 && (size_t)size < sizeof filter &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, MODE_FILTER, &program, 0, 0) == 0;
}

int main(int argc, char *argv[])
{
	bool traced = argc > 2 && strcmp(argv[2], "traced") == 0;

	if (argc < 2 || !prepare() || !(traced ? getppid() > 0 : close_calls())) {
		perror("libc_calls: cannot begin");
		return 4;
	}
	if (argc > 2 && strcmp(argv[argc - 1], "abort") == 0) {
		doing = "abort";
		abort();
	}
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		doing = acts[i].name;
		if (strstr(acts[i].roles, argv[1]) != NULL && !acts[i].act()) {
			dprintf(STDOUT_FILENO, "%s: error %d\n", doing, errno);
			return 5;
		}
	}
	return 0;
}
