/* The doorman as it is, with a socket of its own, a keeper and a main that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef HAVE_OPENSPA
#include "openspa_case.h"
#define HAS_OPENSPA true
#else
#define HAS_OPENSPA false
#endif
#include "caught_log.h"
#include "mapped_files.h"
#include "short_memory.h"
/* As it is: what it does on a message is its own. */
#include "doorman/doorman.c" /* NOLINT(bugprone-suspicious-include) */

#define STACK_BYTES (1024 * 1024)
#define PIECE_BYTES 8 /* a secret that was spilled shows in pieces of a register */

enum { ALICE, BOB, CAROL, CLIENTS };

static struct {
	struct doorman doorman;
	struct channel main, keeper; /* the far ends */
	struct client clients[CLIENTS];
	uint32_t client_count, hint_only;
	uint64_t generation;
	uint8_t server_secret[OPENME_SECRET_BYTES];
	uint8_t server_public[OPENME_PUBLIC_BYTES];
	struct sockaddr_in6 door; /* where it listens */
	int street;               /* a socket to knock from */
	uint8_t packet[OPENME_PACKET_BYTES];
	uint8_t key[OPENME_KEY_BYTES]; /* of the packet */
	uint8_t plain[OPENME_NONCE_BYTES];
	struct message_knock handed;
	struct message_stranger stranger; /* that main was told of last */
#ifdef HAVE_OPENSPA
	const struct openspa_case *spa; /* the next configuration has it */
	struct sockaddr_in6 gate;       /* where requests go */
#endif
} world;

/* The linker puts it in place of the real one (--wrap): what was set last. */
static int64_t timer_ns;

bool __real_timer_set(int fd, int64_t first_ns, int64_t interval_ns);
bool __wrap_timer_set(int fd, int64_t first_ns, int64_t interval_ns);

bool __wrap_timer_set(int fd, int64_t first_ns, int64_t interval_ns)
{
	assert_int_equal(interval_ns, 0);
	timer_ns = first_ns;
	return __real_timer_set(fd, first_ns, interval_ns);
}

/* How many knocks went to the keeper in each call. */
static struct {
	unsigned int sizes[32];
	size_t count;
	bool judged_at_once; /* the keeper is through with them before the next */
} calls;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	if (calls.count < sizeof calls.sizes / sizeof *calls.sizes)
		calls.sizes[calls.count++] = count;
	if (calls.judged_at_once)
		world.doorman.held->judged = world.doorman.handed_on;
	return __real_sendmmsg(fd, messages, count, flags);
}

static void secret_of(uint8_t secret[static OPENME_SIGN_BYTES], int client)
{
	const uint8_t seed[OPENME_SEED_BYTES] = {(uint8_t)(client + 1)};

	openme_client_expand(secret, seed);
}

static void run(void)
{
	struct loop *loop = &world.doorman.process.loop;

	while (!loop->stopped && loop_turn(loop, 0))
		;
}

/* What is at the door is read and served, and nobody else has a turn. */
static void open_door(void)
{
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	arrival_serve(&world.doorman);
}

/* Until all that waits in the trial queue has been tried: a timer has to pass for each slice. */
static void run_scan(void)
{
	struct epoll_event event;

	for (run(); world.doorman.hands->lane.waiting > 0; run())
		assert_int_equal(epoll_wait(world.doorman.process.loop.epoll, &event, 1, 10000), 1);
}

static int listen_somewhere(struct sockaddr_in6 *where)
{
	static const struct socket_place anywhere = {.type = SOCK_DGRAM, .interface = ""};
	socklen_t size = sizeof *where;
	int fd = socket_open(&anywhere);

	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)where, &size), 0);
	if (where->sin6_family == AF_INET6)
		where->sin6_addr = in6addr_loopback;
	return fd;
}

#ifdef HAVE_OPENSPA

/* With devices whose keys a program knows. */
static void with_openspa(
    struct snapshot_parts *parts, struct message_secret *how, struct message_fds *fds)
{
	const char *pem;

	if (world.spa == NULL)
		return;
	pem = world.spa->vector->server_private_key_pem;
	parts->settings.openspa = (struct openspa_settings){.enabled = true,
	    .port = 22211,
	    .window_ns = 60 * NS_PER_SECOND,
	    .directory = CONF_ASKED_SCRIPT};
	how->openspa = true;
	assert_int_equal(rsa_pem_read_secret(&how->rsa, pem, strlen(pem), NULL), RSA_FINE);
	if (world.doorman.sockets[RECORD_OPENSPA].source.fd < 0)
		fds->fd[FD_OPENSPA] = listen_somewhere(&world.gate);
}

#endif

/* Main sends the next configuration, at first with the socket. */
static void send_config(void)
{
	static const struct ports ports[] = {{6, 0, 22, 22}};
	static const struct policy policies[] = {{{0, 1}}};
	struct snapshot_parts parts = {.generation = ++world.generation,
	    .counts = {.clients = world.client_count, .policies = 1, .ports = 1},
	    .settings = {.openme = true,
	        .udp_port = 54154,
	        .knock_timeout_ns = NS_PER_SECOND,
	        .replay_window_ns = 60 * NS_PER_SECOND,
	        .mark = 1,
	        .client_quota = 1,
	        .hint_only_clients = world.hint_only},
	    .clients = world.clients,
	    .policies = policies,
	    .ports = ports};
	struct message_secret how = {0};
	struct message_fds fds = message_fds_none();

#ifdef HAVE_OPENSPA
	with_openspa(&parts, &how, &fds);
#endif
	fds.fd[FD_SNAPSHOT] = snapshot_create(&parts);
	assert_true(fds.fd[FD_SNAPSHOT] >= 0);
	memcpy(how.secret, world.server_secret, sizeof how.secret);
	if (world.generation == 1)
		fds.fd[FD_OPENME] = listen_somewhere(&world.door);
	assert_true(channel_send(&world.main, MESSAGE_CONFIG_DOORMAN, &how, &fds));
	message_fds_close(&fds);
}

/* What main hears next but for strangers. */
static enum channel_result hear_main(struct message *m)
{
	enum channel_result result;

	while ((result = channel_receive(&world.main, m, PHASE_RUN)) == CHANNEL_MESSAGE &&
	       m->type == MESSAGE_DOORMAN_STRANGER)
		world.stranger = m->body.DOORMAN_STRANGER;
	return result;
}

/* Before whatever else waits. */
static void take_config(void)
{
	assert_int_equal(peer_wait(&world.doorman.process.main, PHASE_RUN, 0), CHANNEL_MESSAGE);
}

static void configure(void)
{
	struct message m;

	send_config();
	take_config();
	run();
	assert_int_equal(hear_main(&m), CHANNEL_MESSAGE);
	assert_int_equal(m.body.DOORMAN_READY.error, 0);
}

static int join(struct channel *far, enum role role)
{
	int fds[2];

	assert_true(channel_pair(fds));
	*far = (struct channel){fds[0], role, ROLE_DOORMAN};
	return fds[1];
}

/* For the one that is set up next. */
static int kept_held = -1;
static const uint8_t *kept_secret;

