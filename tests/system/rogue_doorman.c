/* A doorman that has been taken over. It starts the real keeper, plays main and desk to it as they
 * are, and says to it, as the doorman, whatever the test on its standard input asks for:
 *
 *   configure FILE [GENERATION]        hands out a configuration, as main does
 *   knock GENERATION CLIENT GUESSED SIZE SOURCE KEY BYTES [TIMES]
 *   request ...                        the same with an OpenSPA request
 *   noise COUNT                        both of random bytes, in the right size
 *   raw CHANNEL DESCRIPTORS BYTES      any bytes, to the channel `main`, `doorman` or `desk`
 *   deaf                               from now on nothing that the keeper says to it is read
 *   settle                             waits until the keeper has dealt with all of it
 *   ask COUNT                          as the desk, for sessions, without listening
 *   close CHANNEL
 *   wait                               for the keeper's end
 *
 * Numbers are decimal, the rest hexadecimal. Each is answered by a line. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admit/replay_file.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "main/spawn.h"
#include "proc/channel.h"
#include "proc/counters.h"
#include "proc/process.h"

#define KEEPER_PATIENCE_MS 10000
#define RAW_MOST           8192
#define RAW_FDS_MOST       16

enum { TO_MAIN, TO_DOORMAN, TO_DESK, CHANNELS };

static const char *const channel_names[CHANNELS] = {"main", "doorman", "desk"};

static struct {
	pid_t pid;
	struct channel channels[CHANNELS]; /* our ends */
	uint64_t generation;
	uint64_t backs[2]; /* knocks that came back: guessed wrong, stale */
	uint64_t granted;  /* requests that are to be answered */
	bool unread;       /* leave them there */
} keeper;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "rogue doorman: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- The keeper's start */

static _Noreturn void become_keeper(const char *program, int channel)
{
	char name[] = "postern-keeper";
	char *argv[] = {name, NULL};
	int null = open("/dev/null", O_RDWR);

	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(channel, PROCESS_CHANNEL_FD) < 0 ||
	    close_range(PROCESS_CHANNEL_FD + 1, ~0U, 0) != 0)
		_exit(126);
	execv(program, argv);
	_exit(127);
}

static void greet(void)
{
	static const bool wanted[ROLE_COUNT] = {[ROLE_KEEPER] = true};
	struct identity who[ROLE_COUNT];
	struct hello hello = {.log.level = LOG_LEVEL_DEBUG};

	if (!spawn_identities(who, wanted, "", ""))
		die("identity");
	hello.uid = who[ROLE_KEEPER].uid;
	hello.gid = who[ROLE_KEEPER].gid;
	if (!hello_send(keeper.channels[TO_MAIN].fd, hello))
		die("hello");
}

static void begin(void)
{
	int door[2], desk[2], counters = counters_create(1);
	struct message_begin how = {.firewall = CONF_FIREWALL_NFT, .doormen = 1};
	const struct replay_start first = {.origin = REPLAY_FIRST};
	struct message_fds fds = message_fds_none();

	if (counters < 0 || !channel_pair(door) || !channel_pair(desk))
		die("channels");
#ifdef HAVE_OPENSPA
	how.openspa = true;
#endif
	fds.fd[FD_DOORMAN] = door[1];
	fds.fd[FD_DESK] = desk[1];
	fds.fd[FD_KEEPER_COUNTERS] = counters;
	fds.fd[FD_REPLAY] = replay_memory_file();
	if (!replay_prepare(fds.fd[FD_REPLAY], &first))
		die("replay guard");
	if (!channel_send(&keeper.channels[TO_MAIN], MESSAGE_BEGIN_KEEPER, &how, &fds))
		die("begin");
	message_fds_close(&fds);
	keeper.channels[TO_DOORMAN] = (struct channel){door[0], ROLE_DOORMAN, ROLE_KEEPER};
	keeper.channels[TO_DESK] = (struct channel){desk[0], ROLE_DESK, ROLE_KEEPER};
}

static int answer_of_main_channel(void)
{
	struct message m;

	do {
		if (channel_wait(&keeper.channels[TO_MAIN], &m, PHASE_RUN, KEEPER_PATIENCE_MS) !=
		    CHANNEL_MESSAGE)
			return -1;
	} while (m.type == MESSAGE_AUDIT);
	return m.body.KEEPER_READY.error;
}

