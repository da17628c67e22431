/* The far ends of the keeper's channels: what the other processes send and are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>
#include <sodium.h>
#include <sys/socket.h>
#include <ucontext.h>

#include "base/clock.h"
#include "base/secret.h"
#include "keeper_bench_inside.h"

#define STACK_BYTES (512 * 1024)
#define PIECE_BYTES 8 /* a key that was spilled shows in pieces of a register */
#define SLOTS_MOST  512

/* --- The doorman's side */

static void send_last(void)
{
	assert_true(channel_send(&bench.doorman, MESSAGE_KNOCK, &bench.last, NULL));
}

/* As the doorman knows it: by the configuration in force. */
static uint32_t number_of(enum bench_client client)
{
	uint8_t secret[OPENME_SIGN_BYTES];
	uint32_t i = 0;

	bench_sign_secret(secret, client);
	while (i < bench.in_force.client_count &&
	       memcmp(bench.in_force.clients[i].public_key, secret + OPENME_SEED_BYTES,
	           CLIENT_KEY_BYTES) != 0)
		i++;
	return i < bench.in_force.client_count ? i : DIRECTORY_NOBODY;
}

void bench_send_again(void)
{
	bench.last.generation = bench.generation;
	if (bench.last.record.protocol == RECORD_OPENME)
		bench.last.holder = number_of(bench.last_by);
	send_last();
}

static struct message_knock message_from(const char *source, bool old_config)
{
	return (struct message_knock){.generation = bench.generation - old_config,
	    .record = {.source = bench_address(source), .source_port = 40000}};
}

void bench_send(const struct bench_knock *knock)
{
	struct message_knock m = message_from(knock->source, knock->old_config);
	struct openme_ingredients in = {
	    .knock = {.timestamp_ns = bench.real_ns + knock->stamped_s * BENCH_S,
	        .target = bench_address(knock->target == NULL ? knock->source : knock->target)}};

	bench_sign_secret(in.client_secret, knock->by);
	memcpy(in.server_public, bench.config.settings.public_key, sizeof in.server_public);
	secret_random(in.ephemeral_secret, sizeof in.ephemeral_secret);
	secret_random(in.aead_nonce, sizeof in.aead_nonce);
	secret_random(in.knock.nonce, sizeof in.knock.nonce);
	assert_true(openme_seal(m.record.bytes, &in));
	m.record.size = OPENME_PACKET_BYTES;
	m.holder = knock->passed_off ? knock->holder : number_of(knock->by);
	m.guessed = knock->guessed;
	assert_true(openme_unseal(m.key, bench.server_secret, m.record.bytes));
	m.key[0] ^= knock->wrong_key;
	bench.last = m;
	bench.last_by = knock->by;
	send_last();
}

int bench_knock(enum bench_client by, const char *source)
{
	bench_send(&(struct bench_knock){.by = by, .source = source});
	bench_run();
	return bench_outcome();
}

void bench_send_request(const struct bench_request *r)
{
	struct message_knock m = message_from(r->source, false);
	struct openspa_request request = {.timestamp_s = bench.real_ns / BENCH_S + r->stamped_s,
	    .ports = bench_ports(r->what),
	    .behind_nat = r->from_nat,
	    .client_address = bench_address(r->target == NULL ? r->source : r->target),
	    .server_address = bench_address("192.0.2.1")};
	const struct rsa_public *server = rsa_key_public(bench.keys.server);
	struct envelope_randomness randomness;

	bench_uuid(request.device, r->by);
	secret_random(request.nonce, sizeof request.nonce);
	envelope_randomness_fill(&randomness);
	assert_true(openspa_request_build(m.record.bytes, &request,
	    r->other_key ? bench.keys.server : bench.keys.client, server, &randomness));
	m.record.protocol = RECORD_OPENSPA;
	m.record.size = OPENSPA_REQUEST_BYTES;
	m.holder = r->holder;
	openspa_unseal(m.key, bench.keys.server, m.record.bytes);
	bench.last = m;
	send_last();
}

