#include "keeper_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

#include "keeper_bench_inside.h"
#include "short_memory.h"
/* As it is: what it does on a message is its own. */
#include "keeper/keeper.c" /* NOLINT(bugprone-suspicious-include) */

#define BOOT_NOW_NS (1000 * BENCH_S)

struct bench bench;

/* The linker puts these in place of the real ones (--wrap). */
int64_t __wrap_clock_real_ns(void);
int64_t __wrap_clock_boot_ns(void);
int64_t __wrap_clock_asleep_ns(void);

int64_t __wrap_clock_real_ns(void)
{
	return bench.real_ns;
}

int64_t __wrap_clock_boot_ns(void)
{
	return bench.boot_ns;
}

int64_t __wrap_clock_asleep_ns(void)
{
	return bench.asleep_ns;
}

bool __real_timer_set(int fd, int64_t first_ns, int64_t interval_ns);
bool __wrap_timer_set(int fd, int64_t first_ns, int64_t interval_ns);

bool __wrap_timer_set(int fd, int64_t first_ns, int64_t interval_ns)
{
	if (fd == bench.keeper.desk_pause.fd)
		bench.desk_pause_ns = first_ns;
	if (fd == bench.keeper.repair_timer.fd)
		bench.repair_ns = first_ns;
	assert_true(fd == bench.keeper.tick.fd || interval_ns == 0); /* that one alone goes on */
	return __real_timer_set(fd, first_ns, interval_ns);
}

struct keeper *bench_keeper(void)
{
	return &bench.keeper;
}

struct bench_config *bench_config(void)
{
	return &bench.config;
}

struct addr bench_address(const char *text)
{
	struct addr a;

	assert_true(addr_parse(&a, text));
	return a;
}

struct ports bench_ports(struct bench_what what)
{
	return (struct ports){what.protocol, 0, what.first, what.last};
}

/* --- Configuration */

void bench_sign_secret(uint8_t secret[static OPENME_SIGN_BYTES], enum bench_client by)
{
	const uint8_t seed[OPENME_SEED_BYTES] = {(uint8_t)(by + 1)};

	openme_client_expand(secret, seed);
}

void bench_uuid(uint8_t uuid[static DEVICE_UUID_BYTES], enum bench_device device)
{
	memset(uuid, 0, DEVICE_UUID_BYTES);
	uuid[0] = (uint8_t)(device + 1);
}

static void fill_people(struct bench_config *c)
{
	static const char *const names[] = {"alice", "bob", "carol"};
	static const char *const devices[] = {"laptop", "phone"};
	const struct rsa_public *key = &bench.keys.client_public;
	uint8_t secret[OPENME_SIGN_BYTES];

	c->client_count = BENCH_CLIENTS;
	for (unsigned int i = 0; i < BENCH_CLIENTS; i++) {
		struct client *one = &c->clients[i];

		bench_sign_secret(secret, (enum bench_client)i);
		memcpy(one->public_key, secret + OPENME_SEED_BYTES, CLIENT_KEY_BYTES);
		snprintf(one->name, sizeof one->name, "%s", names[i]);
		one->expires_ns = NEVER_NS;
		one->policy = i == CAROL;
	}
	c->device_count = BENCH_DEVICES;
	for (unsigned int i = 0; i < BENCH_DEVICES; i++) {
		struct device *one = &c->devices[i];

		bench_uuid(one->uuid, (enum bench_device)i);
		snprintf(one->name, sizeof one->name, "%s", devices[i]);
		memcpy(one->modulus, key->modulus, sizeof one->modulus);
		memcpy(one->exponent, key->exponent, sizeof one->exponent);
		one->expires_ns = NEVER_NS;
		one->rules = (struct span){0, 2};
	}
}

static void fill_config(struct bench_config *c)
{
	memset(c, 0, sizeof *c);
	c->settings = (struct settings){.openme = true,
	    .udp_port = 54154,
	    .knock_timeout_ns = BENCH_KNOCK_S * BENCH_S,
	    .replay_window_ns = 60 * BENCH_S,
	    .mark = 0x40000000,
	    .client_quota = 8,
	    .managed_ports = {0, 2},
	    .openspa = {
	        .enabled = true, .port = 22211, .window_ns = 300 * BENCH_S, .rules = {0, 2}}};
	openme_server_public(c->settings.public_key, bench.server_secret);
	c->ports[0] = (struct ports){6, 0, 22, 22};
	c->ports[1] = (struct ports){6, 0, 443, 443};
	c->policies[0].ports = (struct span){0, 1};
	c->policies[1].ports = (struct span){1, 1};
	c->rules[0] = (struct openspa_rule){{6, 0, 1, 9999}, BENCH_RULE_S};
	c->rules[1] = (struct openspa_rule){{0, 0, 0, UINT16_MAX}, 90};
	c->rules[2] = (struct openspa_rule){{6, 0, 22, 22}, BENCH_RULE_S};
	fill_people(c);
}

