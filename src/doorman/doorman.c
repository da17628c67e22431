/* The doorman: stands at the socket, opens what is sealed for us, finds out whose it may be, and
 * hands it to the keeper. It holds the server's secret and nothing else of worth; it cannot open a
 * file, a socket or a port. */
#include "doorman/doorman.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "admit/admit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "client/guess_limiter.h"
#include "doorman/response.h"
#include "doorman/trial_queue.h"
#include "intake/socket.h"
#include "proc/counters.h"
#include "proc/process.h"
#include "proc/report.h"

#define SCAN_SLICE 32 /* signatures tried before the socket gets its turn again: about 1 ms */
/* Signatures a second in the trial queue: half of one processor at 38 us each. */
#define SCAN_RATE  13000
#define SCAN_BURST 13000
/* And by the clients that a source is known for, while a packet is in our hands. A budget of its
 * own: those who are known do not wait for those who are searched for, nor the other way round. */
#define KNOWN_RATE  13000
#define KNOWN_BURST 1000

MESSAGES_TO_DOORMAN(MESSAGE_DECLARE)

/* What holds keys of knocks, in locked memory. */
struct hands {
	struct knock arriving[SOCKET_BATCH];
	struct trial_queue lane;
};

struct doorman;

struct doorman_socket {
	struct loop_source source; /* fd -1: none */
	struct doorman *doorman;
	enum record_protocol protocol;
};

struct doorman {
	struct process process;
	struct peer keeper;
	struct doorman_socket sockets[RECORD_PROTOCOLS];
	struct loop_source scan_timer;
	struct report report;

	struct snapshot config;
	struct directory *directory;
	uint8_t *secret;     /* openme's */
	struct rsa_key *rsa; /* OpenSPA's; NULL without */
	struct budget budget;

	struct hands *hands;
	struct rate scan_budget;
	struct rate known_budget;
	struct guess_limiter guess_limiter;
};

static void refuse(struct doorman *d, const struct knock *k, enum verdict v)
{
	report_verdict(&d->report, v, k, &d->config, clock_real_ns());
}

static void hand_to_keeper(struct doorman *d, const struct knock *k, bool guessed)
{
	struct message_knock m = {.generation = d->config.header->generation,
	    .holder = k->holder,
	    .guessed = guessed ? 1 : 0,
	    .record = k->packet.record};

	memcpy(m.key, k->packet.key, sizeof m.key);
	if (!channel_send(&d->keeper.channel, MESSAGE_KNOCK, &m, NULL))
		loop_stop(&d->process.loop);
	secret_wipe(m.key, sizeof m.key);
}

static bool is_signed_by(const struct doorman *d, const struct knock *k, uint32_t client)
{
	return openme_verify(k->packet.record.bytes, d->config.clients[client].public_key);
}

/* The client is found, its signature verified. Its source is remembered only for a fresh knock:
 * with old ones, anybody who has recorded some could blur what is known of a source. */
static void found(struct doorman *d, struct knock *k, uint32_t client)
{
	if (replay_in_window(k->packet.asked.timestamp_ns, clock_real_ns(),
	        d->config.settings->replay_window_ns))
		directory_seen(d->directory, &k->packet.record.source, client);
	k->holder = client;
	hand_to_keeper(d, k, false);
}

static void queue_for_scan(struct doorman *d, const struct knock *k, bool known)
{
	struct trial_queue *lane = &d->hands->lane;

	if (trial_queue_queue(lane, k, known) == NULL)
		refuse(d, k, VERDICT_BUSY);
	else if (lane->scanning == 1)
		timer_set(d->scan_timer.fd, 1, 0);
}

/* Tries the clients that the source is known for, but not the one that was guessed wrong; then it
 * is a matter for the trial queue. */
static void search(struct doorman *d, struct knock *k, uint32_t not_client)
{
	uint32_t recent[DIRECTORY_RECENT];
	size_t count = directory_recent(d->directory, &k->packet.record.source, recent);
	size_t tried = 0;

	for (; tried < count; tried++) {
		if (recent[tried] == not_client)
			continue;
		if (!rate_take(&d->known_budget, clock_boot_ns()))
			break;
		if (is_signed_by(d, k, recent[tried])) {
			found(d, k, recent[tried]);
			return;
		}
	}
	if (tried == d->config.client_count)
		refuse(d, k, VERDICT_UNKNOWN_SIGNER);
	else
		queue_for_scan(d, k, count > 0);
}