int bench_request(enum bench_device by, const char *source, struct bench_what what)
{
	bench_send_request(&(struct bench_request){.by = by, .source = source, .what = what});
	bench_run();
	return bench_outcome();
}

/* --- What becomes of it */

uint32_t bench_counted(enum verdict v)
{
	return (uint32_t)bench.keeper.report.counters->verdicts[v];
}

int bench_outcome(void)
{
	const struct counters *now = bench.keeper.report.counters;
	int outcome = BENCH_NOTHING;

	for (int v = 0; v < VERDICT_COUNT; v++) {
		uint64_t more = now->verdicts[v] - bench.counted.verdicts[v];

		if (more == 0 || (v == VERDICT_ASKED && outcome != BENCH_NOTHING))
			continue;
		if (more > 1 || (outcome != BENCH_NOTHING && outcome != VERDICT_ASKED))
			fail_msg("%s, and more than that", verdict_name((enum verdict)v));
		outcome = v;
	}
	bench.counted = *now;
	return outcome;
}

/* The next message that the doorman has; it listens to one kind at a time. */
static bool doorman_hears(struct message *m, enum message_type type)
{
	if (channel_receive(&bench.doorman, m, PHASE_RUN) != CHANNEL_MESSAGE)
		return false;
	assert_int_equal(m->type, type);
	return true;
}

enum bench_back bench_given_back(void)
{
	struct message m;

	if (!doorman_hears(&m, MESSAGE_KNOCK_BACK))
		return BENCH_NOT_BACK;
	return m.body.KNOCK_BACK.stale_config ? BENCH_OLD_CONFIG : BENCH_WRONG_GUESS;
}

static unsigned int tellings;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	tellings++;
	return __real_sendmmsg(fd, messages, count, flags);
}

unsigned int bench_tellings(void)
{
	return tellings;
}

uint16_t bench_told(struct bench_what what)
{
	const struct rsa_public *key = &bench.keys.client_public;
	struct ports ports;
	struct message m;

	if (!doorman_hears(&m, MESSAGE_GRANTED))
		return 0;
	ports = bench_ports(what);
	assert_true(ports_equal(&m.body.GRANTED.ports, &ports));
	assert_memory_equal(&m.body.GRANTED.signer_key, key, sizeof *key);
	assert_true(addr_equal(&m.body.GRANTED.source, &bench.last.record.source));
	assert_int_equal(m.body.GRANTED.source_port, bench.last.record.source_port);
	return m.body.GRANTED.silent ? 0 : m.body.GRANTED.duration_s;
}

static bool holds_key(const void *memory, size_t size)
{
	for (size_t at = 0; at + PIECE_BYTES <= sizeof bench.last.key; at += PIECE_BYTES) {
		if (memmem(memory, size, bench.last.key + at, PIECE_BYTES) != NULL)
			return true;
	}
	return false;
}

bool bench_key_is_left(void)
{
	return holds_key(&bench.keeper, sizeof bench.keeper) ||
	       holds_key(bench.keeper.questions.slots, SLOTS_MOST * sizeof(struct knock));
}

/* The linker puts it in place of the real one (--wrap). Nothing else that is freed here is about as
 * long as a knock. */
static bool freed_unwiped;

void __real_free(void *memory);
void __wrap_free(void *memory);

void __wrap_free(void *memory)
{
	size_t size = memory == NULL ? 0 : malloc_usable_size(memory);
	const struct knock *knock = memory;

	if (size >= sizeof *knock && size < sizeof *knock + 16)
		freed_unwiped = freed_unwiped ||
		                !sodium_is_zero((const uint8_t *)&knock->packet.asked,
		                    sizeof knock->packet.asked) ||
		                !sodium_is_zero(knock->packet.key, sizeof knock->packet.key);
	__real_free(memory);
}

bool bench_freed_unwiped(void)
{
	return freed_unwiped;
}

