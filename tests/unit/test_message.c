#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "emulated.h"
#include "proc/channel.h"

/* The table once more, as the test knows it. */
static const struct {
	enum role from;
	enum role to;
	enum phase phase;
	uint32_t fds; /* their names, as bits */
	size_t size;
} table[MESSAGE_COUNT] = {
#define X(id, from, to, phase, fds, body, handler) \
	[MESSAGE_##id] = {ROLE_##from, ROLE_##to, PHASE_##phase, fds, sizeof(struct body)},
    MESSAGES(X)
#undef X
};

/* A message as it goes over the wire, made without channel_send. */
struct spoken {
	uint32_t type;
	size_t size; /* of the body */
	size_t fds;
	uint32_t names; /* of the descriptors, as bits */
};

#define SIZE_MOST (sizeof(union message_body) + 64)
#define FDS_MOST  16

static void say(int fd, const struct spoken *s)
{
	static uint8_t body[SIZE_MOST];
	uint32_t head[2] = {s->type, s->names};
	struct iovec parts[2] = {{head, sizeof head}, {body, s->size}};
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(FDS_MOST * sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
	int fds[FDS_MOST];

	for (size_t i = 0; i < FDS_MOST; i++)
		fds[i] = fd;
	if (s->fds > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(s->fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(s->fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, s->fds * sizeof(int));
	}
	assert_true(sendmsg(fd, &header, MSG_NOSIGNAL) >= 0);
}

enum { GOT_THROUGH, FORBIDDEN, CLOSED, ABORTED };

/* What ends the process comes back here instead: thousands of processes, one after the other, take
 * half a minute on a busy machine. That a process does end is tried with a few, below. */
static jmp_buf end_of_process;
static bool ends_here;

_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __real_abort(void);
_Noreturn void __wrap_abort(void);

void __wrap__exit(int status)
{
	if (ends_here && status == 1)
		longjmp(end_of_process, FORBIDDEN);
	__real__exit(status);
}

void __wrap_abort(void)
{
	if (ends_here)
		longjmp(end_of_process, ABORTED);
	__real_abort();
}

static void say_nothing(int *told)
{
	int null = open("/dev/null", O_WRONLY);

	*told = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
}

static void speak_again(int told)
{
	dup2(told, STDERR_FILENO);
	close(told);
}

/* What became of it where it was received. */
static int hear(enum role self, enum role peer, enum phase phase, const struct spoken *s)
{
	static struct message m;
	static int ends[2], told, came_to;
	struct channel c = {-1, self, peer};

	m = (struct message){.type = MESSAGE_COUNT, .fds = message_fds_none()};
	assert_true(channel_pair(ends));
	say(ends[0], s);
	c.fd = ends[1];
	say_nothing(&told);
	ends_here = true;
	came_to = setjmp(end_of_process);
	if (came_to == 0 && channel_receive(&c, &m, phase) != CHANNEL_MESSAGE)
		came_to = CLOSED;
	ends_here = false;
	speak_again(told);
	if (came_to == GOT_THROUGH) {
		assert_int_equal(m.type, s->type);
		for (int i = 0; i < FD_COUNT; i++)
			assert_int_equal(m.fds.fd[i] >= 0, (s->names & 1U << i) != 0);
	}
	message_fds_close(&m.fds);
	close(ends[0]);
	close(ends[1]);
	return came_to;
}

/* Sends what the table has for `type`, in the name of `self`. */
static int speak(enum role self, enum role peer, uint32_t type)
{
	static const union message_body body;
	static int ends[2], came_to;
	struct channel c = {-1, self, peer};

	assert_true(channel_pair(ends));
	c.fd = ends[0];
	ends_here = true;
	came_to = setjmp(end_of_process);
	if (came_to == 0)
		assert_true(channel_send(&c, (enum message_type)type, &body, NULL));
	ends_here = false;
	close(ends[0]);
	close(ends[1]);
	return came_to;
}

static struct spoken right(uint32_t type)
{
	return (struct spoken){type, table[type].size, 0, 0};
}

static void only_what_the_table_allows_gets_through(void **state)
{
	size_t through = 0;

	(void)state;
	for (uint32_t type = 0; type < MESSAGE_COUNT; type++) {
		const struct spoken s = right(type);

		for (int i = 0; i < ROLE_COUNT * ROLE_COUNT * 2; i++) {
			enum role self = (enum role)(i / 2 % ROLE_COUNT);
			enum role peer = (enum role)(i / 2 / ROLE_COUNT);
			enum phase phase = i % 2 == 0 ? PHASE_START : PHASE_RUN;
			bool allowed = self == table[type].to && peer == table[type].from &&
			               phase == table[type].phase;

			assert_int_equal(
			    hear(self, peer, phase, &s), allowed ? GOT_THROUGH : FORBIDDEN);
			through += allowed;
		}
	}
	assert_int_equal(through, MESSAGE_COUNT);
}

static int hear_where_it_belongs(const struct spoken *s, uint32_t type)
{
	return hear(table[type].to, table[type].from, table[type].phase, s);
}

static void every_message_has_one_size(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < MESSAGE_COUNT; type++) {
		const size_t sizes[] = {0, table[type].size - 1, table[type].size + 1,
		    table[type].size + 8, sizeof(union message_body),
		    sizeof(union message_body) + 1, SIZE_MOST};

		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			const struct spoken s = {type, sizes[i], 0, 0};

			if (sizes[i] != table[type].size)
				assert_int_equal(hear_where_it_belongs(&s, type), FORBIDDEN);
		}
	}
}

static void only_descriptors_of_the_table(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < MESSAGE_COUNT; type++) {
		for (int name = 0; name < 32; name++) {
			const struct spoken s = {type, table[type].size, 1, 1U << name};

			assert_int_equal(hear_where_it_belongs(&s, type),
			    (table[type].fds & s.names) != 0 ? GOT_THROUGH : FORBIDDEN);
		}
	}
}

