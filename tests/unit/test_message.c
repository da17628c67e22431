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
#include "proc/peer.h"

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

/* Both ways to receive. */
typedef enum channel_result receiver(const struct channel *c, struct message *m, enum phase phase);

static enum channel_result receive_together(
    const struct channel *c, struct message *m, enum phase phase)
{
	static struct message room[CHANNEL_TOGETHER];
	size_t count;
	enum channel_result result = channel_receive_many(c, room, &count, phase);

	assert_int_equal(count, result == CHANNEL_MESSAGE);
	if (result == CHANNEL_MESSAGE)
		*m = room[0];
	return result;
}

static int hear_by(
    receiver *receive, enum role self, enum role peer, enum phase phase, const struct spoken *s)
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
	if (came_to == 0 && receive(&c, &m, phase) != CHANNEL_MESSAGE)
		came_to = CLOSED;
	ends_here = false;
	speak_again(told);
	if (came_to == GOT_THROUGH) {
		assert_int_equal(m.type, s->type);
		for (int i = 0; i < FD_COUNT; i++)
			assert_int_equal(m.fds.fd[i] >= 0, (s->names & 1U << i) != 0);
	}
	message_fds_close(&m.fds);
	/* The process would have ended, and with it what it had received. */
	if (came_to == FORBIDDEN)
		close_range((unsigned int)(ends[0] > ends[1] ? ends[0] : ends[1]) + 1, ~0U, 0);
	close(ends[0]);
	close(ends[1]);
	return came_to;
}

/* What became of it where it was received. */
static int hear(enum role self, enum role peer, enum phase phase, const struct spoken *s)
{
	int came_to = hear_by(channel_receive, self, peer, phase, s);

	assert_int_equal(hear_by(receive_together, self, peer, phase, s), came_to);
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
	if (is_emulated("exact count of descriptors"))
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

/* --- Several in one call */

#define KNOCKS 20 /* more than two calls take */

/* A doorman's end and a keeper's. */
static void connect_them(struct channel *doorman, struct channel *keeper)
{
	int ends[2];

	assert_true(channel_pair(ends));
	*doorman = (struct channel){ends[0], ROLE_DOORMAN, ROLE_KEEPER};
	*keeper = (struct channel){ends[1], ROLE_KEEPER, ROLE_DOORMAN};
}

static void hang_up(const struct channel *doorman, const struct channel *keeper)
{
	close(doorman->fd);
	close(keeper->fd);
}

static void send_knocks(const struct channel *c, uint32_t first, size_t count)
{
	static struct message_knock knocks[CHANNEL_TOGETHER];

	for (uint32_t i = 0; i < count; i++)
		knocks[i].holder = first + i;
	assert_true(channel_send_many(c, MESSAGE_KNOCK, knocks, count));
}

/* So many, numbered from `first` on. */
static void expect_knocks(const struct channel *c, uint32_t first, size_t count)
{
	static struct message room[CHANNEL_TOGETHER];
	size_t got;

	assert_int_equal(channel_receive_many(c, room, &got, PHASE_RUN), CHANNEL_MESSAGE);
	assert_int_equal(got, count);
	for (uint32_t i = 0; i < got; i++) {
		assert_int_equal(room[i].type, MESSAGE_KNOCK);
		assert_int_equal(room[i].body.KNOCK.holder, first + i);
	}
}

static void several_keep_their_order(void **state)
{
	static struct message room[CHANNEL_TOGETHER];
	struct channel doorman, keeper;
	struct message m;
	size_t count = 1;

	(void)state;
	connect_them(&doorman, &keeper);
	send_knocks(&doorman, 0, CHANNEL_TOGETHER);
	send_knocks(&doorman, CHANNEL_TOGETHER, 3);
	send_knocks(&doorman, CHANNEL_TOGETHER + 3, 1);
	expect_knocks(&keeper, 0, CHANNEL_TOGETHER);
	expect_knocks(&keeper, CHANNEL_TOGETHER, 4);
	assert_int_equal(channel_receive_many(&keeper, room, &count, PHASE_RUN), CHANNEL_EMPTY);
	assert_int_equal(count, 0);
	send_knocks(&doorman, 7, 2);
	for (uint32_t i = 7; i < 9; i++) {
		assert_int_equal(channel_receive(&keeper, &m, PHASE_RUN), CHANNEL_MESSAGE);
		assert_int_equal(m.body.KNOCK.holder, i);
	}
	hang_up(&doorman, &keeper);
}

/* What came before the end is there, and the end is told with it. */
static void several_and_the_end(void **state)
{
	static struct message room[CHANNEL_TOGETHER];

	(void)state;
	for (size_t sent = 0; sent < CHANNEL_TOGETHER; sent++) {
		struct channel doorman, keeper;
		size_t count = SIZE_MAX;

		connect_them(&doorman, &keeper);
		send_knocks(&doorman, 0, sent);
		close(doorman.fd);
		assert_int_equal(
		    channel_receive_many(&keeper, room, &count, PHASE_RUN), CHANNEL_CLOSED);
		assert_int_equal(count, sent);
		close(keeper.fd);
	}
}

static void (*say_bad)(int fd);

static void say_another_type(int fd)
{
	const struct spoken s = {MESSAGE_PING_KEEPER, table[MESSAGE_PING_KEEPER].size, 0, 0};

	say(fd, &s);
}

static void say_too_much(int fd)
{
	const struct spoken s = {MESSAGE_KNOCK, SIZE_MOST, 0, 0};

	say(fd, &s);
}

static void say_with_descriptor(int fd)
{
	const struct spoken s = {MESSAGE_KNOCK, table[MESSAGE_KNOCK].size, 1, 1};

	say(fd, &s);
}

static void say_more_behind_the_end(int fd)
{
	const struct spoken s = right(MESSAGE_KNOCK);

	assert_int_equal(send(fd, "", 0, 0), 0);
	say(fd, &s);
}

/* After so many good ones. */
static int came_to_after(size_t before)
{
	static struct channel doorman, keeper;
	static struct message room[CHANNEL_TOGETHER];
	static size_t count;
	static int told, came_to;

	connect_them(&doorman, &keeper);
	send_knocks(&doorman, 0, before);
	say_bad(doorman.fd);
	say_nothing(&told);
	ends_here = true;
	came_to = setjmp(end_of_process);
	if (came_to == 0)
		channel_receive_many(&keeper, room, &count, PHASE_RUN);
	ends_here = false;
	speak_again(told);
	hang_up(&doorman, &keeper);
	return came_to;
}

/* Each is checked, wherever it stands, before any is handled. */
static void one_among_several_is_forbidden(void **state)
{
	static void (*const bad[])(int fd) = {
	    say_another_type, say_too_much, say_with_descriptor, say_more_behind_the_end};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		say_bad = bad[i];
		for (size_t before = 0; before < CHANNEL_TOGETHER - 1; before++)
			assert_int_equal(came_to_after(before), FORBIDDEN);
	}
}