static int seal_config(void)
{
	struct bench_config *c = &bench.config;
	const struct snapshot_parts parts = {.generation = ++bench.generation,
	    .counts = {c->client_count, 3, 2, 1, c->device_count, 3},
	    .settings = c->settings,
	    .clients = c->clients,
	    .policies = c->policies,
	    .ports = c->ports,
	    .cidrs = c->networks,
	    .devices = c->devices,
	    .rules = c->rules};
	int fd = snapshot_create(&parts);

	assert_true(fd >= 0);
	return fd;
}

/* What main hears next; what is for the audit log is kept aside. */
static enum channel_result hear_main(struct message *m)
{
	enum channel_result result;

	while ((result = channel_receive(&bench.main, m, PHASE_RUN)) == CHANNEL_MESSAGE &&
	       (m->type == MESSAGE_AUDIT || m->type == MESSAGE_KEEPER_STRANGER))
		if (m->type == MESSAGE_KEEPER_STRANGER)
			bench.stranger = m->body.KEEPER_STRANGER;
		else if (bench.audit_count < BENCH_AUDIT_MOST)
			bench.audit[bench.audit_count++] = m->body.AUDIT;
	return result;
}

const struct message_audit *bench_audit(size_t *count)
{
	struct message m;

	assert_int_equal(hear_main(&m), CHANNEL_EMPTY);
	*count = bench.audit_count;
	bench.audit_count = 0;
	return bench.audit;
}

struct message_stranger bench_stranger(void)
{
	struct message_stranger last = bench.stranger;

	bench.stranger = (struct message_stranger){.verdict = VERDICT_COUNT};
	return last;
}

int bench_configure_short(size_t nth)
{
	static const struct message_empty nothing;
	int fd = seal_config();
	struct message_fds fds = message_fds_none();
	struct message m;

	fds.fd[FD_SNAPSHOT] = fd;
	assert_true(channel_send(&bench.main, MESSAGE_CONFIG_KEEPER, &nothing, &fds));
	close(fd);
	short_memory(nth);
	bench_run();
	short_memory(0);
	assert_int_equal(hear_main(&m), CHANNEL_MESSAGE);
	assert_int_equal(m.type, MESSAGE_KEEPER_READY);
	if (m.body.KEEPER_READY.error == 0)
		bench.in_force = bench.config;
	else
		bench.generation--;
	return m.body.KEEPER_READY.error;
}

int bench_configure(void)
{
	return bench_configure_short(0);
}

void bench_stop(bool keep_rules)
{
	const struct message_stop m = {keep_rules};

	assert_true(channel_send(&bench.main, MESSAGE_STOP_KEEPER, &m, NULL));
	bench_run();
}

uint32_t bench_said_it_goes_on(void)
{
	struct message m;
	uint32_t times = 0;

	for (; hear_main(&m) == CHANNEL_MESSAGE; times++)
		assert_int_equal(m.type, MESSAGE_KEEPER_STOPPING);
	return times;
}

bool bench_stopped(void)
{
	return bench.keeper.process.loop.stopped;
}

/* --- Fixtures */

