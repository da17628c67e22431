/* Plays main and the keeper for a runner of either kind, over real channels: it is started as they
 * start it, and sees what they would see.
 *
 *	runner_harness runner|privileged-runner UID [key=value]...
 *
 * Keys: PROGRAM=script:PATH or PROGRAM=helper:PATH (key, authorize, add, remove, start, stop),
 * deadline, at_once, queue, output, writable, format. A line on standard input is a question of the
 * keeper's:
 *
 *	PROGRAM TICKET DEVICE PROTOCOL FIRST LAST NAT DURATION CLIENT SERVER TIMESTAMP
 *
 * or one of main's, "main PROGRAM", or "keeper gone", which closes the keeper's end.
 *
 * Lines on standard output: "pid N", "ready", then "TICKET OUTCOME DURATION KEY" for each answer
 *(the key in hexadecimal, "-": none), "PROGRAM OUTCOME" for main's, and "ended STATUS" when it
 * ends. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "main/spawn.h"
#include "proc/process.h"

static const char *const tasks[RUNNER_TASK_COUNT] = {
    "key", "authorize", "add", "remove", "start", "stop"};
static const char *const outcomes[] = {"done", "refused", "failed", "timeout", "busy"};

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "runner_harness: %s\n", what);
	exit(2);
}

static int task_of(const char *name)
{
	for (int i = 0; i < RUNNER_TASK_COUNT; i++)
		if (strcmp(tasks[i], name) == 0)
			return i;
	return -1;
}

static void set_program(struct runner_program *p, const char *value)
{
	const char *path = strchr(value, ':');

	if (path == NULL)
		fail(value);
	p->asked = *value == 's' ? CONF_ASKED_SCRIPT : CONF_ASKED_HELPER;
	snprintf(p->path, sizeof p->path, "%s", path + 1);
}

struct begin {
	struct hello hello;
	struct runner_settings settings;
};

static void set(struct begin *b, char *option)
{
	struct runner_settings *s = &b->settings;
	char *value = strchr(option, '=');
	uint32_t number;

	if (value == NULL)
		fail(option);
	*value++ = '\0';
	number = (uint32_t)strtoul(value, NULL, 10);
	if (task_of(option) >= 0)
		set_program(&s->programs[task_of(option)], value);
	else if (strcmp(option, "deadline") == 0)
		s->deadline_ms = number;
	else if (strcmp(option, "at_once") == 0)
		s->most_at_once = number;
	else if (strcmp(option, "queue") == 0)
		s->queue_most = number;
	else if (strcmp(option, "output") == 0)
		s->output_most = number;
	else if (strcmp(option, "writable") == 0)
		snprintf(s->writable, sizeof s->writable, "%s", value);
	else if (strcmp(option, "format") == 0)
		log_format_parse(&b->hello.log.format, value);
	else
		fail(option);
}

static void parse_device(uint8_t out[static DEVICE_UUID_BYTES], const char *text)
{
	for (size_t i = 0; i < DEVICE_UUID_BYTES; i++) {
		unsigned int byte;

		while (*text == '-')
			text++;
		if (sscanf(text, "%2x", &byte) != 1)
			fail(text);
		out[i] = (uint8_t)byte;
		text += 2;
	}
}

static void ask(const struct channel *keeper, const char *line)
{
	struct runner_request q = {0};
	char task[16], device[64], client[64], server[64];
	unsigned int ticket, protocol, first, last, nat, duration;
	long long timestamp;

	if (sscanf(line, "%15s %u %63s %u %u %u %u %u %63s %63s %lld", task, &ticket, device,
	        &protocol, &first, &last, &nat, &duration, client, server, &timestamp) != 11 ||
	    !addr_parse(&q.client_address, client) || !addr_parse(&q.server_address, server))
		fail(line);
	parse_device(q.device, device);
	q.ticket = ticket;
	q.task = (uint8_t)(task_of(task) < 0 ? RUNNER_TASK_COUNT : task_of(task));
	q.ports.protocol = (uint8_t)protocol;
	q.ports.first = (uint16_t)first;
	q.ports.last = (uint16_t)last;
	q.behind_nat = nat != 0;
	q.duration_s = (uint16_t)duration;
	q.timestamp_s = timestamp;
	channel_send(
	    keeper, keeper->peer == ROLE_PRIVILEGED_RUNNER ? MESSAGE_RULE : MESSAGE_RUN, &q, NULL);
}

static void show(const struct runner_reply *reply)
{
	printf("%u %s %u ", reply->ticket, outcomes[reply->outcome], reply->duration_s);
	if (reply->modulus[0] == 0) {
		puts("-");
		return;
	}
	for (size_t i = 0; i < sizeof reply->modulus; i++)
		printf("%02x", reply->modulus[i]);
	for (size_t i = 0; i < sizeof reply->exponent; i++)
		printf("%02x", reply->exponent[i]);
	puts("");
}

static bool answers(const struct channel *keeper)
{
	struct message m;

	for (;;) {
		switch (channel_receive(keeper, &m, PHASE_RUN)) {
		case CHANNEL_MESSAGE:
			show(&m.body.RAN); /* RULED has the same struct */
			break;
		case CHANNEL_EMPTY:
			return true;
		case CHANNEL_CLOSED:
			return false;
		}
	}
}