static int set_up_door(void **state)
{
	static const char *const names[] = {"alice", "bob", "carol"};
	struct doorman *d = &world.doorman;
	static const struct message_begin begin;
	struct message_fds fds = message_fds_none();

	(void)state;
	memset(&world, 0, sizeof world);
	secret_random(world.server_secret, sizeof world.server_secret);
	if (kept_secret != NULL)
		memcpy(world.server_secret, kept_secret, sizeof world.server_secret);
	openme_server_public(world.server_public, world.server_secret);
	world.client_count = CLIENTS;
	for (int i = 0; i < CLIENTS; i++) {
		uint8_t secret[OPENME_SIGN_BYTES];
		struct client *c = &world.clients[i];

		secret_of(secret, i);
		memcpy(c->public_key, secret + OPENME_SEED_BYTES, sizeof c->public_key);
		snprintf(c->name, sizeof c->name, "%s", names[i]);
		c->expires_ns = NEVER_NS;
	}
	fds.fd[FD_KEEPER] = join(&world.keeper, ROLE_KEEPER);
	fds.fd[FD_DOORMAN_COUNTERS] = counters_create(1);
	fds.fd[FD_HELD] = kept_held;
	kept_held = -1;
	d->process.main =
	    (struct peer){.channel = {join(&world.main, ROLE_MAIN), ROLE_DOORMAN, ROLE_MAIN},
	        .handlers = handlers,
	        .context = d};
	assert_true(loop_open(&d->process.loop));
	assert_true(doorman_begin(d, &begin, &fds));
	message_fds_close(&fds);
	assert_true(peer_open(&d->process.main, &d->process.loop));
	configure();
	world.street = socket(world.door.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return world.street < 0;
}

static int tear_down(void **state)
{
	struct doorman *d = &world.doorman;
	const int fds[] = {d->scan_timer.fd, d->sockets[RECORD_OPENME].source.fd,
	    d->sockets[RECORD_OPENSPA].source.fd, world.main.fd, world.keeper.fd, world.street};

	(void)state;
#ifdef HAVE_OPENSPA
	rsa_key_free(d->rsa);
#endif
	networks_close(&d->networks);
	directory_free(d->directory);
	snapshot_unmap(&d->config);
	secret_free(d->hands);
	secret_free(d->secret);
	munmap(d->report.counters, sizeof *d->report.counters);
	munmap(d->held, sizeof *d->held);
	peer_close(&d->keeper);
	peer_close(&d->process.main);
	loop_close(&d->process.loop);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		close(fds[i]);
	return 0;
}

static void make_knock(int client, const struct addr *target)
{
	struct openme_ingredients in = {
	    .knock = {.timestamp_ns = clock_real_ns(), .target = *target}};

	secret_of(in.client_secret, client);
	memcpy(in.server_public, world.server_public, sizeof in.server_public);
	secret_random(in.ephemeral_secret, sizeof in.ephemeral_secret);
	secret_random(in.aead_nonce, sizeof in.aead_nonce);
	secret_random(in.knock.nonce, sizeof in.knock.nonce);
	memcpy(world.plain, in.knock.nonce, sizeof world.plain);
	assert_true(openme_seal(world.packet, &in));
	assert_true(openme_unseal(world.key, world.server_secret, world.packet));
}

/* A packet goes to the door, and is not looked at yet. */
static void knock_by(int client)
{
	static const struct addr its_source;

	make_knock(client, &its_source);
	assert_int_equal(sendto(world.street, world.packet, sizeof world.packet, 0,
	                     (struct sockaddr *)&world.door, sizeof world.door),
	    sizeof world.packet);
}

/* What was sent last, once more, from another port. */
static void send_again(void)
{
	int other = socket(world.door.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(sendto(other, world.packet, sizeof world.packet, 0,
	                     (struct sockaddr *)&world.door, sizeof world.door),
	    sizeof world.packet);
	close(other);
}

/* The next one that the keeper gets, and whose it is said to be; -1: none. */
static int64_t handed_on(void)
{
	struct message m;

	if (channel_receive(&world.keeper, &m, PHASE_RUN) != CHANNEL_MESSAGE)
		return -1;
	world.handed = m.body.KNOCK;
	assert_memory_equal(world.handed.key, world.key, sizeof world.key);
	assert_memory_equal(world.handed.record.bytes, world.packet, sizeof world.packet);
	assert_int_equal(world.handed.generation, world.generation);
	return world.handed.holder;
}

/* The keeper gives back what it was handed last. */
static void send_back(bool stale_config)
{
	const struct message_knock_back m = {stale_config, world.handed};

	assert_true(channel_send(&world.keeper, MESSAGE_KNOCK_BACK, &m, NULL));
}

static void give_back(bool stale_config)
{
	send_back(stale_config);
	run();
}

static uint64_t counted(enum verdict v)
{
	return world.doorman.report.counters->verdicts[v];
}

static bool holds(const void *memory, size_t size, const uint8_t *secret, size_t secret_bytes)
{
	for (size_t at = 0; at + PIECE_BYTES <= secret_bytes; at += PIECE_BYTES) {
		if (memmem(memory, size, secret + at, PIECE_BYTES) != NULL)
			return true;
	}
	return false;
}

/* The key, or what the packet said, in the memory that packets go through. */
static bool something_is_left(void)
{
	const struct hands *hands = world.doorman.hands;

	return holds(hands, sizeof *hands, world.key, sizeof world.key) ||
	       holds(hands, sizeof *hands, world.plain, sizeof world.plain);
}

static uint8_t stack[STACK_BYTES];

static bool something_on_stack(void (*what)(void))
{
	ucontext_t here, there;

	memset(stack, 0, sizeof stack);
	assert_int_equal(getcontext(&there), 0);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof stack;
	there.uc_link = &here;
	makecontext(&there, what, 0);
	assert_int_equal(swapcontext(&here, &there), 0);
	return holds(stack, sizeof stack, world.key, sizeof world.key) ||
	       holds(stack, sizeof stack, world.plain, sizeof world.plain);
}

static void every_key_is_tried(void **state)
{
	(void)state;
	knock_by(CAROL);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	assert_int_equal(world.handed.guessed, 0);
	assert_false(something_is_left());
	/* From there on it is the first guess. */
	knock_by(CAROL);
	run();
	assert_int_equal(handed_on(), CAROL);
	assert_int_equal(world.handed.guessed, 1);
	assert_false(something_is_left());
	assert_int_equal(handed_on(), -1);
	assert_int_equal(counted(VERDICT_HANDED_ON), 2);
	assert_int_equal(counted(VERDICT_BAD_SIZE), 0); /* nothing but what came */
}

/* Main tells it to read no more, and hears when it has nothing left in its hands. */
static void stop_reading(void)
{
	static const struct message_empty nothing;

	assert_true(channel_send(&world.main, MESSAGE_STOP_DOORMAN, &nothing, NULL));
	take_config();
}

static bool says_ready(void)
{
	struct message m;

	return hear_main(&m) == CHANNEL_MESSAGE && m.type == MESSAGE_DOORMAN_READY &&
	       m.body.DOORMAN_READY.error == 0;
}

static void what_comes_after_a_stop_is_not_read(void **state)
{
	uint8_t packet[OPENME_PACKET_BYTES];

	(void)state;
	knock_by(CAROL);
	stop_reading();
	assert_true(says_ready());
	run_scan();
	assert_int_equal(handed_on(), -1);
	assert_int_equal(recv(world.doorman.sockets[RECORD_OPENME].source.fd, packet, sizeof packet,
	                     MSG_PEEK | MSG_DONTWAIT),
	    sizeof packet);
	assert_memory_equal(packet, world.packet, sizeof packet);
}

static void what_was_read_before_a_stop_is_handed_on(void **state)
{
	(void)state;
	knock_by(CAROL);
	open_door();
	assert_int_equal(world.doorman.hands->lane.waiting, 1);
	stop_reading();
	assert_false(says_ready());
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	assert_true(says_ready());
}

/* It is killed, and another one starts with the memory that it has left, a knock in it. */
static void start_another(uint64_t judged)
{
	int fd = held_create();
	struct held *left = held_map(fd, 0);
	void *state = NULL;
	uint8_t packet[OPENME_PACKET_BYTES], key[OPENME_KEY_BYTES], plain[OPENME_NONCE_BYTES];
	uint8_t secret[OPENME_SECRET_BYTES];

	assert_true(held_is(fd));
	assert_non_null(left);
	if (left == NULL) /* for the analyzer */
		return;
	*left = *world.doorman.held;
	left->judged = judged;
	munmap(left, sizeof *left);
	memcpy(packet, world.packet, sizeof packet);
	memcpy(key, world.key, sizeof key);
	memcpy(plain, world.plain, sizeof plain);
	memcpy(secret, world.server_secret, sizeof secret);
	tear_down(&state);
	kept_held = fd;
	kept_secret = secret;
	set_up_door(&state);
	kept_secret = NULL;
	memcpy(world.packet, packet, sizeof packet);
	memcpy(world.key, key, sizeof key);
	memcpy(world.plain, plain, sizeof plain);
}

static void what_a_killed_one_had_in_its_hands(void **state)
{
	(void)state;
	knock_by(CAROL);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	start_another(0); /* the keeper had not judged it */
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	assert_int_equal(handed_on(), -1);
	assert_false(something_is_left());
	start_another(1);
	run_scan();
	assert_int_equal(handed_on(), -1);
}

static void main_is_told_of_strangers(void **state)
{
	struct message m;

	(void)state;
	knock_by(CLIENTS);
	run_scan();
	assert_int_equal(hear_main(&m), CHANNEL_EMPTY);
	assert_int_equal(world.stranger.verdict, VERDICT_UNKNOWN_SIGNER);
	assert_int_not_equal(world.stranger.source_port, 0);
	for (int i = 0; i < 5; i++) {
		knock_by(CLIENTS);
		run_scan();
	}
	stop_reading();
	assert_true(says_ready());
	assert_int_equal(world.stranger.verdict, VERDICT_COUNT);
	assert_int_equal(world.stranger.left_out, 3);
}

static void what_a_killed_one_had_refused(void **state)
{
	(void)state;
	knock_by(CLIENTS);
	run_scan();
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 1);
	start_another(0);
	run_scan();
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 0);
	assert_int_equal(world.doorman.next_slot, 0);
}