static void as_many_descriptors_as_names(void **state)
{
	(void)state;
	if (sizeof(long) == 4 && is_emulated("exact count of descriptors on 32 bits"))
		skip();
	for (uint32_t type = 0; type < MESSAGE_COUNT; type++) {
		size_t names = (size_t)__builtin_popcount(table[type].fds);

		for (size_t fds = 0; fds <= FDS_MOST; fds++) {
			const struct spoken s = {type, table[type].size, fds, table[type].fds};
			const struct spoken unnamed = {type, table[type].size, fds, 0};

			assert_int_equal(hear_where_it_belongs(&s, type),
			    fds == names ? GOT_THROUGH : FORBIDDEN);
			assert_int_equal(hear_where_it_belongs(&unnamed, type),
			    fds == 0 ? GOT_THROUGH : FORBIDDEN);
		}
	}
}

static bool sends_descriptor(enum message_fd name)
{
	static const struct message_empty body;
	struct channel c = {-1, ROLE_MAIN, ROLE_KEEPER};
	struct message_fds fds = message_fds_none();
	static int ends[2], came_to;

	assert_true(channel_pair(ends));
	c.fd = ends[0];
	fds.fd[name] = ends[0];
	ends_here = true;
	came_to = setjmp(end_of_process);
	if (came_to == 0)
		assert_true(channel_send(&c, MESSAGE_CONFIG_KEEPER, &body, &fds));
	ends_here = false;
	close(ends[0]);
	close(ends[1]);
	return came_to == 0;
}

static void other_descriptors_are_not_sent(void **state)
{
	(void)state;
	for (int name = 0; name < FD_COUNT; name++)
		assert_int_equal(sends_descriptor((enum message_fd)name), name == FD_SNAPSHOT);
}

static void unknown_types(void **state)
{
	static const uint32_t types[] = {MESSAGE_COUNT, 255, 1U << 31, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		const struct spoken s = {types[i], 1, 0, 0};

		assert_int_equal(hear(ROLE_KEEPER, ROLE_DOORMAN, PHASE_RUN, &s), FORBIDDEN);
	}
}