static int sends_together(enum role self, enum role peer, enum message_type type, size_t count)
{
	static union message_body bodies[CHANNEL_TOGETHER + 1];
	static int ends[2], came_to;
	struct channel c = {-1, self, peer};

	assert_true(channel_pair(ends));
	c.fd = ends[0];
	ends_here = true;
	came_to = setjmp(end_of_process);
	if (came_to == 0)
		assert_true(channel_send_many(&c, type, bodies, count));
	ends_here = false;
	close(ends[0]);
	close(ends[1]);
	return came_to;
}

static void saying_several_is_held_to_the_table(void **state)
{
	(void)state;
	assert_int_equal(sends_together(ROLE_DOORMAN, ROLE_KEEPER, MESSAGE_KNOCK, CHANNEL_TOGETHER),
	    GOT_THROUGH);
	assert_int_equal(
	    sends_together(ROLE_DOORMAN, ROLE_KEEPER, MESSAGE_KNOCK, CHANNEL_TOGETHER + 1),
	    ABORTED);
	assert_int_equal(sends_together(ROLE_DESK, ROLE_KEEPER, MESSAGE_KNOCK, 1), ABORTED);
	assert_int_equal(sends_together(ROLE_DOORMAN, ROLE_MAIN, MESSAGE_KNOCK, 1), ABORTED);
	assert_int_equal(
	    sends_together(ROLE_DOORMAN, ROLE_KEEPER, MESSAGE_PING_KEEPER, 1), ABORTED);
}

/* The sender waits while the channel is full, and nothing is lost or out of order. */
static void several_wait_for_room(void **state)
{
	enum { MANY = 512 * CHANNEL_TOGETHER };
	struct channel doorman, keeper;
	struct message m;
	uint32_t next = 0;
	pid_t pid;

	(void)state;
	connect_them(&doorman, &keeper);
	pid = fork();
	if (pid == 0) {
		for (uint32_t first = 0; first < MANY; first += CHANNEL_TOGETHER)
			send_knocks(&doorman, first, CHANNEL_TOGETHER);
		__real__exit(0);
	}
	close(doorman.fd);
	while (channel_wait(&keeper, &m, PHASE_RUN, -1) == CHANNEL_MESSAGE)
		assert_int_equal(m.body.KNOCK.holder, next++);
	assert_int_equal(next, MANY);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(keeper.fd);
}

static void several_to_nobody(void **state)
{
	static const struct message_knock knocks[CHANNEL_TOGETHER];
	struct channel doorman, keeper;

	(void)state;
	connect_them(&doorman, &keeper);
	close(keeper.fd);
	assert_false(channel_send_many(&doorman, MESSAGE_KNOCK, knocks, CHANNEL_TOGETHER));
	close(doorman.fd);
}