int bench_group_setup(void **state)
{
	(void)state;
	if (!secret_init() || !codec_prepare(true))
		return -1;
	log_open("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	openspa_case_open(&bench.keys, 0);
	secret_random(bench.server_secret, sizeof bench.server_secret);
	return 0;
}

/* A channel between the keeper and `far`; the keeper's end. */
static int join(struct channel *far, enum role role)
{
	int fds[2];

	assert_true(channel_pair(fds));
	*far = (struct channel){fds[0], role, ROLE_KEEPER};
	return fds[1];
}

static struct message_begin begin = {.openspa = true,
    .firewall = CONF_FIREWALL_NONE,
    .patience_ms = BENCH_PATIENCE_S * 1000,
    .doormen = 1};

/* As main hands it over. */
static int replay_of_a_first_start(void)
{
	const struct replay_start first = {.origin = REPLAY_FIRST};
	int fd = replay_memory_file();

	assert_true(replay_prepare(fd, &first));
	return fd;
}

enum programs { NONE, ASKED, ASKED_AND_RULES };

/* The file that the next keeper is handed instead of an empty one; -1: none. */
static int journal_left = -1;

void bench_leave_journal(void)
{
	const struct rule_journal *now = bench.keeper.rules.journal;

	journal_left = memfd_create("journal", MFD_CLOEXEC);
	assert_int_equal(write(journal_left, now, sizeof *now), sizeof *now);
}

static int take_journal(void)
{
	int fd = journal_left >= 0 ? journal_left : memfd_create("journal", MFD_CLOEXEC);

	journal_left = -1;
	return fd;
}

/* Everything but who speaks first: what main hands to a keeper that begins. */
static struct message_fds all_but_begun(enum programs programs)
{
	struct keeper *k = &bench.keeper;
	struct message_fds fds = message_fds_none();

	memset(k, 0, sizeof *k);
	bench_fw_reset();
	memset(&bench.counted, 0, sizeof bench.counted);
	bench.audit_count = 0;
	bench.stranger = (struct message_stranger){.verdict = VERDICT_COUNT};
	bench.real_ns = BENCH_NOW_NS;
	bench.boot_ns = BOOT_NOW_NS;
	bench.generation = 0;
	fds.fd[FD_DOORMAN] = join(&bench.doorman, ROLE_DOORMAN);
	fds.fd[FD_DESK] = join(&bench.desk, ROLE_DESK);
	fds.fd[FD_KEEPER_COUNTERS] = counters_create(1);
	fds.fd[FD_HELD] = held_create();
	bench.held = held_map(fds.fd[FD_HELD], 0);
	bench.held->judged = BENCH_JUDGED_BEFORE;
	bench.journal = bench.runner.fd = bench.privileged.fd = -1;
	if (programs >= ASKED)
		fds.fd[FD_RUNNER] = join(&bench.runner, ROLE_RUNNER);
	if (programs >= ASKED_AND_RULES) {
		bench.journal = take_journal();
		fds.fd[FD_PRIVILEGED_RUNNER] = join(&bench.privileged, ROLE_PRIVILEGED_RUNNER);
		fds.fd[FD_RULE_JOURNAL] = bench.journal;
	}
	fds.fd[FD_REPLAY] = replay_of_a_first_start();
	k->process.main =
	    (struct peer){.channel = {join(&bench.main, ROLE_MAIN), ROLE_KEEPER, ROLE_MAIN},
	        .handlers = handlers,
	        .context = k};
	assert_true(loop_open(&k->process.loop));
	return fds;
}

bool bench_begins_without(size_t fd)
{
	struct keeper *k = &bench.keeper;
	struct message_fds fds = all_but_begun(fd == FD_RULE_JOURNAL ? ASKED_AND_RULES : NONE);
	const int far[] = {
	    bench.main.fd, bench.doorman.fd, bench.desk.fd, bench.runner.fd, bench.privileged.fd};
	bool begun;

	close(fds.fd[fd]);
	fds.fd[fd] = -1;
	begun = keeper_begin(k, &begin, &fds);
	message_fds_close(&fds);
	replay_close(&k->replay);
	secret_free(k->questions.slots);
	free(k->rules.work);
	munmap(k->doormen[0].held, sizeof *bench.held);
	munmap(bench.held, sizeof *bench.held);
	loop_close(&k->process.loop);
	for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
		if (far[i] >= 0)
			close(far[i]);
	}
	close(k->process.main.channel.fd);
	return begun;
}

static void set_up(enum programs programs)
{
	struct keeper *k = &bench.keeper;
	struct message_fds fds = all_but_begun(programs);

	assert_true(keeper_begin(k, &begin, &fds));
	message_fds_close(&fds);
	assert_true(peer_open(&k->process.main, &k->process.loop));
	/* The test says when a second has passed. */
	loop_remove(&k->process.loop, &k->tick);
	loop_remove(&k->process.loop, &k->repair_timer);
	fill_config(&bench.config);
}

int bench_setup_dry(void **state)
{
	(void)state;
	set_up(ASKED_AND_RULES);
	return 0;
}

static int set_up_with(enum programs programs)
{
	set_up(programs);
	bench_fw_put_into(&bench.keeper.fw);
	assert_int_equal(bench_configure(), 0);
	return 0;
}

int bench_setup_alone(void **state)
{
	(void)state;
	return set_up_with(NONE);
}

int bench_setup_asked(void **state)
{
	(void)state;
	return set_up_with(ASKED);
}

int bench_setup_new(void **state)
{
	bench_setup_dry(state);
	bench_fw_put_into(&bench.keeper.fw);
	return 0;
}