/* One packet that has arrived, from the first check to the next pair of hands. */
static void take_in(struct doorman *d, struct knock *k)
{
	const struct codec_secrets secrets = {d->secret, d->rsa};
	const struct admission a = {.side = ADMIT_DOORMAN,
	    .config = &d->config,
	    .secrets = &secrets,
	    .budget = &d->budget,
	    .directory = d->directory};
	enum verdict v = admit(&a, k);

	if (v != VERDICT_HANDED_ON) {
		refuse(d, k, v);
		return;
	}
	d->report.counters->verdicts[v]++;
	/* A device names itself, and its signature is cheap to check: the keeper's check is enough.
	 */
	if (k->packet.record.protocol == RECORD_OPENSPA)
		hand_to_keeper(d, k, false);
	else if (k->holder != DIRECTORY_NOBODY && !guess_limiter_too_many(&d->guess_limiter,
	                                              &k->packet.record.source, clock_boot_ns()))
		hand_to_keeper(d, k, true);
	else
		search(d, k, DIRECTORY_NOBODY);
}

static void socket_ready(void *context)
{
	struct doorman_socket *from = context;
	struct doorman *d = from->doorman;
	struct knock *arriving = d->hands->arriving;
	struct record *records[SOCKET_BATCH];
	size_t got;

	for (size_t i = 0; i < SOCKET_BATCH; i++)
		records[i] = &arriving[i].packet.record;
	got = socket_receive(from->source.fd, records, SOCKET_BATCH);
	for (size_t i = 0; i < got; i++) {
		struct codec_packet *p = &arriving[i].packet;

		p->record.protocol = (uint8_t)from->protocol;
		take_in(d, &arriving[i]);
		secret_wipe(p->key, sizeof p->key);
		secret_wipe(&p->asked, sizeof p->asked);
	}
}

/* Tries one key. False while there is more to try. */
static bool try_next_key(struct doorman *d, struct slot *s)
{
	uint32_t client = s->next_try++;

	if (client < d->config.client_count && !is_signed_by(d, &s->knock, client))
		return false;
	if (client < d->config.client_count)
		found(d, &s->knock, client);
	else
		refuse(d, &s->knock, VERDICT_UNKNOWN_SIGNER);
	trial_queue_release(&d->hands->lane, s);
	return true;
}

/* The trial queue: a slice of signatures, then whoever else waits gets a turn. */
static void scan_some(void *context)
{
	struct doorman *d = context;
	struct trial_queue *lane = &d->hands->lane;
	struct slot *s = trial_queue_first(lane);
	int64_t pause_ns = 1;

	timer_read(d->scan_timer.fd);
	for (int tries = 0; s != NULL && tries < SCAN_SLICE; tries++) {
		if (!rate_take(&d->scan_budget, clock_boot_ns())) {
			pause_ns = 10 * NS_PER_MS;
			break;
		}
		if (try_next_key(d, s))
			s = trial_queue_first(lane);
	}
	if (lane->scanning > 0)
		timer_set(d->scan_timer.fd, pause_ns, 0);
}

static void guess_was_wrong(struct doorman *d, struct knock *k)
{
	guess_limiter_add(&d->guess_limiter, &k->packet.record.source, clock_boot_ns());
	if (codec_open(&k->packet)) /* as it did before: what it says was not sent along */
		search(d, k, k->holder);
}

static void hold(struct doorman *d, const struct knock *k)
{
	if (trial_queue_hold(&d->hands->lane, k) == NULL)
		refuse(d, k, VERDICT_BUSY);
}

/* A knock that the keeper could not judge begins again: with every key, or, when the keeper goes by
 * a newer configuration, from the start as soon as that has come here. */
static void take_back(struct doorman *d, const struct message_knock_back *m)
{
	struct knock k = {.packet.record = m->knock.record, .holder = m->knock.holder};

	memcpy(k.packet.key, m->knock.key, sizeof k.packet.key);
	if (m->stale_config && m->knock.generation == d->config.header->generation)
		hold(d, &k);
	else if (m->stale_config || m->knock.generation != d->config.header->generation)
		take_in(d, &k);
	else
		guess_was_wrong(d, &k);
	secret_wipe(&k, sizeof k);
}

