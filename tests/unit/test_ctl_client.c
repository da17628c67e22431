/* The tool's end of the control socket against daemons of every kind. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"
#include "ctl/ctl_client.h"
#include "mapped_files.h"

#define PLENTY_NS (20 * NS_PER_SECOND)
#define LITTLE_NS (50 * NS_PER_MS)

/* --- Calls of the tool that fail when a test says so */

enum call { NO_CALL, SOCKET, SETSOCKOPT, SEND, SEND_SHORT, WAIT, RECV };
static enum call failing;
static int failing_with;

static bool fails(enum call call)
{
	if (failing == call)
		errno = failing_with;
	return failing == call;
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
	return fails(SOCKET) ? -1 : __real_socket(domain, type, protocol);
}

#if __SIZEOF_LONG__ == 4 /* as the C library calls it there */
#define __real_setsockopt __real___setsockopt64
#define __wrap_setsockopt __wrap___setsockopt64
#endif
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return fails(SETSOCKOPT) ? -1 : __real_setsockopt(fd, level, name, value, size);
}

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
	if (fails(SEND_SHORT))
		return (ssize_t)size - 1;
	return fails(SEND) ? -1 : __real_send(fd, data, size, flags);
}

bool __real_loop_wait_readable(int fd, int64_t deadline_ns);
bool __wrap_loop_wait_readable(int fd, int64_t deadline_ns);
bool __wrap_loop_wait_readable(int fd, int64_t deadline_ns)
{
	return fails(WAIT) ? false : __real_loop_wait_readable(fd, deadline_ns);
}

ssize_t __real_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
	return fails(RECV) ? -1 : __real_recv(fd, data, size, flags);
}

/* --- */

struct place {
	char folder[32];
	char path[48];
	int listener;
	pid_t daemon;
	unsigned int open_before;
};

static int listen_at(struct place *p)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	memcpy(name.sun_path, p->path, strlen(p->path) + 1);
	p->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	return bind(p->listener, (struct sockaddr *)&name, sizeof name) || listen(p->listener, 1);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	int result;

	*state = p;
	strcpy(p->folder, "/tmp/postern-ctl-XXXXXX");
	if (mkdtemp(p->folder) == NULL)
		return -1;
	snprintf(p->path, sizeof p->path, "%s/control", p->folder);
	result = listen_at(p);
	p->open_before = open_files();
	return result;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	bool left_open = p->listener >= 0 && open_files() != p->open_before;

	failing = NO_CALL;
	if (p->daemon > 0) {
		kill(p->daemon, SIGKILL);
		waitpid(p->daemon, NULL, 0);
	}
	close(p->listener);
	unlink(p->path);
	rmdir(p->folder);
	free(p);
	return left_open ? -1 : 0;
}

/* A daemon that takes one request, then sends `count` packets, and stays until the tool leaves. */
static void serve(struct place *p, const void *const *packets, const size_t *sizes, size_t count)
{
	char request[CONTROL_RECORD_BYTES];
	int peer;

	p->daemon = fork();
	if (p->daemon != 0)
		return;
	peer = accept(p->listener, NULL, NULL);
	if (recv(peer, request, sizeof request, 0) != CONTROL_HEADER_BYTES)
		_exit(1);
	for (size_t i = 0; i < count; i++)
		send(peer, packets[i], sizes[i], MSG_NOSIGNAL);
	if (sizes == NULL) /* leaves at once */
		_exit(0);
	while (recv(peer, request, sizeof request, 0) > 0)
		;
	_exit(0);
}

static void serve_records(struct place *p, const struct control_record *records, size_t count)
{
	static uint8_t packets[4][CONTROL_RECORD_BYTES];
	const void *list[4];
	size_t sizes[4] = {0};

	for (size_t i = 0; i < count; i++) {
		sizes[i] = control_encode(packets[i], &records[i]);
		list[i] = packets[i];
	}
	serve(p, list, sizes, count);
}

static void count_reply(void *context, const struct control_record *record)
{
	int *count = context;

	assert_int_equal(record->type, CONTROL_STAT);
	++*count;
}

static void answers_are_handed_on_until_done(void **state)
{
	static const struct control_record records[] = {
	    {.type = CONTROL_STAT, .stat = {.name = "a", .value = 1}},
	    {.type = CONTROL_STAT, .stat = {.name = "b", .value = 2}},
	    {.type = CONTROL_DONE},
	};
	struct place *p = *state;
	struct control_error error;
	int count = 0;

	serve_records(p, records, 3);
	assert_int_equal(
	    ctl_ask(p->path, CONTROL_STATS, PLENTY_NS, count_reply, &count, &error), CTL_DONE);
	assert_int_equal(count, 2);
}

static void a_refusal_brings_its_reason(void **state)
{
	const struct control_record record = control_error_of(CONTROL_FAULT_CONFIG, "line 3");
	struct place *p = *state;
	struct control_error error;

	serve_records(p, &record, 1);
	assert_int_equal(
	    ctl_ask(p->path, CONTROL_RELOAD, PLENTY_NS, NULL, NULL, &error), CTL_REFUSED);
	assert_int_equal(error.fault, CONTROL_FAULT_CONFIG);
	assert_string_equal(error.text, "line 3");
}

static void assert_garbled(struct place *p, const void *packet, size_t size)
{
	struct control_error error;

	serve(p, &packet, &size, 1);
	assert_int_equal(
	    ctl_ask(p->path, CONTROL_STATS, PLENTY_NS, NULL, NULL, &error), CTL_GARBLED);
}

static void another_version_is_garbled(void **state)
{
	static const uint8_t packet[] = {2, CONTROL_DONE, 0, 0};

	assert_garbled(*state, packet, sizeof packet);
}

