#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

bool loop_open(struct loop *loop)
{
	loop->stopped = loop->working = false;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll >= 0;
}

void loop_close(struct loop *loop)
{
	loop->epoll = fd_close(loop->epoll);
}

bool loop_add(struct loop *loop, struct loop_source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) == 0;
}

bool loop_await_room(struct loop *loop, struct loop_source *source, bool room)
{
	struct epoll_event event = {.events = room ? EPOLLOUT : EPOLLIN, .data.ptr = source};

	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event) == 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

bool loop_turn(struct loop *loop, int wait_ms)
{
	/* One at a time: a handler may then remove any source without leaving a stale one behind
	 * in a batch. */
	struct epoll_event event;
	int ready = epoll_wait(loop->epoll, &event, 1, loop->working ? 0 : wait_ms);
	bool did = ready == 1 || loop->working;

	if (ready < 0)
		return errno == EINTR;
	if (ready == 1) {
		struct loop_source *source = event.data.ptr;

		source->ready(source->context);
	}
	if (loop->working && !loop->stopped)
		loop->working = loop->work(loop->work_context);
	return did;
}

bool loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		if (!loop_turn(loop, -1))
			return false;
	}
	return true;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

int loop_poll(struct pollfd *fds, nfds_t count, int64_t until_ns)
{
	int64_t left_ms = (until_ns - clock_boot_ns() + NS_PER_MS - 1) / NS_PER_MS;

	if (left_ms < 0)
		left_ms = 0;
	return poll(fds, count, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
}

bool loop_wait_readable(int fd, int64_t until_ns)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int count;

	do {
		errno = 0;
		count = loop_poll(&ready, 1, until_ns);
	} while (count < 0 && errno == EINTR);
	return count > 0;
}

int timer_open(void)
{
	return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
}

int timer_open_real(void)
{
	return timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
}

bool timer_set_at(int fd, int64_t when_real_ns)
{
	struct itimerspec when = {.it_value = clock_timespec(when_real_ns)};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) == 0;
}

bool timer_set(int fd, int64_t first_ns, int64_t interval_ns)
{
	struct itimerspec when = {
	    .it_value = clock_timespec(first_ns), .it_interval = clock_timespec(interval_ns)};

	return timerfd_settime(fd, 0, &when, NULL) == 0;
}

void timer_read(int fd)
{
	uint64_t times;

	while (read(fd, &times, sizeof times) < 0 && errno == EINTR)
		;
}