static uint16_t waiting_of(enum rings_class class)
{
	const struct rings_lane *lane = &world.doorman.rings[RECORD_OPENME].lanes[class];
	uint16_t waiting = 0;

	for (int i = 0; i < RINGS_OF_CLASS; i++)
		waiting = (uint16_t)(waiting + lane->rings[i].count);
	return waiting;
}

/* It was read, and its turn had not come. */
static void what_waited_for_its_turn(void **state)
{
	(void)state;
	knock_by(CAROL);
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	assert_int_equal(waiting_of(RINGS_OTHER), 1);
	start_another(0);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	start_another(1);
	run_scan();
	assert_int_equal(handed_on(), -1);
}

/* Of all that waited, each comes to a place that was emptied, and none is lost. */
static void all_that_waited(void **state)
{
	struct held *h = world.doorman.held;

	(void)state;
	knock_by(CLIENTS);
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	for (size_t i = 1; i < HELD_KNOCKS; i++) {
		h->knocks[i] = h->knocks[0];
		h->knocks[i].head.source.bytes[0] = 0x20;
		h->knocks[i].head.source.bytes[6] = (uint8_t)(i >> 8);
		h->knocks[i].head.source.bytes[7] = (uint8_t)i;
		h->knocks[i].head.size =
		    i % 2 == 0 ? HELD_KNOCK_BYTES : 7; /* as none is put there */
	}
	start_another(0);
	assert_int_equal(counted(VERDICT_HANDED_ON), HELD_KNOCKS / 2); /* opened */
	for (size_t i = 0; i < HELD_KNOCKS; i++)
		assert_int_equal(world.doorman.held->knocks[i].head.size, 0);
}

/* The keeper can write there while it waits. */
static void what_waits_is_not_believed(void **state)
{
	struct held *h = world.doorman.held;

	(void)state;
	for (int size = 0; size <= UINT16_MAX; size += 13) {
		knock_by(CAROL);
		arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
		h->knocks[0].head.size = (uint16_t)size;
		run();
		assert_int_equal(handed_on(), -1);
		assert_int_equal(waiting_of(RINGS_OTHER), 0);
	}
	knock_by(CAROL);
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	h->knocks[0].bytes[0]++;
	run();
	assert_int_equal(counted(VERDICT_BAD_VERSION), 1);
}

/* The first is handed on; neither those that wait with it cost anything, nor those that follow. */
static void copies_are_dropped(void **state)
{
	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	knock_by(ALICE);
	for (int i = 0; i < 5; i++)
		send_again();
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	assert_int_equal(waiting_of(RINGS_KNOWN), 6);
	run();
	for (int i = 0; i < 5; i++)
		send_again();
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	assert_int_equal(waiting_of(RINGS_KNOWN), 0);
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(handed_on(), -1);
	assert_int_equal(counted(VERDICT_REPLAYED), 10);
	assert_int_equal(counted(VERDICT_HANDED_ON), 2);
}

/* It comes from there, and is handed on as this client's; -1: not at all. */
static int64_t taken_from(const struct addr *source)
{
	struct record r = {.source = *source, .size = sizeof world.packet};

	memcpy(r.bytes, world.packet, sizeof world.packet);
	held_put(world.doorman.held, 0, &r, 0);
	arrival_take_up_held(&world.doorman);
	run_scan();
	return handed_on();
}

/* By somebody who has recorded the knock on its way, and can make no use of it: whether its key was
 * searched for, or guessed wrong. */
static void who_was_overtaken_is_handed_on(void **state)
{
	static const struct addr owner = {{0x20, 1}}, thief = {{0x20, 2}};

	(void)state;
	make_knock(CAROL, &owner);
	assert_int_equal(taken_from(&thief), CAROL);
	assert_int_equal(taken_from(&thief), -1);
	assert_int_equal(taken_from(&owner), CAROL);
	assert_int_equal(taken_from(&owner), -1);
	assert_int_equal(taken_from(&thief), -1);
	make_knock(BOB, &owner);
	assert_int_equal(taken_from(&thief), CAROL);
	give_back(false);
	run_scan();
	assert_int_equal(handed_on(), BOB);
	assert_int_equal(taken_from(&owner), CAROL);
}

/* What came back, or may count by now, is not taken for a copy. */
static void not_every_copy_is_dropped(void **state)
{
	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	give_back(true); /* and waits for the configuration */
	send_again();
	run();
	assert_int_equal(handed_on(), ALICE);
	configure();
	run();
	assert_int_equal(handed_on(), ALICE);
	configure();
	send_again();
	run();
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(counted(VERDICT_REPLAYED), 0);
}

/* One sends more than is served; the others have their turn, those who are known a good part. */
static void whoever_sends_more_waits_longer(void **state)
{
	uint64_t before;

	(void)state;
	knock_by(CLIENTS);
	for (size_t i = 0; i < HELD_KNOCKS; i++) {
		struct record r = {.source = {{0x20}}, .size = sizeof world.packet};

		memcpy(r.bytes, world.packet, sizeof world.packet);
		r.bytes[101] = (uint8_t)i;
		held_put(world.doorman.held, i, &r, i);
	}
	arrival_take_up_held(&world.doorman);
	before = counted(VERDICT_HANDED_ON);
	assert_int_equal(waiting_of(RINGS_OTHER), HELD_KNOCKS / 2);
	assert_int_equal(counted(VERDICT_BUSY), HELD_KNOCKS / 2);
	knock_by(CAROL);
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	assert_int_equal(
	    counted(VERDICT_BUSY), HELD_KNOCKS / 2 + 2); /* two come, from one source */
	arrival_serve(&world.doorman);
	assert_in_range(counted(VERDICT_HANDED_ON) - before, 1, 8);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
}

/* What was read before is served first, and then main is told. */
static void what_waits_at_a_stop_is_served(void **state)
{
	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	knock_by(ALICE);
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	stop_reading();
	assert_false(says_ready());
	run();
	assert_int_equal(handed_on(), ALICE);
	assert_true(says_ready());
	assert_false(says_ready());
}

/* --- Several together */

static void let_wait(int knocks)
{
	knock_by(CAROL);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	for (int i = 0; i < knocks; i++)
		knock_by(CAROL);
	arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
	assert_int_equal(waiting_of(RINGS_KNOWN), knocks);
	memset(&calls, 0, sizeof calls);
}