static void a_request_is_no_answer(void **state)
{
	static const uint8_t packet[] = {1, CONTROL_STATS, 0, 0};

	assert_garbled(*state, packet, sizeof packet);
}

/* The part that fits the buffer would be a good record. */
static void a_packet_too_large_is_garbled(void **state)
{
	static uint8_t packet[CONTROL_RECORD_BYTES + 1] = {1, CONTROL_DONE, 0, 0};

	assert_garbled(*state, packet, sizeof packet);
}

static void an_answer_that_breaks_off_is_garbled(void **state)
{
	struct place *p = *state;
	struct control_error error;

	serve(p, NULL, NULL, 0);
	assert_int_equal(
	    ctl_ask(p->path, CONTROL_STATS, PLENTY_NS, NULL, NULL, &error), CTL_GARBLED);
}

static void an_answer_that_does_not_end_is_silence(void **state)
{
	static const struct control_record record = {
	    .type = CONTROL_STAT, .stat = {.name = "a", .value = 1}};
	struct place *p = *state;
	struct control_error error;
	int count = 0;

	serve_records(p, &record, 1);
	assert_int_equal(
	    ctl_ask(p->path, CONTROL_STATS, LITTLE_NS, count_reply, &count, &error), CTL_SILENT);
}

/* Nobody accepts: the queue takes the first callers, and then none. */
static void a_daemon_that_hangs_is_silence(void **state)
{
	struct place *p = *state;
	struct control_error error;

	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    ctl_ask(p->path, CONTROL_STATS, LITTLE_NS, NULL, NULL, &error), CTL_SILENT);
}

/* Whatever fails on the way to the answer and back. */
static void each_failure_is_told(void **state)
{
	static const struct {
		enum call call;
		int with;
		enum ctl_result result;
	} rows[] = {{SOCKET, EMFILE, CTL_FAILED}, {SETSOCKOPT, EDOM, CTL_FAILED},
	    {SETSOCKOPT, EPERM, CTL_NO_PERMISSION}, {SEND, EPIPE, CTL_GARBLED},
	    {SEND, EACCES, CTL_NO_PERMISSION}, {SEND, EAGAIN, CTL_SILENT}, {SEND, EIO, CTL_FAILED},
	    {SEND_SHORT, EMSGSIZE, CTL_FAILED}, {WAIT, 0, CTL_SILENT}, {WAIT, EPERM, CTL_FAILED},
	    {WAIT, EIO, CTL_FAILED}, {RECV, ECONNRESET, CTL_GARBLED}, {RECV, EAGAIN, CTL_SILENT},
	    {RECV, EIO, CTL_FAILED}};
	static const struct control_record done = {.type = CONTROL_DONE};
	struct place *p = *state;
	struct control_error error;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		close(p->listener);
		unlink(p->path);
		assert_int_equal(listen_at(p), 0);
		if (rows[i].call > SEND_SHORT)
			serve_records(p, &done, 1);
		failing = rows[i].call;
		failing_with = rows[i].with;
		assert_int_equal(
		    ctl_ask(p->path, CONTROL_STATS, PLENTY_NS, NULL, NULL, &error), rows[i].result);
		if (rows[i].result == CTL_FAILED)
			assert_int_equal(errno, rows[i].with);
		failing = NO_CALL;
		assert_int_equal(open_files(), p->open_before);
		if (rows[i].call > SEND_SHORT)
			waitpid(p->daemon, NULL, 0);
		p->daemon = 0;
	}
}

/* The longest path that fits, and one that is a byte longer; copies end where their memory does. */
static void a_path_may_be_as_long_as_the_kernel_takes(void **state)
{
	static const size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;
	struct control_error error;

	(void)state;
	for (size_t length = most; length <= most + 1; length++) {
		char *path = calloc(1, length + 1);

		assert_non_null(path);
		memset(path, 'x', length);
		memcpy(path, "/nonexistent/", 13);
		assert_int_equal(
		    ctl_ask(path, CONTROL_STATS, NS_PER_SECOND - 1, NULL, NULL, &error),
		    length == most ? CTL_NOT_RUNNING : CTL_FAILED);
		if (length > most)
			assert_int_equal(errno, ENAMETOOLONG);
		free(path);
	}
}

static void nobody_there(void **state)
{
	struct place *p = *state;
	struct control_error error;
	char long_path[200];

	close(p->listener); /* the socket file stays, as after kill -9 */
	assert_int_equal(
	    ctl_ask(p->path, CONTROL_STATS, PLENTY_NS, NULL, NULL, &error), CTL_NOT_RUNNING);
	unlink(p->path);
	assert_int_equal(
	    ctl_ask(p->path, CONTROL_STATS, PLENTY_NS, NULL, NULL, &error), CTL_NOT_RUNNING);
	memset(long_path, 'x', sizeof long_path - 1);
	long_path[sizeof long_path - 1] = '\0';
	assert_int_equal(
	    ctl_ask(long_path, CONTROL_STATS, PLENTY_NS, NULL, NULL, &error), CTL_FAILED);
	p->listener = -1;
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PLACED(answers_are_handed_on_until_done),
	    PLACED(a_refusal_brings_its_reason),
	    PLACED(another_version_is_garbled),
	    PLACED(a_request_is_no_answer),
	    PLACED(a_packet_too_large_is_garbled),
	    PLACED(an_answer_that_breaks_off_is_garbled),
	    PLACED(an_answer_that_does_not_end_is_silence),
	    PLACED(a_daemon_that_hangs_is_silence),
	    PLACED(each_failure_is_told),
	    PLACED(a_path_may_be_as_long_as_the_kernel_takes),
	    PLACED(nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