int bench_setup(void **state)
{
	bench_setup_new(state);
	assert_int_equal(bench_configure(), 0);
	return 0;
}

int bench_setup_impatient(void **state)
{
	begin.patience_ms -= 999;
	bench_setup(state);
	begin.patience_ms += 999;
	return 0;
}

uint64_t bench_judged(void)
{
	return bench.held->judged;
}

/* Whoever waits for a rule is held by it. */
static void end_all_rules(void)
{
	struct bench_question q;

	while (!bench_stopped() && bench.privileged.fd >= 0 && bench_privileged_asked(&q))
		bench_privileged_answers(
		    &q, q.task == RUNNER_RULE_ADD ? RUNNER_REFUSED : RUNNER_DONE);
}

int bench_teardown(void **state)
{
	struct keeper *k = &bench.keeper;
	struct peer *const peers[] = {&k->doormen[0].peer, &k->desk, &k->process.main,
	    &k->questions.runner, &k->rules.runner};
	const int fds[] = {k->tick.fd, k->repair_timer.fd, bench.journal, bench.main.fd,
	    bench.doorman.fd, bench.desk.fd, bench.runner.fd, bench.privileged.fd};

	(void)state;
	assert_false(bench_change_was_odd());
	end_all_rules();
	secret_free(k->questions.slots);
	keeper_state_free(&k->state);
	replay_close(&k->replay);
	fw_close(&k->fw);
	if (k->rules.journal != NULL)
		munmap(k->rules.journal, sizeof *k->rules.journal);
	munmap(k->report.counters, sizeof *k->report.counters);
	munmap(k->doormen[0].held, sizeof *bench.held);
	munmap(bench.held, sizeof *bench.held);
	free(k->rules.work);
	for (size_t i = 0; i < sizeof peers / sizeof *peers; i++)
		peer_close(peers[i]);
	loop_close(&k->process.loop);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return 0;
}

/* --- Time, and the loop */

void bench_pass_ms(int64_t ms)
{
	bench.boot_ns += ms * NS_PER_MS;
	bench.real_ns += ms * NS_PER_MS;
}

void bench_sleep_ms(int64_t ms)
{
	bench_pass_ms(ms);
	bench.asleep_ns += ms * NS_PER_MS;
}

void bench_set_real(int64_t real_ns)
{
	bench.real_ns = real_ns;
}

static void call(struct loop_source *source)
{
	source->ready(source->context);
}

void bench_tick(void)
{
	call(&bench.keeper.tick);
	bench_run();
}

bool bench_ticks(void)
{
	struct itimerspec left;
	bool on = bench.keeper.ticking;

	assert_int_equal(timerfd_gettime(bench.keeper.tick.fd, &left), 0);
	assert_int_equal(left.it_value.tv_sec != 0 || left.it_value.tv_nsec != 0, on);
	assert_true(!on || (left.it_interval.tv_sec == 1 && left.it_interval.tv_nsec == 0));
	assert_true(left.it_value.tv_sec < 1 || left.it_value.tv_nsec == 0);
	return on;
}

bool bench_repair(void)
{
	struct itimerspec left;

	assert_int_equal(timerfd_gettime(bench.keeper.repair_timer.fd, &left), 0);
	if (left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0)
		return false;
	assert_int_equal(bench.repair_ns, 200 * NS_PER_MS);
	timer_set(bench.keeper.repair_timer.fd, 0, 0);
	bench_repair_now();
	return true;
}

void bench_repair_now(void)
{
	call(&bench.keeper.repair_timer);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, timeout_ms) == 1;
}

bool bench_timers_are_read(void)
{
	struct keeper *k = &bench.keeper;
	struct loop_source *const timed[] = {&k->tick, &k->repair_timer, &k->desk_pause};
	bool read = true;

	for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
		assert_true(__real_timer_set(timed[i]->fd, 1, 0));
		assert_true(readable(timed[i]->fd, 10000));
		call(timed[i]);
		read = read && !readable(timed[i]->fd, 0);
	}
	return read;
}

int64_t bench_desk_pause(int64_t took_ns)
{
	bench.desk_pause_ns = 0;
	pause_desk(&bench.keeper, took_ns);
	__real_timer_set(bench.keeper.desk_pause.fd, 0, 0); /* bench_timers_are_read ends it */
	return bench.desk_pause_ns;
}

void bench_run(void)
{
	struct epoll_event event;

	while (!bench_stopped() && epoll_wait(bench.keeper.process.loop.epoll, &event, 1, 0) == 1)
		call(event.data.ptr);
}
