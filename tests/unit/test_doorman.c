/* The doorman as it is, with a socket of its own, a keeper and a main that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

/* As it is: what it does on a message is its own. */
#include "doorman/doorman.c" /* NOLINT(bugprone-suspicious-include) */

#define STACK_BYTES (1024 * 1024)
#define PIECE_BYTES 8 /* a secret that was spilled shows in pieces of a register */

enum { ALICE, BOB, CAROL, CLIENTS };

static struct {
	struct doorman doorman;
	struct channel main, keeper; /* the far ends */
	struct client clients[CLIENTS];
	uint32_t client_count;
	uint64_t generation;
	uint8_t server_secret[OPENME_SECRET_BYTES];
	uint8_t server_public[OPENME_PUBLIC_BYTES];
	struct sockaddr_in6 door; /* where it listens */
	int street;               /* a socket to knock from */
	uint8_t packet[OPENME_PACKET_BYTES];
	uint8_t key[OPENME_KEY_BYTES]; /* of the packet */
	uint8_t plain[OPENME_NONCE_BYTES];
	struct message_knock handed;
} world;

static void secret_of(uint8_t secret[static OPENME_SIGN_BYTES], int client)
{
	const uint8_t seed[OPENME_SEED_BYTES] = {(uint8_t)(client + 1)};

	openme_client_expand(secret, seed);
}

static void run(void)
{
	struct epoll_event event;

	while (!world.doorman.process.loop.stopped &&
	       epoll_wait(world.doorman.process.loop.epoll, &event, 1, 0) == 1) {
		struct loop_source *source = event.data.ptr;

		source->ready(source->context);
	}
}

/* Until all that waits in the trial queue has been tried: a timer has to pass for each slice. */
static void run_scan(void)
{
	struct epoll_event event;

	for (run(); world.doorman.hands->lane.scanning > 0; run())
		assert_int_equal(epoll_wait(world.doorman.process.loop.epoll, &event, 1, 10000), 1);
}

static int listen_somewhere(void)
{
	static const struct socket_place anywhere = {.type = SOCK_DGRAM, .interface = ""};
	socklen_t size = sizeof world.door;
	int fd = socket_open(&anywhere);

	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&world.door, &size), 0);
	if (world.door.sin6_family == AF_INET6)
		world.door.sin6_addr = in6addr_loopback;
	return fd;
}