/* All that the keeper got, in this many calls, of these sizes. */
static void went_in(size_t count, const unsigned int sizes[])
{
	struct message m;
	unsigned int all = 0;

	assert_int_equal(calls.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(calls.sizes[i], sizes[i]);
		all += sizes[i];
	}
	for (; all > 0; all--) {
		assert_int_equal(channel_receive(&world.keeper, &m, PHASE_RUN), CHANNEL_MESSAGE);
		assert_int_equal(m.body.KNOCK.holder, CAROL);
	}
	assert_int_equal(channel_receive(&world.keeper, &m, PHASE_RUN), CHANNEL_EMPTY);
	assert_int_equal(world.doorman.hands->outbox.count, 0);
	assert_false(something_is_left());
	memset(&calls, 0, sizeof calls);
}

/* The first at once, as the keeper has nothing to do, the others of a slice while it judges that;
 * the last one has nothing to wait for. */
static void what_waits_together_goes_together(void **state)
{
	(void)state;
	let_wait(18);
	world.doorman.held->judged = world.doorman.handed_on;
	assert_true(arrival_serve(&world.doorman));
	went_in(2, (const unsigned int[]){1, 7});
	assert_true(arrival_serve(&world.doorman));
	went_in(1, (const unsigned int[]){8});
	assert_false(arrival_serve(&world.doorman));
	went_in(1, (const unsigned int[]){2});
}

static void a_keeper_that_rests_is_not_kept_waiting(void **state)
{
	(void)state;
	let_wait(4);
	world.doorman.held->judged = world.doorman.handed_on;
	calls.judged_at_once = true;
	assert_false(arrival_serve(&world.doorman));
	went_in(4, (const unsigned int[]){1, 1, 1, 1});
}

static void a_lone_knock_goes_at_once(void **state)
{
	(void)state;
	let_wait(0);
	knock_by(CAROL);
	run();
	went_in(1, (const unsigned int[]){1}); /* the keeper has not judged the one before */
}

/* Whatever the keeper writes there, each goes, in the slice in which it was served. */
static void what_the_keeper_says_only_decides_what_goes_together(void **state)
{
	static const uint64_t said[] = {0, 1, 1000, UINT64_MAX - 1, UINT64_MAX};

	(void)state;
	let_wait(0);
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		for (int n = 0; n < 3; n++)
			knock_by(CAROL);
		arrival_ready(&world.doorman.sockets[RECORD_OPENME]);
		world.doorman.held->judged = said[i];
		assert_false(arrival_serve(&world.doorman));
		if (said[i] < 2)
			went_in(1, (const unsigned int[]){3});
		else
			went_in(3, (const unsigned int[]){1, 1, 1});
	}
}

/* One slot as it was left, and what is made of it. */
static const struct {
	uint16_t slot;
	uint64_t number, judged;
	uint16_t size;
	uint8_t protocol;
	bool taken_up;
} slots_left[] = {
    {0, 0, 9, OPENME_PACKET_BYTES, RECORD_OPENME, true},
    {HELD_SLOTS - 1, 0, 9, OPENME_PACKET_BYTES, RECORD_OPENME, true},
    {7, 9, 9, OPENME_PACKET_BYTES, RECORD_OPENME, false},
    {7, 10, 9, OPENME_PACKET_BYTES, RECORD_OPENME, true},
    {7, 1, 0, OPENME_PACKET_BYTES, RECORD_OPENME, true},
    {7, 0, 0, 0, RECORD_OPENME, false},
    {7, 0, 0, 1, RECORD_OPENME, true},
    {7, 0, 0, RECORD_BYTES_MAX + 1, RECORD_OPENME, true}, /* too long, as the socket says it */
    {7, 0, 0, RECORD_BYTES_MAX + 2, RECORD_OPENME, false},
    {7, 0, 0, OPENME_PACKET_BYTES, RECORD_OPENSPA, false}, /* there is no such socket */
    {7, 0, 0, OPENME_PACKET_BYTES, RECORD_PROTOCOLS, false},
};

static void each_slot_that_was_left(void **state)
{
	struct record record;

	(void)state;
	knock_by(CAROL);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	record = world.doorman.held->slots[world.handed.record.slot].record;
	for (size_t i = 0; i < sizeof slots_left / sizeof *slots_left; i++) {
		uint16_t slot = slots_left[i].slot;
		struct held *h = world.doorman.held;
		bool whole = slots_left[i].size == OPENME_PACKET_BYTES;

		memset(h, 0, sizeof *h);
		h->slots[slot].number = slots_left[i].number;
		h->slots[slot].record = record;
		h->slots[slot].record.size = slots_left[i].size;
		h->slots[slot].record.protocol = slots_left[i].protocol;
		start_another(slots_left[i].judged);
		run_scan();
		if (handed_on() != (slots_left[i].taken_up && whole ? CAROL : -1))
			fail_msg("slot %zu", i);
		assert_int_equal(
		    world.doorman.next_slot, slots_left[i].taken_up ? (slot + 1) % HELD_SLOTS : 0);
		if (slots_left[i].taken_up && whole)
			assert_int_equal(world.handed.record.slot, slot);
	}
}

/* What came first is judged first: in hands before in rings, wherever it stands. */
static void what_was_left_keeps_its_order(void **state)
{
	static const int order[] = {CAROL, ALICE, BOB, ALICE, CAROL, BOB};
	enum { LEFT = sizeof order / sizeof *order };
	uint8_t packets[LEFT][OPENME_PACKET_BYTES], keys[LEFT][OPENME_KEY_BYTES];
	struct held *h = world.doorman.held;

	(void)state;
	memset(h, 0, sizeof *h);
	for (size_t i = 0; i < LEFT; i++) {
		struct record r = {.source = {{0x20}}, .size = sizeof world.packet};

		knock_by(order[i]);
		memcpy(r.bytes, world.packet, sizeof world.packet);
		memcpy(packets[i], world.packet, sizeof world.packet);
		memcpy(keys[i], world.key, sizeof world.key);
		if (i < LEFT / 2) {
			h->slots[100 - 40 * i].record = r;
			h->slots[100 - 40 * i].arrived = 1000 + i;
		} else {
			held_put(h, 2000 - 300 * i, &r, 1000 + i);
		}
	}
	start_another(0);
	run_scan();
	for (size_t i = 0; i < LEFT; i++) {
		memcpy(world.packet, packets[i], sizeof world.packet);
		memcpy(world.key, keys[i], sizeof world.key);
		assert_int_not_equal(handed_on(), -1); /* it is this very packet */
	}
}

/* The memory ends with the last slot. */
static void no_slot_behind_the_last(void **state)
{
	struct doorman *d = &world.doorman;
	struct held *own = d->held;
	const size_t page = 4096, whole = (sizeof *own + page - 1) / page * page;
	char *p = mmap(NULL, whole + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p, whole, PROT_READ | PROT_WRITE), 0);
	d->held = (struct held *)(p + whole - sizeof *own);
	arrival_take_up_held(d);
	assert_int_equal(d->next_slot, 0);
	d->held = own;
	munmap(p, whole + page);
}

/* The memory may hold anything. */
static void nothing_in_that_memory_is_believed(void **state)
{
	struct held *h = world.doorman.held;

	(void)state;
	secret_random(h, sizeof *h);
	for (size_t i = 0; i < HELD_SLOTS; i += 2)
		h->slots[i].record.size = OPENME_PACKET_BYTES;
	for (size_t i = 0; i < HELD_KNOCKS; i += 2)
		h->knocks[i].head.size = HELD_KNOCK_BYTES;
	start_another(0);
	run_scan();
	assert_int_equal(handed_on(), -1);
	knock_by(CAROL);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
}

static void signed_by_nobody(void **state)
{
	(void)state;
	knock_by(CLIENTS);
	run_scan();
	assert_int_equal(handed_on(), -1);
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 1);
	assert_false(something_is_left());
}