/* --- A peer that takes them together */

static struct {
	struct peer peer;
	struct message room[CHANNEL_TOGETHER];
	struct loop loop;
	struct channel doorman;
	uint32_t handled, ends_at, closes_at;
	uint32_t answers; /* to one that is handled, at once */
	unsigned int afters, closed;
} taking;

static bool take_knock(void *context, struct message *m)
{
	assert_ptr_equal(context, &taking);
	assert_int_equal(m->body.KNOCK.holder, taking.handled);
	if (taking.answers > 0 && taking.answers--)
		send_knocks(&taking.doorman, 100, 1);
	if (++taking.handled == taking.closes_at)
		peer_close(&taking.peer);
	return taking.handled != taking.ends_at;
}

static bool count_after(void *context)
{
	assert_ptr_equal(context, &taking);
	taking.afters++;
	return true;
}

static bool count_closed(void *context)
{
	assert_ptr_equal(context, &taking);
	taking.closed++;
	return true;
}

static int set_up_taking(void **state)
{
	static message_handler *handlers[MESSAGE_COUNT];
	struct channel keeper;

	(void)state;
	memset(&taking, 0, sizeof taking);
	connect_them(&taking.doorman, &keeper);
	handlers[MESSAGE_KNOCK] = take_knock;
	taking.peer = (struct peer){.channel = keeper,
	    .handlers = handlers,
	    .context = &taking,
	    .closed = count_closed,
	    .after = count_after,
	    .room = taking.room,
	    .burst = 2 * CHANNEL_TOGETHER};
	return !loop_open(&taking.loop) || !peer_open(&taking.peer, &taking.loop);
}

static int tear_down_taking(void **state)
{
	(void)state;
	peer_close(&taking.peer);
	loop_close(&taking.loop);
	close(taking.doorman.fd);
	return 0;
}

static void send_so_many(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		send_knocks(&taking.doorman, i, 1);
}

static void turn(uint32_t handled, unsigned int afters)
{
	assert_true(loop_turn(&taking.loop, 0));
	assert_int_equal(taking.handled, handled);
	assert_int_equal(taking.afters, afters);
}

static void a_burst_has_an_end(void **state)
{
	(void)state;
	send_so_many(KNOCKS);
	turn(2 * CHANNEL_TOGETHER, 1);
	turn(KNOCKS, 2);
	assert_false(loop_turn(&taking.loop, 0));
	assert_false(taking.loop.stopped);
}

/* What comes while the others are handled is not waited for. */
static void the_first_does_not_wait_for_more(void **state)
{
	(void)state;
	taking.answers = 1;
	send_so_many(1);
	turn(1, 1);
	taking.handled = 100;
	turn(101, 2);
}

static void nothing_is_left_in_the_room(void **state)
{
	static const struct message_knock wiped;

	(void)state;
	send_so_many(CHANNEL_TOGETHER);
	turn(CHANNEL_TOGETHER, 1);
	for (size_t i = 0; i < CHANNEL_TOGETHER; i++)
		assert_memory_equal(&taking.room[i].body.KNOCK, &wiped, sizeof wiped);
}

/* A handler ends the loop: what came with that message is wiped, and handled by nobody. */
static void the_end_amid_a_burst(void **state)
{
	(void)state;
	taking.ends_at = 3;
	send_so_many(KNOCKS);
	turn(3, 0);
	assert_true(taking.loop.stopped);
	for (size_t i = 0; i < CHANNEL_TOGETHER; i++)
		assert_int_equal(taking.room[i].body.KNOCK.holder, 0);
}

/* What had come by then is handled. */
static void closed_amid_a_burst(void **state)
{
	(void)state;
	taking.closes_at = 3;
	send_so_many(KNOCKS);
	turn(CHANNEL_TOGETHER, 1);
	assert_int_equal(taking.closed, 0);
	assert_false(loop_turn(&taking.loop, 0));
}

static void a_burst_and_the_end(void **state)
{
	(void)state;
	send_so_many(3);
	shutdown(taking.doorman.fd, SHUT_WR);
	turn(3, 1);
	assert_int_equal(taking.closed, 1);
	assert_int_equal(taking.peer.channel.fd, -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_taking, tear_down_taking)
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
	    cmocka_unit_test(several_keep_their_order),
	    cmocka_unit_test(several_and_the_end),
	    cmocka_unit_test(one_among_several_is_forbidden),
	    cmocka_unit_test(saying_several_is_held_to_the_table),
	    cmocka_unit_test(several_wait_for_room),
	    cmocka_unit_test(several_to_nobody),
	    T(a_burst_has_an_end),
	    T(the_first_does_not_wait_for_more),
	    T(nothing_is_left_in_the_room),
	    T(the_end_amid_a_burst),
	    T(closed_amid_a_burst),
	    T(a_burst_and_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
