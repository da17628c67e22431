/* The loop skeleton that every process shares: wait, call whoever is ready, repeat. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct loop {
	int epoll;
	bool stopped;
	/* A slice of what is to be done besides, while `working`: after each turn of whoever is
	 * ready, and without a wait in between. True while more of it is left. */
	bool (*work)(void *context);
	void *work_context;
	bool working;
};

/* Stays the caller's and must live while it is in the loop. */
struct loop_source {
	int fd;
	void (*ready)(void *context);
	void *context;
};

bool loop_open(struct loop *loop);
void loop_close(struct loop *loop);
/* Calls source->ready whenever the descriptor can be read or its far end is gone. */
bool loop_add(struct loop *loop, struct loop_source *source);
/* For one that was added: from now on when it can be written, or again when it can be read. */
bool loop_await_room(struct loop *loop, struct loop_source *source, bool room);
/* Takes a source out without closing its descriptor. Any source may be removed
 * at any time, also by itself. */
void loop_remove(struct loop *loop, struct loop_source *source);
/* One turn: waits up to so many ms (-1: as long as it takes), or not at all with work to do; calls
 * one of those that are ready; does a slice of work. False when there was nothing to do, or when
 * waiting itself failed. */
bool loop_turn(struct loop *loop, int wait_ms);
/* Runs until loop_stop; false when waiting itself failed. */
bool loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* As poll(), until a time of clock_boot_ns(). Not ppoll(): on 32-bit processors the one of Debian
 * 12's glibc takes a time of 64 bits for one of 32 with _FORTIFY_SOURCE, and does not wait. */
int loop_poll(struct pollfd *fds, nfds_t count, int64_t until_ns);
/* Waits for one descriptor, without a loop, until `until_ns` (CLOCK_BOOTTIME). True when it can be
 * read or its far end is gone; false with errno, 0 when the time is over. */
bool loop_wait_readable(int fd, int64_t until_ns);

/* A CLOCK_BOOTTIME timer descriptor, not yet set; -1 with errno. */
int timer_open(void);
/* First after `first_ns` (0: off), then each `interval_ns` (0: once). */
bool timer_set(int fd, int64_t first_ns, int64_t interval_ns);
/* A CLOCK_REALTIME one. timer_set() works on it as well. */
int timer_open_real(void);
/* At a time of that clock, and at once whenever the clock is set: nobody has to wake up now and
 * then to see whether it was. */
bool timer_set_at(int fd, int64_t when_real_ns);
/* Swallows what a timer descriptor has to say. */
void timer_read(int fd);

#endif