static void a_wrong_guess_is_searched(void **state)
{
	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	knock_by(BOB);
	run();
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(world.handed.guessed, 1);
	give_back(false);
	run_scan();
	assert_int_equal(handed_on(), BOB);
	assert_int_equal(world.handed.guessed, 0);
	assert_false(something_is_left());
}

/* The keeper has a configuration that is still on its way to us. */
static void held_until_the_configuration_is_here(void **state)
{
	struct client first = world.clients[ALICE];

	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	give_back(true);
	for (int i = 0; i < 3; i++) {
		run();
		assert_int_equal(handed_on(), -1);
	}
	assert_true(something_is_left()); /* where it waits */
	assert_int_equal(counted(VERDICT_BUSY), 0);
	/* Clients are numbered anew, and so is whose it is. */
	world.clients[ALICE] = world.clients[CAROL];
	world.clients[CAROL] = first;
	configure();
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	assert_int_equal(handed_on(), -1);
	assert_false(something_is_left());
}

/* As many as there is room for; all of them are there afterwards. */
static void more_than_can_be_held(void **state)
{
	uint32_t got = 0;

	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	for (int i = 0; i < TRIAL_QUEUE_HELD + 3; i++)
		give_back(true);
	assert_int_equal(counted(VERDICT_BUSY), 3);
	assert_int_equal(handed_on(), -1);
	send_config();
	assert_false(something_on_stack(take_config)); /* of the last one either */
	run_scan();
	while (handed_on() == ALICE)
		got++;
	assert_int_equal(got, TRIAL_QUEUE_HELD);
	assert_false(something_is_left());
}

/* Ours is the newer one by now: it begins again at once, by the new numbers. */
static void given_back_after_the_configuration_came(void **state)
{
	(void)state;
	knock_by(CAROL);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	world.clients[ALICE] = world.clients[CAROL];
	world.client_count = 1;
	configure();
	give_back(true);
	assert_int_equal(handed_on(), ALICE);
	/* And a wrong guess of another numbering says nothing about ours. */
	world.handed.generation--;
	give_back(false);
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(world.handed.guessed, 1);
}

/* What waits to be searched for begins again, too. */
static void reloaded_while_a_key_is_searched(void **state)
{
	(void)state;
	knock_by(CAROL);
	for (int i = 0; i < 1000 && world.doorman.hands->lane.waiting == 0; i++)
		open_door();
	assert_int_equal(world.doorman.hands->lane.waiting, 1);
	world.clients[ALICE] = world.clients[CAROL];
	world.client_count = 1;
	configure();
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(handed_on(), -1);
	assert_false(something_is_left());
}

static uint32_t take_all(struct rate *r, int64_t now_ns)
{
	uint32_t taken = 0;

	while (rate_take(r, now_ns))
		taken++;
	return taken;
}

/* So many signatures a second by the clients that a source is known for. */
static void signatures_are_rationed(void **state)
{
	struct rate *known = &world.doorman.known_budget;
	const int64_t now = 1000 * NS_PER_SECOND;

	(void)state;
	assert_int_equal(take_all(known, now), 1000);
	for (int i = 1; i <= 20; i++)
		assert_int_equal(take_all(known, now + i * NS_PER_SECOND / 20), 650);
	assert_int_equal(take_all(known, now + 2 * NS_PER_SECOND), 1000);
}

/* Where the next doorman finds it, if this one is killed: one after the other, round and round. */
static void each_is_held_in_a_slot_of_its_own(void **state)
{
	struct doorman *d = &world.doorman;

	(void)state;
	d->next_slot = HELD_SLOTS - 2;
	for (uint16_t i = 0; i < 4; i++) {
		uint16_t slot = (uint16_t)((HELD_SLOTS - 2 + i) % HELD_SLOTS);

		d->held->slots[slot].number = UINT64_MAX;
		knock_by(CAROL);
		run_scan();
		assert_int_equal(handed_on(), CAROL);
		assert_int_equal(world.handed.record.slot, slot);
		assert_true(d->held->slots[slot].number != UINT64_MAX);
		assert_memory_equal(
		    d->held->slots[slot].record.bytes, world.packet, sizeof world.packet);
	}
}

/* Whatever stood in its slot has been judged: it has not. */
static void what_waits_is_not_judged(void **state)
{
	struct doorman *d = &world.doorman;

	(void)state;
	d->next_slot = 5;
	d->held->slots[5].number = 7;
	knock_by(CAROL);
	for (int i = 0; i < 1000 && d->hands->lane.waiting == 0; i++)
		open_door();
	assert_int_equal(d->hands->lane.waiting, 1);
	assert_int_equal(d->held->slots[5].number, 0);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	assert_int_equal(d->held->slots[5].number, d->handed_on);
}

/* As if it came from a host in the nth of many networks. */
static void take_in_at_host(uint8_t nth, uint8_t host)
{
	struct knock k = {.packet.record = {.size = sizeof world.packet, .source = {{[15] = 1}}}};

	k.packet.record.source.bytes[0] = 0x20;
	k.packet.record.source.bytes[5] = nth;
	k.packet.record.source.bytes[7] = host;
	memcpy(k.packet.record.bytes, world.packet, sizeof world.packet);
	doorman_take_in(&world.doorman, &k);
}

static void take_in_from(uint8_t nth)
{
	take_in_at_host(nth, nth);
}

/* So many steps, and then the socket has its turn: a step is a signature, or finding that there is
 * none left to try. */
static void a_slice_of_the_queue(void **state)
{
	struct trial_queue *lane = &world.doorman.hands->lane;
	const uint32_t whole = 8 / (CLIENTS + 1); /* each packet is tried with every key */

	(void)state;
	knock_by(CLIENTS);
	for (uint8_t i = 0; i < 21; i++)
		take_in_from(i);
	assert_int_equal(lane->waiting, 21);
	assert_int_equal(lane->in_lane[TRIAL_FAR_NOWHERE], 21);
	doorman_try_keys(&world.doorman);
	assert_true(timer_ns >= 1); /* later where others want the processor */
	assert_int_equal(lane->waiting, 21 - whole);
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), whole);
	run_scan();
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 22); /* with the one at the door */
	/* And when one alone is left for the next slice. */
	for (uint8_t i = 0; i < whole + 1; i++)
		take_in_from(i);
	run_scan();
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 22 + whole + 1);
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

/* It was kept waiting for as long as it ran: others want the processor. */
static void a_pause_when_others_wait(void **state)
{
	const int64_t span = 1000 * NS_PER_MS;
	uint32_t waiting;

	(void)state;
	knock_by(CLIENTS);
	for (uint8_t i = 0; i < 20; i++)
		take_in_from(i);
	world.doorman.trial.pace = (struct trial_pace){clock_boot_ns() - 2 * span, cpu_ns() - span};
	doorman_try_keys(&world.doorman);
	assert_true(timer_ns > span * 9 / 10 && timer_ns < 3 * span);
	/* Who is likely to be found soon does not pause with the others. */
	waiting = world.doorman.hands->lane.waiting;
	networks_seen(&world.doorman.networks, &(struct addr){{0x20, [5] = 99}},
	    world.clients[BOB].public_key, clock_real_ns());
	knock_by(BOB);
	take_in_at_host(99, 9);
	assert_int_equal(timer_ns, 1);
	doorman_try_keys(&world.doorman);
	assert_int_equal(handed_on(), BOB);
	assert_int_equal(world.doorman.hands->lane.waiting, waiting);
	assert_true(timer_ns > 1);
	run_scan();
}