static bool answers_main(const struct channel *main_end)
{
	struct message m;

	if (channel_receive(main_end, &m, PHASE_RUN) != CHANNEL_MESSAGE)
		return false;
	if (m.type == MESSAGE_SERVER_TASK_DONE)
		printf("%s %s\n", tasks[m.body.SERVER_TASK_DONE.task],
		    outcomes[m.body.SERVER_TASK_DONE.outcome]);
	return true;
}

static void say(const struct channel *main_end, struct channel *keeper, char *line)
{
	struct message_server_task task;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "main ", 5) == 0) {
		task = (struct message_server_task){.task = (uint8_t)task_of(line + 5)};
		channel_send(main_end, MESSAGE_SERVER_TASK, &task, NULL);
	} else if (strcmp(line, "keeper gone") == 0) {
		close(keeper->fd);
		keeper->fd = -1;
	} else {
		ask(keeper, line);
	}
}

/* Until standard input or the far end is closed. */
static void talk(const struct channel *main_end, struct channel *keeper)
{
	struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
	    {.fd = keeper->fd, .events = POLLIN}, {.fd = main_end->fd, .events = POLLIN}};

	while (poll(fds, 3, -1) > 0) {
		char line[512];

		if (fds[1].revents != 0 && !answers(keeper))
			return;
		if (fds[2].revents != 0 && !answers_main(main_end))
			return;
		if (fds[0].revents != 0) {
			if (fgets(line, sizeof line, stdin) == NULL)
				return;
			say(main_end, keeper, line);
			fds[1].fd = keeper->fd;
		}
	}
}

int main(int argc, char *argv[])
{
	enum role role;
	struct begin begin = {.hello.log.level = LOG_LEVEL_DEBUG,
	    .settings = {
	        .deadline_ms = 5000, .most_at_once = 4, .queue_most = 16, .output_most = 8192}};
	struct message_fds fds = message_fds_none();
	struct channel main_end, keeper;
	struct message ready;
	int ends[2], status = 0, executable;
	bool asks;
	pid_t pid;

	if (argc < 3 || !channel_pair(ends))
		fail("usage: runner_harness runner|privileged-runner UID [key=value]...");
	setvbuf(stdin, NULL, _IONBF, 0); /* poll sees what stdio would keep */
	setvbuf(stdout, NULL, _IOLBF, 0);
	role = strcmp(argv[1], "privileged-runner") == 0 ? ROLE_PRIVILEGED_RUNNER : ROLE_RUNNER;
	begin.hello.uid = begin.hello.gid = (uid_t)strtoul(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++)
		set(&begin, argv[i]);
	executable = open(getenv("RUNNER"), O_PATH | O_CLOEXEC);
	if (executable < 0)
		fail("RUNNER is not the executable");
	pid = spawn_role(role, executable, &main_end);
	keeper = (struct channel){ends[0], ROLE_KEEPER, role};
	asks = role == ROLE_RUNNER || runner_settings_make_rules(&begin.settings);
	printf("pid %d\n", (int)pid);
	if (asks)
		fds.fd[FD_KEEPER] = ends[1];
	hello_send(main_end.fd, begin.hello);
	channel_send(&main_end,
	    role == ROLE_PRIVILEGED_RUNNER ? MESSAGE_BEGIN_PRIVILEGED_RUNNER : MESSAGE_BEGIN_RUNNER,
	    &begin.settings, &fds);
	close(ends[1]);
	if (!asks) {
		close(keeper.fd);
		keeper.fd = -1;
	}
	if (channel_wait(&main_end, &ready, PHASE_RUN, 10000) == CHANNEL_MESSAGE) {
		puts("ready");
		talk(&main_end, &keeper);
	}
	close(main_end.fd);
	if (keeper.fd >= 0)
		close(keeper.fd);
	waitpid(pid, &status, 0);
	printf("ended %d\n", status);
	return 0;
}
