#include "base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static int64_t now(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

int64_t clock_real_ns(void)
{
	return now(CLOCK_REALTIME);
}

int64_t clock_boot_ns(void)
{
	return now(CLOCK_BOOTTIME);
}

int64_t clock_asleep_ns(void)
{
	int64_t boot_ns = now(CLOCK_BOOTTIME);

	return boot_ns - now(CLOCK_MONOTONIC);
}

int64_t clock_spent_ns(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

/* Nanoseconds are a long, which may be shorter than what they are counted in here. */
struct timespec clock_timespec(int64_t ns)
{
	return (struct timespec){
	    .tv_sec = ns / NS_PER_SECOND, .tv_nsec = (long)(ns % NS_PER_SECOND)};
}

bool clock_boot_id(char id[static CLOCK_BOOT_ID_BYTES])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	memset(id, 0, CLOCK_BOOT_ID_BYTES);
	size = fd < 0 ? -1 : read(fd, id, CLOCK_BOOT_ID_BYTES - 1);
	fd_close(fd);
	return size > 0;
}

const char *clock_text(int64_t real_ns, char text[static CLOCK_TEXT_BYTES])
{
	int64_t rest = real_ns % NS_PER_SECOND;
	time_t seconds = (time_t)((real_ns - rest) / NS_PER_SECOND) - (rest < 0);
	struct tm tm = {0};

	gmtime_r(&seconds, &tm);
	strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return text;
}