/* The client knocks from another address of a network where it was seen. */
static void those_who_were_seen_in_a_network_come_first(void **state)
{
	struct trial_queue *lane = &world.doorman.hands->lane;

	(void)state;
	knock_by(CAROL);
	take_in_from(1);
	assert_int_equal(lane->in_lane[TRIAL_FAR_NOWHERE], 1);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
	assert_int_equal(handed_on(), CAROL); /* of which one came to the door */
	knock_by(CAROL);
	memset(world.doorman.held->slots, 0, sizeof world.doorman.held->slots);
	take_in_at_host(1, 9);
	assert_int_equal(lane->in_lane[TRIAL_NEAR_NETWORK], 1);
	doorman_try_keys(&world.doorman);
	assert_int_equal(lane->waiting, 0);
	assert_int_equal(handed_on(), CAROL);
	/* Who is not among them is searched for among all. */
	run();
	handed_on();
	knock_by(BOB);
	take_in_at_host(1, 10);
	doorman_try_keys(&world.doorman);
	assert_int_equal(handed_on(), BOB);
}

/* A knock that has grown old meanwhile costs nothing any more. */
static void the_stale_are_not_searched_for(void **state)
{
	struct trial_queue *lane = &world.doorman.hands->lane;

	(void)state;
	knock_by(CAROL);
	take_in_from(1);
	trial_queue_first(lane, TRIAL_FAR_NOWHERE)->timestamp_ns -= 61 * NS_PER_SECOND;
	doorman_try_keys(&world.doorman);
	assert_int_equal(counted(VERDICT_STALE), 1);
	assert_int_equal(lane->waiting, 0);
	assert_int_equal(handed_on(), -1);
}

/* Their keys are tried while few wait: the log says by name who it was. */
static void the_barred_come_last(void **state)
{
	(void)state;
	world.clients[ALICE].revoked = true;
	world.clients[BOB].expires_ns = 1;
	configure();
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	/* By the key alone: what is known of its source would lead there, too. */
	knock_by(BOB);
	run();
	handed_on(); /* for a guess of Alice */
	for (uint8_t i = 0; i < 10; i++)
		take_in_from(i);
	run_scan();
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 2);
	for (int i = 0; i < 8; i++)
		assert_int_equal(handed_on(), BOB);
	assert_int_equal(handed_on(), -1);
}

/* Nobody's key is tried who has said that hints are all that counts. */
static void who_is_found_by_hint_alone(void **state)
{
	(void)state;
	world.clients[CAROL].hint_only = true;
	world.hint_only = 1;
	configure();
	knock_by(CAROL);
	run_scan();
	assert_int_equal(handed_on(), -1);
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 1);
	knock_by(BOB);
	run_scan();
	assert_int_equal(handed_on(), BOB);
	/* With all of them so, nothing waits. */
	for (int i = 0; i < CLIENTS; i++)
		world.clients[i].hint_only = true;
	world.hint_only = CLIENTS;
	configure();
	knock_by(BOB);
	take_in_from(3);
	assert_int_equal(world.doorman.hands->lane.waiting, 0);
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 2);
	/* Nor is a lone one guessed. */
	world.client_count = world.hint_only = 1;
	configure();
	knock_by(ALICE);
	run();
	assert_int_equal(handed_on(), -1);
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 4);
}

/* The keeper's guess was wrong, and another who is known from there has signed: no key of others
 * is tried. */
static void those_a_source_is_known_for_come_first(void **state)
{
	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	knock_by(BOB);
	run();
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(world.doorman.guess_limiter.total_debt_ns, 0);
	give_back(false);
	assert_true(world.doorman.guess_limiter.total_debt_ns > 0);
	run_scan();
	assert_int_equal(handed_on(), BOB);
	knock_by(ALICE);
	run();
	assert_int_equal(handed_on(), BOB);
	timer_ns = 0;
	world.doorman.known_budget = (struct rate){
	    .interval_ns = INT64_MAX, .burst = 9, .tokens = 9, .last_ns = clock_boot_ns()};
	give_back(false);
	assert_int_equal(timer_ns, 0);
	assert_int_equal(world.doorman.known_budget.tokens, 8); /* not whom the keeper tried */
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(world.handed.guessed, 0);
	/* After too many wrong ones nobody is guessed, and the first is among those. */
	for (int i = 0; i < 1000; i++)
		guess_limiter_add(
		    &world.doorman.guess_limiter, &world.handed.record.source, clock_boot_ns());
	knock_by(ALICE);
	run();
	assert_int_equal(timer_ns, 0);
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(world.handed.guessed, 0);
	/* Without a budget for that it is a matter for the queue. */
	world.doorman.known_budget =
	    (struct rate){.interval_ns = INT64_MAX, .last_ns = clock_boot_ns()};
	knock_by(ALICE);
	run_scan();
	assert_int_equal(timer_ns, 1);
	assert_int_equal(handed_on(), ALICE);
}

/* When all are known from there, all have been tried at once. */
static void nobody_else_is_left_to_try(void **state)
{
	(void)state;
	for (int client = 0; client < CLIENTS; client++) {
		knock_by(client);
		run_scan();
		if (handed_on() != client) {
			give_back(false);
			run_scan();
			assert_int_equal(handed_on(), client);
		}
	}
	knock_by(CLIENTS);
	run();
	assert_int_equal(handed_on(), CLIENTS - 1);
	timer_ns = 0;
	give_back(false);
	assert_int_equal(timer_ns, 0);
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 1);
}

/* One client is enough for a source to be known. */
static void a_known_source_is_queued_as_such(void **state)
{
	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	knock_by(CAROL);
	run();
	assert_int_equal(handed_on(), ALICE);
	send_back(false);
	peer_wait(&world.doorman.keeper, PHASE_RUN, 1000);
	assert_int_equal(world.doorman.hands->lane.in_lane[TRIAL_NEAR_SOURCE], 1);
	run_scan();
	assert_int_equal(handed_on(), CAROL);
}

/* Behind the last client there may be something that looks like one. */
static void only_as_many_as_there_are(void **state)
{
	(void)state;
	world.doorman.config.client_count--;
	knock_by(CLIENTS - 1);
	run_scan();
	assert_int_equal(handed_on(), -1);
	assert_int_equal(counted(VERDICT_UNKNOWN_SIGNER), 1);
}

static void noise_is_counted(void **state)
{
	(void)state;
	assert_int_equal(
	    sendto(world.street, "noise", 5, 0, (struct sockaddr *)&world.door, sizeof world.door),
	    5);
	run();
	assert_int_equal(counted(VERDICT_BAD_SIZE), 1);
	assert_int_equal(counted(VERDICT_HANDED_ON), 0);
}

static void more_than_one_source_may_queue(void **state)
{
	(void)state;
	knock_by(CLIENTS);
	for (int i = 0; i < TRIAL_OF_SOURCE + 1; i++)
		take_in_from(1);
	assert_int_equal(counted(VERDICT_BUSY), 1);
	assert_int_equal(world.doorman.hands->lane.waiting, TRIAL_OF_SOURCE);
}

/* A keeper that has gone: there is nothing left to stand at the door for. */
static void nobody_to_hand_it_to(void **state)
{
	(void)state;
	shutdown(world.doorman.keeper.channel.fd, SHUT_WR);
	knock_by(ALICE);
	while (!world.doorman.process.loop.stopped) {
		struct epoll_event event;

		assert_int_equal(epoll_wait(world.doorman.process.loop.epoll, &event, 1, 10000), 1);
		run();
	}
}

/* Wrong guesses of one source are counted from the start. */
static void wrong_guesses_are_limited(void **state)
{
	static const struct addr source = {{[15] = 1}};
	struct guess_limiter *l = &world.doorman.guess_limiter;
	const int64_t now = clock_boot_ns();

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_false(guess_limiter_too_many(l, &source, now));
		guess_limiter_add(l, &source, now);
	}
	guess_limiter_add(l, &source, now);
	assert_true(guess_limiter_too_many(l, &source, now));
	/* Nobody knows which other source shares its fate. */
	assert_false(sodium_is_zero(l->hash_key, sizeof l->hash_key));
}

/* What main is told of it. */
static int32_t outcome_of(enum message_type type, const void *body, struct message_fds *fds)
{
	struct message m;

	assert_true(channel_send(&world.main, type, body, fds));
	take_config();
	assert_int_equal(hear_main(&m), CHANNEL_MESSAGE);
	return m.body.DOORMAN_READY.error;
}