static void start(const char *program, bool introduce)
{
	int ends[2];

	if (!channel_pair(ends))
		die("channel");
	keeper.pid = fork();
	if (keeper.pid == 0)
		become_keeper(program, ends[1]);
	close(ends[1]);
	keeper.channels[TO_MAIN] = (struct channel){ends[0], ROLE_MAIN, ROLE_KEEPER};
	keeper.channels[TO_DOORMAN].fd = keeper.channels[TO_DESK].fd = -1;
	greet();
	if (!introduce)
		return;
	begin();
	if (answer_of_main_channel() != 0)
		die("the keeper did not start");
}

/* --- What the test asks for */

static size_t from_hex(uint8_t *out, size_t most, const char *hex)
{
	size_t n = 0;
	unsigned int byte;

	for (; n < most && hex[0] != '\0' && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		out[n++] = (uint8_t)byte;
	return n;
}

static void configure(const char *path, const char *generation)
{
	static const struct message_empty nothing;
	struct conf_error error;
	struct conf *conf = conf_load(path, &error);
	struct message_fds fds = message_fds_none();

	if (conf == NULL) {
		fprintf(stderr, "%s\n", error.text);
		die(path);
	}
	keeper.generation =
	    generation != NULL ? strtoull(generation, NULL, 10) : keeper.generation + 1;
	fds.fd[FD_SNAPSHOT] = conf_write_snapshot(conf, keeper.generation);
	if (fds.fd[FD_SNAPSHOT] < 0 ||
	    !channel_send(&keeper.channels[TO_MAIN], MESSAGE_CONFIG_KEEPER, &nothing, &fds))
		die("configuration");
	message_fds_close(&fds);
	printf("configured %d", answer_of_main_channel());
	for (size_t i = 0; i < conf_client_count(conf); i++)
		printf(" %s", conf_client(conf, i)->name);
	printf("\n");
	conf_free(conf);
}

/* What has come back, so that the channel does not fill up. */
static void take_backs(void)
{
	struct message m;

	while (!keeper.unread &&
	       channel_receive(&keeper.channels[TO_DOORMAN], &m, PHASE_RUN) == CHANNEL_MESSAGE) {
		if (m.type == MESSAGE_KNOCK_BACK)
			keeper.backs[m.body.KNOCK_BACK.stale_config]++;
		else
			keeper.granted++;
	}
}

static bool say_knock(const struct message_knock *knock)
{
	take_backs();
	return channel_send(&keeper.channels[TO_DOORMAN], MESSAGE_KNOCK, knock, NULL);
}

static void knock(enum record_protocol protocol)
{
	struct message_knock m = {.generation = strtoull(strtok(NULL, " "), NULL, 10),
	    .record.protocol = (uint8_t)protocol};
	const char *times;
	bool sent = true;

	m.holder = (uint32_t)strtoul(strtok(NULL, " "), NULL, 10);
	m.guessed = (uint8_t)strtoul(strtok(NULL, " "), NULL, 10);
	m.record.size = (uint16_t)strtoul(strtok(NULL, " "), NULL, 10);
	from_hex(m.record.source.bytes, ADDR_BYTES, strtok(NULL, " "));
	from_hex(m.key, sizeof m.key, strtok(NULL, " "));
	from_hex(m.record.bytes, sizeof m.record.bytes, strtok(NULL, " "));
	times = strtok(NULL, " ");
	for (long i = times == NULL ? 1 : strtol(times, NULL, 10); sent && i > 0; i--)
		sent = say_knock(&m);
	printf("%s\n", sent ? "sent" : "gone");
}

static void noise(long count)
{
	struct message_knock m;
	bool sent = true;

	for (long i = 0; sent && i < count; i++) {
		if (getrandom(&m, sizeof m, 0) != sizeof m)
			die("getrandom");
		/* Every other one gets further: of this configuration, or of the right form. */
		if (i % 2 == 0)
			m.generation = keeper.generation;
		if (i % 4 == 0) {
			m.holder %= 4;
			m.record.size = 165;
			m.record.bytes[0] = 1;
			m.record.bytes[32] &= 0x7f;
			m.record.bytes[164] = 0;
			m.record.protocol = RECORD_OPENME;
		}
		if (i % 4 == 2) {
			m.holder %= 8;
			m.record.size = 610;
			m.record.bytes[0] = 0x10;
			m.record.bytes[1] = 1;
			m.record.protocol = RECORD_OPENSPA;
		}
		sent = say_knock(&m);
	}
	printf("%s\n", sent ? "sent" : "gone");
}

static struct channel *channel_named(const char *name)
{
	for (size_t i = 0; i < CHANNELS; i++) {
		if (strcmp(name, channel_names[i]) == 0)
			return &keeper.channels[i];
	}
	errno = EINVAL;
	die(name);
}

static void raw(const struct channel *c, size_t fds, const char *hex)
{
	static uint8_t bytes[RAW_MOST];
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(RAW_FDS_MOST * sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec part = {bytes, hex == NULL ? 0 : from_hex(bytes, sizeof bytes, hex)};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fds > 0 && fds <= RAW_FDS_MOST) {
		int null[RAW_FDS_MOST] = {0}; /* standard input will do */

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), null, fds * sizeof(int));
	}
	printf("%s\n", sendmsg(c->fd, &header, MSG_NOSIGNAL) >= 0 ? "sent" : "gone");
}