bool doorman_take_back(void *context, const struct message_knock_back *m, struct message_fds *fds)
{
	(void)fds;
	take_back(context, m);
	return true;
}

/* Tells an OpenSPA client what it was granted. */
bool doorman_take_granted(void *context, const struct message_granted *m, struct message_fds *fds)
{
	struct doorman *d = context;
	uint8_t packet[RECORD_BYTES_MAX];
	size_t size = answer_build(packet, m, d->rsa);

	(void)fds;
	if (size > 0)
		socket_answer(d->sockets[RECORD_OPENSPA].source.fd, &m->source, m->source_port,
		    &m->local, packet, size);
	return true;
}

/* The sockets that came with a configuration: at the start. */
static void take_socket(struct doorman *d, enum record_protocol protocol, int fd)
{
	struct doorman_socket *s = &d->sockets[protocol];

	if (fd < 0)
		return;
	s->source.fd = fd;
	loop_add(&d->process.loop, &s->source);
}

/* Clients are numbered anew: whatever waits here begins again. */
static void revisit_slots(struct doorman *d)
{
	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++) {
		struct slot *s = &d->hands->lane.slots[i];
		struct knock k = s->knock;

		if (s->state == SLOT_FREE)
			continue;
		trial_queue_release(&d->hands->lane, s);
		take_in(d, &k);
		secret_wipe(&k, sizeof k);
	}
}

/* Takes over a new configuration; an errno, or 0. */
static int change_config(struct doorman *d, const struct message_secret *m, struct message_fds *fds)
{
	struct snapshot next = {0};
	struct directory *directory;

	if (!snapshot_map(&next, fds->fd[FD_SNAPSHOT]))
		return errno;
	if (!answer_change_key(&d->rsa, m)) {
		snapshot_unmap(&next);
		return EINVAL;
	}
	directory = directory_new(&next);
	if (directory == NULL) {
		snapshot_unmap(&next);
		return ENOMEM;
	}
	if (d->directory != NULL)
		directory_carry(directory, d->directory);
	directory_free(d->directory);
	snapshot_unmap(&d->config);
	d->directory = directory;
	d->config = next;
	memcpy(d->secret, m->secret, OPENME_SECRET_BYTES);
	revisit_slots(d);
	take_socket(d, RECORD_OPENME, message_fds_take(fds, FD_OPENME));
	take_socket(d, RECORD_OPENSPA, message_fds_take(fds, FD_OPENSPA));
	return 0;
}

bool doorman_take_config(void *context, const struct message_secret *m, struct message_fds *fds)
{
	struct doorman *d = context;

	process_report(&d->process, change_config(d, m, fds));
	return true;
}

bool doorman_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct doorman *d = context;
	struct counters *counters = counters_map(fds->fd[FD_DOORMAN_COUNTERS]);

	d->secret = secret_alloc(OPENME_SECRET_BYTES);
	d->hands = secret_alloc(sizeof *d->hands);
	if (counters == NULL || d->secret == NULL || d->hands == NULL ||
	    (m->openspa && !answer_prepare()))
		return false;
	report_init(&d->report, counters);
	d->scan_budget = rate_of(SCAN_RATE, SCAN_BURST);
	d->known_budget = rate_of(KNOWN_RATE, KNOWN_BURST);
	guess_limiter_init(&d->guess_limiter);
	for (int i = 0; i < RECORD_PROTOCOLS; i++) {
		struct doorman_socket *s = &d->sockets[i];

		*s = (struct doorman_socket){.doorman = d, .protocol = (enum record_protocol)i};
		s->source = (struct loop_source){-1, socket_ready, s};
	}
	budget_init(&d->budget);
	d->scan_timer = (struct loop_source){timer_open(), scan_some, d};
	return d->scan_timer.fd >= 0 && loop_add(&d->process.loop, &d->scan_timer) &&
	       process_open_peer(&d->process, &d->keeper, ROLE_KEEPER, fds);
}

MESSAGES_TO_DOORMAN(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_DOORMAN(MESSAGE_ENTRY)};

int doorman_run(void)
{
	static struct doorman d;
	int status = process_run(&d.process, ROLE_DOORMAN, handlers, &d, NULL);

	secret_free(d.hands);
	secret_free(d.secret);
	return status;
}
