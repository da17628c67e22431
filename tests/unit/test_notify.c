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

static void no_manager(void **state)
{
	(void)state;
	close(manager);
	notify_manager("READY=1");
	manager = dup(STDERR_FILENO);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(the_manager_is_told),
	    T(a_manager_that_does_not_listen),
	    T(no_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