/* A sound one with so many networks, the last of them with so many bits. */
static int large_snapshot(uint32_t networks, uint8_t bits)
{
	struct cidr *all = calloc(networks, sizeof *all);
	const struct snapshot_parts parts = {.generation = ++world.generation,
	    .settings = world.doorman.config.header->settings,
	    .counts = {.clients = CLIENTS, .policies = 1, .ports = 1, .cidrs = networks},
	    .clients = world.clients,
	    .policies = world.doorman.config.policies,
	    .ports = world.doorman.config.ports,
	    .cidrs = all};
	int fd;

	assert_non_null(all);
	all[networks - 1].bits = bits;
	fd = snapshot_create(&parts);
	free(all);
	assert_true(fd >= 0);
	return fd;
}

/* It serves by the old one meanwhile, and takes over what it has looked at to its end. */
static void a_large_snapshot_is_checked_in_slices(void **state)
{
	static const struct message_empty nothing;
	static const enum message_type check = MESSAGE_CHECK_DOORMAN;
	struct message_secret how = {.openspa = false};
	struct message_fds fds = message_fds_none();
	int32_t error = EAGAIN;
	int slices = 1;

	(void)state;
	memcpy(how.secret, world.server_secret, sizeof how.secret);
	fds.fd[FD_SNAPSHOT] = large_snapshot(20000, 1);
	assert_int_equal(outcome_of(check, &nothing, &fds), EAGAIN);
	message_fds_close(&fds);
	for (; error == EAGAIN; slices++) {
		assert_int_equal(outcome_of(MESSAGE_CONFIG_DOORMAN, &how, NULL), EAGAIN);
		world.generation--;
		knock_by(ALICE);
		run_scan();
		assert_int_equal(handed_on(), ALICE);
		world.generation++;
		error = outcome_of(check, &nothing, NULL);
	}
	assert_int_equal(error, 0);
	assert_int_equal(slices, 3);
	assert_int_equal(outcome_of(MESSAGE_CONFIG_DOORMAN, &how, NULL), 0);
	assert_int_equal(world.doorman.config.header->generation, world.generation);
	assert_int_equal(outcome_of(MESSAGE_CONFIG_DOORMAN, &how, NULL), EBADMSG);
	assert_int_equal(mapped_files("postern-snapshot"), 1);
}

static void what_is_bad_in_the_last_slice_is_found(void **state)
{
	static const struct message_empty nothing;
	static const enum message_type check = MESSAGE_CHECK_DOORMAN;
	const struct message_secret how = {.openspa = false};
	struct message_fds fds = message_fds_none();

	(void)state;
	fds.fd[FD_SNAPSHOT] = large_snapshot(10000, 129);
	world.generation--;
	assert_int_equal(outcome_of(check, &nothing, &fds), EAGAIN);
	message_fds_close(&fds);
	assert_int_equal(outcome_of(check, &nothing, NULL), EBADMSG);
	assert_int_equal(outcome_of(check, &nothing, NULL), EBADMSG);
	assert_int_equal(outcome_of(MESSAGE_CONFIG_DOORMAN, &how, NULL), EBADMSG);
	assert_int_equal(mapped_files("postern-snapshot"), 1);
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
}

/* One is mapped, however often it is reloaded and whether the next one is taken or not. */
static void a_reload_without_memory_changes_nothing(void **state)
{
	struct message m;
	int32_t error = ENOMEM;
#ifdef HAVE_OPENSPA
	struct openspa_case spa;

	openspa_case_open(&spa, 0);
	world.spa = &spa;
#endif
	(void)state;
	knock_by(ALICE);
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(mapped_files("postern-snapshot"), 1);
	for (size_t nth = 1; error != 0; nth++) {
		send_config();
		short_memory(nth);
		take_config();
		assert_int_equal(hear_main(&m), CHANNEL_MESSAGE);
		error = m.body.DOORMAN_READY.error;
		assert_int_equal(error != 0, short_memory_failed());
		world.generation -= error != 0;
		assert_int_equal(mapped_files("postern-snapshot"), 1);
		knock_by(ALICE);
		run();
		assert_int_equal(handed_on(), ALICE);
		assert_int_equal(world.handed.guessed, 1);
	}
	short_memory(0);
#ifdef HAVE_OPENSPA
	openspa_case_close(&spa);
#endif
}

/* Memory that cannot be locked, when a test says so. The test itself need not be. */
static bool unlockable;

bool __wrap_secret_lock_all(size_t *needed);
bool __wrap_secret_lock_all(size_t *needed)
{
	*needed = 5 << 10;
	errno = ENOMEM;
	return !unlockable;
}

/* Whether one begins with these descriptors while the nth allocation fails; it ends here. */
static bool begins_with(int counters, int held, size_t nth)
{
	static const struct message_begin begin;
	static struct doorman d;
	struct message_fds fds = message_fds_none();
	struct channel far;
	bool begun;

	d = (struct doorman){.keeper.channel.fd = -1, .scan_timer.fd = -1};
	fds.fd[FD_KEEPER] = join(&far, ROLE_KEEPER);
	fds.fd[FD_DOORMAN_COUNTERS] = counters;
	fds.fd[FD_HELD] = held;
	assert_true(loop_open(&d.process.loop));
	short_memory(nth);
	begun = doorman_begin(&d, &begin, &fds);
	short_memory(0);
	message_fds_close(&fds);
	peer_close(&d.keeper);
	if (d.scan_timer.fd >= 0)
		close(d.scan_timer.fd);
	loop_close(&d.process.loop);
	close(far.fd);
	if (d.held != NULL)
		munmap(d.held, sizeof *d.held);
	secret_free(d.hands);
	secret_free(d.secret);
	return begun;
}

/* Not without what it needs: main is told at once. */
static void no_start_by_halves(void **state)
{
	(void)state;
	assert_true(begins_with(counters_create(1), held_create(), 0));
	assert_false(begins_with(-1, held_create(), 0));
	assert_false(begins_with(counters_create(1), epoll_create1(EPOLL_CLOEXEC), 0));
	for (size_t nth = 1; nth <= 2; nth++)
		assert_false(begins_with(counters_create(1), held_create(), nth));
}

/* With what it would take; goes on only with `sandbox: best`, and main is told. */
static void what_is_not_locked_is_said(void **state)
{
	(void)state;
	for (unsigned int which = 0; which < 4; which++) {
		bool lacks = which % 2 != 0, best = which >= 2;
		const char *said;

		caught_log_begin(LOG_LEVEL_WARN);
		sandbox_take_best(best);
		unlockable = lacks;
		assert_int_equal(begins_with(counters_create(1), held_create(), 0), best || !lacks);
		unlockable = false;
		said = caught_log_end();
		assert_int_equal(strstr(said, "locked memory") != NULL, lacks);
		assert_int_equal(strstr(said, "needed=\"5 KiB\"") != NULL, lacks);
		assert_int_equal(sandbox_without(), lacks && best ? 1 << SANDBOX_MEMORY : 0);
	}
	sandbox_take_best(false);
}

static void open_packet(void)
{
	static struct codec_packet p;

	memcpy(p.record.bytes, world.packet, sizeof world.packet);
	p.record.size = sizeof world.packet;
	memcpy(p.key, world.key, sizeof p.key);
	assert_true(codec_open(&p));
}

static void nothing_is_left_on_the_stack(void **state)
{
	(void)state;
	knock_by(ALICE);
	assert_false(something_on_stack(run_scan));
	assert_int_equal(handed_on(), ALICE);
	knock_by(BOB);
	assert_false(something_on_stack(run));
	assert_int_equal(handed_on(), ALICE);
	send_back(false);
	assert_false(something_on_stack(run_scan));
	assert_int_equal(handed_on(), BOB);
	give_back(true);
	send_config();
	assert_false(something_on_stack(take_config));
	assert_false(something_on_stack(run_scan));
	assert_int_equal(handed_on(), BOB);
	assert_false(something_on_stack(open_packet));
	assert_false(something_is_left());
}

