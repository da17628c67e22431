/* Word to the service manager. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/notify.h"

static int manager = -1;
static struct sockaddr_un place = {.sun_family = AF_UNIX};
static socklen_t place_size;

static int set_up(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof name, "@postern-test-notify-%d", getpid());
	memcpy(place.sun_path, name, strlen(name));
	place.sun_path[0] = '\0';
	place_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return manager < 0 || setenv("NOTIFY_SOCKET", name, 1) != 0 ||
	       bind(manager, (const struct sockaddr *)&place, place_size) != 0;
}

static int tear_down(void **state)
{
	(void)state;
	return close(manager);
}

static void the_manager_is_told(void **state)
{
	char said[64] = "";

	(void)state;
	notify_manager("READY=1");
	assert_int_equal(recv(manager, said, sizeof said, MSG_DONTWAIT), 7);
	assert_string_equal(said, "READY=1");
}

/* Comes back at all: it would wait for ever. */
static void a_manager_that_does_not_listen(void **state)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int sent = 0;

	(void)state;
	while (sendto(fd, "x", 1, 0, (const struct sockaddr *)&place, place_size) == 1)
		sent++;
	assert_true(sent > 0 && errno == EAGAIN);
	close(fd);
	notify_manager("STOPPING=1");
}

/* What comes with the next message, or -1. */
static int take_fd(char *said, size_t size)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec part = {said, size};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control};
	int fd = -1;

	memset(said, 0, size);
	assert_true(recvmsg(manager, &message, MSG_CMSG_CLOEXEC) > 0);
	if (message.msg_controllen > 0)
		memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
	return fd;
}

static void a_descriptor_comes_along(void **state)
{
	char said[64], back = 0;
	int ends[2], fd;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	notify_with("FDSTORE=1\nFDNAME=x", ends[1]);
	assert_int_equal(write(ends[1], "1", 1), 1); /* still ours */
	close(ends[1]);
	fd = take_fd(said, sizeof said - 1);
	assert_string_equal(said, "FDSTORE=1\nFDNAME=x");
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "2", 1), 1);
	close(fd);
	assert_int_equal(read(ends[0], &back, 1), 1);
	assert_int_equal(read(ends[0], &back, 1), 1);
	assert_int_equal(back, '2');
	close(ends[0]);
}

/* In a process of its own the manager gets to the barrier after a while; we have waited for that.
 */
static void what_was_told_is_waited_for(void **state)
{
	struct timespec begun, ended;
	int status = -1;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		char said[64];
		int fd;

		usleep(200000);
		fd = take_fd(said, sizeof said - 1);
		_exit(fd < 0 || strcmp(said, "BARRIER=1") != 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &begun);
	notify_wait();
	clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_true(
	    (ended.tv_sec - begun.tv_sec) * 1000 + (ended.tv_nsec - begun.tv_nsec) / 1000000 >=
	    190);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void no_manager(void **state)
{
	(void)state;
	close(manager);
	notify_manager("READY=1");
	notify_wait();
	manager = dup(STDERR_FILENO);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(the_manager_is_told),
	    T(a_manager_that_does_not_listen),
	    T(a_descriptor_comes_along),
	    T(what_was_told_is_waited_for),
	    T(no_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