/* The keeper reads one channel at a time: once it has read everything of the doorman's and then
 * answers the desk, it has dealt with what it read. */
static void settle(void)
{
	static const struct timespec step = {0, 1000000};
	const struct message_cursor cursor = {0};
	struct message m;
	int unread = 1;

	while (unread > 0) {
		take_backs();
		if (ioctl(keeper.channels[TO_DOORMAN].fd, SIOCOUTQ, &unread) != 0)
			die("SIOCOUTQ");
		nanosleep(&step, NULL);
	}
	if (!channel_send(&keeper.channels[TO_DESK], MESSAGE_SESSIONS_WANTED, &cursor, NULL) ||
	    channel_wait(&keeper.channels[TO_DESK], &m, PHASE_RUN, KEEPER_PATIENCE_MS) !=
	        CHANNEL_MESSAGE) {
		printf("gone\n");
		return;
	}
	take_backs();
	printf("settled %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", keeper.backs[0], keeper.backs[1],
	    keeper.granted);
}

static void ask(long count)
{
	const struct message_cursor cursor = {0};
	bool sent = true;

	while (sent && count-- > 0)
		sent =
		    channel_send(&keeper.channels[TO_DESK], MESSAGE_SESSIONS_WANTED, &cursor, NULL);
	printf("%s\n", sent ? "sent" : "gone");
}

static void wait_for_end(void)
{
	static const struct timespec step = {0, 1000000};
	int status;

	for (int i = 0; i < KEEPER_PATIENCE_MS; i++) {
		if (waitpid(keeper.pid, &status, WNOHANG) == keeper.pid) {
			keeper.pid = 0;
			printf("%s %d\n", WIFEXITED(status) ? "exited" : "killed",
			    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
			return;
		}
		nanosleep(&step, NULL);
	}
	printf("lives\n");
}

static void obey(char *line)
{
	const char *word = strtok(line, " ");
	const char *first = NULL, *second = NULL;

	if (strcmp(word, "knock") == 0 || strcmp(word, "request") == 0) {
		knock(*word == 'k' ? RECORD_OPENME : RECORD_OPENSPA);
		return;
	}
	first = strtok(NULL, " ");
	second = strtok(NULL, " ");
	if (strcmp(word, "configure") == 0) {
		configure(first, second);
	} else if (strcmp(word, "noise") == 0) {
		noise(strtol(first, NULL, 10));
	} else if (strcmp(word, "raw") == 0) {
		raw(channel_named(first), strtoul(second, NULL, 10), strtok(NULL, " "));
	} else if (strcmp(word, "settle") == 0) {
		settle();
	} else if (strcmp(word, "deaf") == 0) {
		keeper.unread = true;
		printf("deaf\n");
	} else if (strcmp(word, "ask") == 0) {
		ask(strtol(first, NULL, 10));
	} else if (strcmp(word, "close") == 0) {
		close(channel_named(first)->fd);
		printf("closed\n");
	} else if (strcmp(word, "wait") == 0) {
		wait_for_end();
	} else {
		errno = EINVAL;
		die(word);
	}
}

static void print_fd_names(void)
{
#define X(name) printf(#name " ");
	MESSAGE_FD_NAMES(X)
#undef X
	printf("\n");
}

/* Of each message: who says it, to whom, its number and the size of its body. */
static void print_table(void)
{
#define X(id, from, to, phase, fds, body, handler) \
	printf(#id "," #from "," #to ",%d,%zu ", MESSAGE_##id, sizeof(struct body));
	MESSAGES(X)
#undef X
	printf("\n");
}

/* rogue_doorman KEEPER [unbegun]: with a second argument the keeper is left waiting for its first
 * message. */
int main(int argc, char *argv[])
{
	char *line = NULL;
	size_t room = 0;

	if (argc < 2 || !secret_init())
		return 2;
	start(argv[1], argc < 3);
	print_fd_names();
	print_table();
	fflush(stdout);
	while (getline(&line, &room, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		obey(line);
		fflush(stdout);
	}
	free(line);
	if (keeper.pid > 0) {
		kill(keeper.pid, SIGKILL);
		waitpid(keeper.pid, NULL, 0);
	}
	return 0;
}