#ifdef HAVE_OPENSPA

/* From the street to the gate, and what the keeper is handed. */
static void request_by(const struct openspa_case *spa)
{
	static const struct addr target = {{[15] = 1}};
	struct openspa_request request = {.timestamp_s = clock_real_ns() / NS_PER_SECOND,
	    .ports = {6, 0, 22, 22},
	    .client_address = target,
	    .server_address = target};
	uint8_t packet[OPENSPA_REQUEST_BYTES], key[OPENSPA_KEY_BYTES];
	struct envelope_randomness randomness;
	struct message m;

	secret_random(world.plain, sizeof world.plain);
	memcpy(request.device, world.plain, sizeof request.device);
	envelope_randomness_fill(&randomness);
	assert_true(openspa_request_build(
	    packet, &request, spa->client, rsa_key_public(spa->server), &randomness));
	assert_int_equal(sendto(world.street, packet, sizeof packet, 0,
	                     (struct sockaddr *)&world.gate, sizeof world.gate),
	    sizeof packet);
	run();
	assert_int_equal(channel_receive(&world.keeper, &m, PHASE_RUN), CHANNEL_MESSAGE);
	world.handed = m.body.KNOCK;
	openspa_unseal(key, spa->server, packet);
	assert_int_equal(world.handed.record.protocol, RECORD_OPENSPA);
	assert_memory_equal(world.handed.record.bytes, packet, sizeof packet);
	assert_memory_equal(world.handed.key, key, sizeof key);
	assert_int_equal(world.handed.holder, DIRECTORY_NOBODY);
	assert_int_equal(world.handed.guessed, 0);
	memcpy(world.key, key, sizeof world.key);
}

static void open_request(void)
{
	static struct codec_packet p;

	p.record = world.handed.record;
	memcpy(p.key, world.handed.key, sizeof p.key);
	assert_true(codec_open(&p));
}

/* The keeper has granted what it was handed last; how much of an answer comes to the street. */
static ssize_t answered(
    const struct openspa_case *spa, bool silent, uint8_t packet[static RECORD_BYTES_MAX])
{
	const struct message_granted m = {.signer_key = spa->client_public,
	    .source = world.handed.record.source,
	    .local = world.handed.record.local,
	    .source_port = world.handed.record.source_port,
	    .ports = {6, 0, 22, 22},
	    .duration_s = 30,
	    .silent = silent};

	assert_true(channel_send(&world.keeper, MESSAGE_GRANTED, &m, NULL));
	something_on_stack(run);
	assert_false(world.doorman.process.loop.stopped);
	return recv(world.street, packet, RECORD_BYTES_MAX, MSG_DONTWAIT);
}

static void a_request_and_its_answer(void **state)
{
	struct openspa_response response, last = {0};
	uint8_t key[OPENSPA_KEY_BYTES], packet[RECORD_BYTES_MAX];
	struct openspa_case spa, broken;

	(void)state;
	openspa_case_open(&spa, 0);
	broken = spa;
	world.spa = &spa;
	for (int reloads = 0; reloads < 2; reloads++) {
		configure();
		request_by(&spa);
		assert_false(something_is_left());
		assert_false(something_on_stack(open_request));
		assert_int_equal(answered(&spa, false, packet), OPENSPA_RESPONSE_BYTES);
		assert_true(openspa_case_answers(&spa, packet, OPENSPA_RESPONSE_BYTES, &response));
		openspa_unseal(key, spa.client, packet);
		assert_false(holds(stack, sizeof stack, key, sizeof key));
		assert_memory_not_equal(response.nonce, last.nonce, sizeof last.nonce);
		last = response;
		assert_int_equal(response.duration_s, 30);
		assert_int_equal(response.ports.first, 22);
		assert_int_equal(response.ports.last, 22);
		assert_in_range(response.timestamp_s, clock_real_ns() / NS_PER_SECOND - 60,
		    clock_real_ns() / NS_PER_SECOND);
	}
	/* What cannot be sealed for its client is not sent, */
	memset(&broken.client_public, 0, sizeof broken.client_public);
	assert_int_equal(answered(&broken, false, packet), -1);
	/* and without a key there is no answer to be signed. */
	world.spa = NULL;
	configure();
	assert_int_equal(answered(&spa, false, packet), -1);
	assert_null(world.doorman.rsa);
	openspa_case_close(&spa);
}

/* The source is no stranger's from then on, though nobody is told. */
static void a_grant_that_is_not_answered(void **state)
{
	struct budget *budget = &world.doorman.budget;
	uint8_t packet[RECORD_BYTES_MAX];
	struct openspa_case spa;
	uint32_t granted = 0;

	(void)state;
	openspa_case_open(&spa, 0);
	world.spa = &spa;
	configure();
	request_by(&spa);
	for (int i = 0; i < BUDGET_SOURCES; i++)
		assert_int_equal(budget->granted[i].until_ns, 0);
	assert_int_equal(answered(&spa, true, packet), -1);
	for (int i = 0; i < BUDGET_SOURCES; i++)
		granted += budget->granted[i].until_ns > clock_boot_ns();
	assert_int_equal(granted, 1);
	openspa_case_close(&spa);
}

#endif

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_door, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(every_key_is_tried),
	    T(what_comes_after_a_stop_is_not_read),
	    T(what_was_read_before_a_stop_is_handed_on),
	    T(what_a_killed_one_had_in_its_hands),
	    T(main_is_told_of_strangers),
	    T(what_a_killed_one_had_refused),
	    T(nothing_in_that_memory_is_believed),
	    T(what_waited_for_its_turn),
	    T(all_that_waited),
	    T(what_waits_is_not_believed),
	    T(copies_are_dropped),
	    T(who_was_overtaken_is_handed_on),
	    T(not_every_copy_is_dropped),
	    T(whoever_sends_more_waits_longer),
	    T(what_waits_at_a_stop_is_served),
	    T(what_waits_together_goes_together),
	    T(a_keeper_that_rests_is_not_kept_waiting),
	    T(a_lone_knock_goes_at_once),
	    T(what_the_keeper_says_only_decides_what_goes_together),
	    T(signed_by_nobody),
	    T(a_wrong_guess_is_searched),
	    T(each_slot_that_was_left),
	    T(what_was_left_keeps_its_order),
	    T(no_slot_behind_the_last),
	    T(held_until_the_configuration_is_here),
	    T(more_than_can_be_held),
	    T(given_back_after_the_configuration_came),
	    T(reloaded_while_a_key_is_searched),
	    T(signatures_are_rationed),
	    T(each_is_held_in_a_slot_of_its_own),
	    T(what_waits_is_not_judged),
	    T(a_slice_of_the_queue),
	    T(a_pause_when_others_wait),
	    T(those_who_were_seen_in_a_network_come_first),
	    T(the_stale_are_not_searched_for),
	    T(the_barred_come_last),
	    T(who_is_found_by_hint_alone),
	    T(those_a_source_is_known_for_come_first),
	    T(nobody_else_is_left_to_try),
	    T(a_known_source_is_queued_as_such),
	    T(only_as_many_as_there_are),
	    T(noise_is_counted),
	    T(more_than_one_source_may_queue),
	    T(nobody_to_hand_it_to),
	    T(wrong_guesses_are_limited),
	    T(a_large_snapshot_is_checked_in_slices),
	    T(what_is_bad_in_the_last_slice_is_found),
	    T(a_reload_without_memory_changes_nothing),
	    cmocka_unit_test(no_start_by_halves),
	    cmocka_unit_test(what_is_not_locked_is_said),
#ifdef HAVE_OPENSPA
	    T(a_request_and_its_answer),
	    T(a_grant_that_is_not_answered),
#endif
	    T(nothing_is_left_on_the_stack),
	};

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return secret_init() && codec_prepare(HAS_OPENSPA)
	           ? cmocka_run_group_tests(tests, NULL, NULL)
	           : 1;
}