bool bench_key_on_stack(void)
{
	static uint8_t stack[STACK_BYTES];
	ucontext_t here, there;

	memset(stack, 0, sizeof stack);
	assert_int_equal(getcontext(&there), 0);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof stack;
	there.uc_link = &here;
	makecontext(&there, bench_run, 0);
	assert_int_equal(swapcontext(&here, &there), 0);
	return holds_key(stack, sizeof stack);
}

/* --- The programs' side */

static void read_question(struct bench_question *q, const struct runner_request *r)
{
	*q = (struct bench_question){.ticket = r->ticket,
	    .task = (enum runner_task)r->task,
	    .about = (enum bench_device)(r->device[0] - 1),
	    .what = {ALICE, r->ports.protocol, r->ports.first, r->ports.last},
	    .client = r->client_address,
	    .server = r->server_address,
	    .timestamp_s = r->timestamp_s,
	    .duration_s = r->duration_s,
	    .behind_nat = r->behind_nat};
}

bool bench_runner_asked(struct bench_question *q)
{
	struct message m;

	if (channel_receive(&bench.runner, &m, PHASE_RUN) != CHANNEL_MESSAGE)
		return false;
	read_question(q, &m.body.RUN);
	return true;
}

bool bench_privileged_asked(struct bench_question *q)
{
	struct message m;

	if (channel_receive(&bench.privileged, &m, PHASE_RUN) != CHANNEL_MESSAGE)
		return false;
	read_question(q, &m.body.RULE);
	return true;
}

static void runner_says(const struct runner_reply *reply)
{
	assert_true(channel_send(&bench.runner, MESSAGE_RAN, reply, NULL));
	bench_run();
}

void bench_runner_gives_key(const struct bench_question *q, bool other_key)
{
	const struct rsa_public *key =
	    other_key ? rsa_key_public(bench.keys.server) : &bench.keys.client_public;
	struct runner_reply reply = {.ticket = q->ticket, .outcome = RUNNER_DONE};

	memcpy(reply.modulus, key->modulus, sizeof reply.modulus);
	memcpy(reply.exponent, key->exponent, sizeof reply.exponent);
	runner_says(&reply);
}

void bench_runner_gives_seconds(const struct bench_question *q, uint16_t seconds)
{
	runner_says(&(struct runner_reply){
	    .ticket = q->ticket, .outcome = RUNNER_DONE, .duration_s = seconds});
}

void bench_runner_answers(const struct bench_question *q, enum runner_outcome outcome)
{
	runner_says(&(struct runner_reply){.ticket = q->ticket, .outcome = (uint8_t)outcome});
}

void bench_privileged_answers(const struct bench_question *q, enum runner_outcome outcome)
{
	const struct runner_reply reply = {.ticket = q->ticket, .outcome = (uint8_t)outcome};

	assert_true(channel_send(&bench.privileged, MESSAGE_RULED, &reply, NULL));
	bench_run();
}

void bench_privileged_does(
    enum runner_task task, struct bench_what what, enum runner_outcome outcome)
{
	struct bench_question q = {0}, more;

	assert_true(bench_privileged_asked(&q));
	assert_int_equal(q.task, task);
	assert_int_equal(q.what.protocol, what.protocol);
	assert_int_equal(q.what.first, what.first);
	assert_int_equal(q.what.last, what.last);
	assert_false(bench_privileged_asked(&more));
	bench_privileged_answers(&q, outcome);
}

void bench_make_narrow(const struct channel *keepers_end, int bytes)
{
	assert_int_equal(
	    setsockopt(keepers_end->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
}

static void end(struct channel *c)
{
	shutdown(c->fd, SHUT_RDWR);
	bench_run();
}

void bench_runner_ends(void)
{
	end(&bench.runner);
}

void bench_privileged_ends(void)
{
	end(&bench.privileged);
}

void bench_doorman_ends(void)
{
	end(&bench.doorman);
}

void bench_desk_ends(void)
{
	end(&bench.desk);
}