/* Main sends the next configuration, at first with the socket. */
static void send_config(void)
{
	static const struct ports ports[] = {{6, 0, 22, 22}};
	static const struct policy policies[] = {{{0, 1}}};
	const struct snapshot_parts parts = {.generation = ++world.generation,
	    .counts = {.clients = world.client_count, .policies = 1, .ports = 1},
	    .settings = {.openme = true,
	        .udp_port = 54154,
	        .knock_timeout_ns = NS_PER_SECOND,
	        .replay_window_ns = 60 * NS_PER_SECOND,
	        .mark = 1,
	        .client_quota = 1},
	    .clients = world.clients,
	    .policies = policies,
	    .ports = ports};
	struct message_secret how = {0};
	struct message_fds fds = message_fds_none();

	fds.fd[FD_SNAPSHOT] = snapshot_create(&parts);
	assert_true(fds.fd[FD_SNAPSHOT] >= 0);
	memcpy(how.secret, world.server_secret, sizeof how.secret);
	if (world.generation == 1)
		fds.fd[FD_OPENME] = listen_somewhere();
	assert_true(channel_send(&world.main, MESSAGE_CONFIG_DOORMAN, &how, &fds));
	message_fds_close(&fds);
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
	assert_int_equal(channel_receive(&world.main, &m, PHASE_RUN), CHANNEL_MESSAGE);
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
	fds.fd[FD_DOORMAN_COUNTERS] = counters_create();
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
	const int fds[] = {d->scan_timer.fd, d->sockets[RECORD_OPENME].source.fd, world.main.fd,
	    world.keeper.fd, world.street};

	(void)state;
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

/* A packet goes to the door, and is not looked at yet. */
static void knock_by(int client)
{
	struct openme_ingredients in = {.knock = {.timestamp_ns = clock_real_ns()}};

	secret_of(in.client_secret, client);
	memcpy(in.server_public, world.server_public, sizeof in.server_public);
	secret_random(in.ephemeral_secret, sizeof in.ephemeral_secret);
	secret_random(in.aead_nonce, sizeof in.aead_nonce);
	secret_random(in.knock.nonce, sizeof in.knock.nonce);
	memcpy(world.plain, in.knock.nonce, sizeof world.plain);
	assert_true(openme_seal(world.packet, &in));
	assert_true(openme_unseal(world.key, world.server_secret, world.packet));
	assert_int_equal(sendto(world.street, world.packet, sizeof world.packet, 0,
	                     (struct sockaddr *)&world.door, sizeof world.door),
	    sizeof world.packet);
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

static bool something_on_stack(void (*what)(void))
{
	static uint8_t stack[STACK_BYTES];
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

	return channel_receive(&world.main, &m, PHASE_RUN) == CHANNEL_MESSAGE &&
	       m.type == MESSAGE_DOORMAN_READY;
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
	struct epoll_event event;

	(void)state;
	knock_by(CAROL);
	assert_int_equal(epoll_wait(world.doorman.process.loop.epoll, &event, 1, 1000), 1);
	((struct loop_source *)event.data.ptr)
	    ->ready(((struct loop_source *)event.data.ptr)->context);
	assert_int_equal(world.doorman.hands->lane.scanning, 1);
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
	struct held *left = held_map(fd);
	void *state = NULL;
	uint8_t packet[OPENME_PACKET_BYTES], key[OPENME_KEY_BYTES];
	uint8_t secret[OPENME_SECRET_BYTES];

	assert_true(held_is(fd) && left != NULL);
	*left = *world.doorman.held;
	left->judged = judged;
	munmap(left, sizeof *left);
	memcpy(packet, world.packet, sizeof packet);
	memcpy(key, world.key, sizeof key);
	memcpy(secret, world.server_secret, sizeof secret);
	tear_down(&state);
	kept_held = fd;
	kept_secret = secret;
	set_up_door(&state);
	kept_secret = NULL;
	memcpy(world.packet, packet, sizeof packet);
	memcpy(world.key, key, sizeof key);
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
	start_another(1);
	run_scan();
	assert_int_equal(handed_on(), -1);
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
}

/* The memory may hold anything. */
static void nothing_in_that_memory_is_believed(void **state)
{
	struct held *h = world.doorman.held;

	(void)state;
	secret_random(h, sizeof *h);
	for (size_t i = 0; i < HELD_SLOTS; i += 2)
		h->slots[i].record.size = OPENME_PACKET_BYTES;
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
	for (int i = 0; i < TRIAL_QUEUE_SLOTS + 3; i++)
		give_back(true);
	assert_int_equal(counted(VERDICT_BUSY), 3);
	assert_int_equal(handed_on(), -1);
	send_config();
	assert_false(something_on_stack(take_config)); /* of the last one either */
	run_scan();
	while (handed_on() == ALICE)
		got++;
	assert_int_equal(got, TRIAL_QUEUE_SLOTS);
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
	for (int i = 0; i < 1000 && world.doorman.hands->lane.scanning == 0; i++)
		world.doorman.sockets[RECORD_OPENME].source.ready(
		    &world.doorman.sockets[RECORD_OPENME]);
	assert_int_equal(world.doorman.hands->lane.scanning, 1);
	world.clients[ALICE] = world.clients[CAROL];
	world.client_count = 1;
	configure();
	run_scan();
	assert_int_equal(handed_on(), ALICE);
	assert_int_equal(handed_on(), -1);
	assert_false(something_is_left());
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up_door, tear_down)
	static const struct CMUnitTest tests[] = {
	    T(every_key_is_tried),
	    T(what_comes_after_a_stop_is_not_read),
	    T(what_was_read_before_a_stop_is_handed_on),
	    T(what_a_killed_one_had_in_its_hands),
	    T(what_a_killed_one_had_refused),
	    T(nothing_in_that_memory_is_believed),
	    T(signed_by_nobody),
	    T(a_wrong_guess_is_searched),
	    T(held_until_the_configuration_is_here),
	    T(more_than_can_be_held),
	    T(given_back_after_the_configuration_came),
	    T(reloaded_while_a_key_is_searched),
	    T(nothing_is_left_on_the_stack),
	};

	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	return secret_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