static void less_than_a_type(void **state)
{
	(void)state;
	for (size_t size = 0; size < 2 * sizeof(uint32_t); size++) {
		static const uint8_t bytes[2 * sizeof(uint32_t)];
		const struct channel c = {-1, ROLE_KEEPER, ROLE_DOORMAN};
		struct channel there = c;
		struct message m;
		int ends[2], status;
		pid_t pid;

		assert_true(channel_pair(ends));
		assert_int_equal(send(ends[0], bytes, size, 0), size);
		pid = fork();
		if (pid == 0) {
			dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
			there.fd = ends[1];
			/* An empty one is taken for the end of the channel. */
			__real__exit(
			    channel_receive(&there, &m, PHASE_RUN) == CHANNEL_CLOSED ? 1 : 43);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		close(ends[0]);
		close(ends[1]);
	}
}

/* What the sender's own side lets out is held to the same table. */
static void saying_what_is_forbidden_aborts(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < MESSAGE_COUNT; type++) {
		for (int i = 0; i < ROLE_COUNT * ROLE_COUNT; i++) {
			enum role self = (enum role)(i % ROLE_COUNT);
			enum role peer = (enum role)(i / ROLE_COUNT);
			bool allowed = self == table[type].from && peer == table[type].to;

			assert_int_equal(speak(self, peer, type), allowed ? GOT_THROUGH : ABORTED);
		}
	}
}

/* In a process of its own: what is forbidden does end it. */
static int status_of(void (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		what();
		__real__exit(43);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void hear_what_is_forbidden(void)
{
	const struct spoken s = {MESSAGE_KNOCK, table[MESSAGE_KNOCK].size, 0, 0};
	struct channel desk = {-1, ROLE_DESK, ROLE_DOORMAN};
	struct message m;
	int ends[2];

	if (!channel_pair(ends))
		return;
	say(ends[0], &s);
	desk.fd = ends[1];
	channel_receive(&desk, &m, PHASE_RUN);
}

static void say_what_is_forbidden(void)
{
	static const union message_body body;
	const struct channel desk = {STDERR_FILENO, ROLE_DESK, ROLE_DOORMAN};

	channel_send(&desk, MESSAGE_KNOCK, &body, NULL);
}

static void the_process_ends(void **state)
{
	int heard = status_of(hear_what_is_forbidden), said = status_of(say_what_is_forbidden);

	(void)state;
	assert_true(WIFEXITED(heard));
	assert_int_equal(WEXITSTATUS(heard), 1);
	assert_true(WIFSIGNALED(said));
	assert_int_equal(WTERMSIG(said), SIGABRT);
}

static void a_full_channel_does_not_hold_up(void **state)
{
	static const struct message_knock_back body;
	struct channel keeper = {-1, ROLE_KEEPER, ROLE_DOORMAN};
	int ends[2];
	size_t sent = 0;

	(void)state;
	assert_true(channel_pair(ends));
	keeper.fd = ends[0];
	while (channel_try_send(&keeper, MESSAGE_KNOCK_BACK, &body))
		sent++;
	assert_in_range(sent, 100, 100000);
	close(ends[1]);
	assert_false(channel_try_send(&keeper, MESSAGE_KNOCK_BACK, &body));
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_what_the_table_allows_gets_through),
	    cmocka_unit_test(every_message_has_one_size),
	    cmocka_unit_test(only_descriptors_of_the_table),
	    cmocka_unit_test(as_many_descriptors_as_names),
	    cmocka_unit_test(other_descriptors_are_not_sent),
	    cmocka_unit_test(unknown_types),
	    cmocka_unit_test(less_than_a_type),
	    cmocka_unit_test(saying_what_is_forbidden_aborts),
	    cmocka_unit_test(the_process_ends),
	    cmocka_unit_test(a_full_channel_does_not_hold_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
