/* The doorman: stands at the socket, opens what is sealed for us, finds out whose it may be, and
 * hands it to the keeper. It holds the server's secret and nothing else of worth; it cannot open a
 * file, a socket or a port. */
#include "doorman/doorman.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "doorman/response.h"
#include "proc/counters.h"
#include "proc/sandbox.h"
#include "proc/slice.h"

/* Signatures a second in the trial queue: half of one processor at 38 us each. */
#define SCAN_RATE  13000
#define SCAN_BURST 13000
/* And by the clients that a source is known for, while a packet is in our hands. A budget of its
 * own: those who are known do not wait for those who are searched for, nor the other way round. */
#define KNOWN_RATE  13000
#define KNOWN_BURST 1000

static void hold(struct doorman *d, struct record *r)
{
	r->slot = d->next_slot;
	d->next_slot = (uint16_t)((d->next_slot + 1) % HELD_SLOTS);
	d->held->slots[r->slot].number = 0;
	d->held->slots[r->slot].record = *r;
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
	/* Ours are read on, and not what is held: the keeper can write there. */
	for (size_t i = 0; i < got; i++) {
		records[i]->protocol = (uint8_t)from->protocol;
		hold(d, records[i]);
	}
	for (size_t i = 0; i < got; i++) {
		doorman_take_in(d, &arriving[i]);
		codec_wipe(&arriving[i].packet);
	}
}

/* What the last doorman had in its hands, or the keeper had not judged, begins again. What it had
 * been through with already is refused as replayed. */
static void take_up_held(struct doorman *d)
{
	struct knock *k = &d->hands->arriving[0];
	const uint64_t judged = d->handed_on; /* as of the start */

	for (uint16_t i = 0; i < HELD_SLOTS; i++) {
		struct record r = d->held->slots[i].record;
		uint64_t number = d->held->slots[i].number;

		if (r.size == 0 || (number != 0 && number <= judged) ||
		    r.size > RECORD_BYTES_MAX + 1 || r.protocol >= RECORD_PROTOCOLS ||
		    d->sockets[r.protocol].source.fd < 0)
			continue;
		r.slot = i;
		d->next_slot = (uint16_t)((i + 1) % HELD_SLOTS);
		k->packet.record = r;
		doorman_take_in(d, k);
		codec_wipe(&k->packet);
	}
}

/* Tells an OpenSPA client what it was granted. */
bool doorman_take_granted(void *context, const struct message_granted *m, struct message_fds *fds)
{
	struct doorman *d = context;
	uint8_t packet[RECORD_BYTES_MAX];
	size_t size = m->silent != 0 ? 0 : answer_build(packet, m, d->rsa);

	(void)fds;
	budget_grant(&d->budget, &m->source, clock_boot_ns());
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
		doorman_take_in(d, &k);
		secret_wipe(&k, sizeof k);
	}
}

/* Takes over a new configuration; an errno, or 0. */
static int change_config(struct doorman *d, const struct message_secret *m, struct message_fds *fds)
{
	struct snapshot next = {0};
	struct directory *directory;
	bool first = d->directory == NULL;

	if (!process_snapshot(&d->process, &next, fds))
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
	if (first)
		take_up_held(d);
	return 0;
}

bool doorman_take_config(void *context, const struct message_secret *m, struct message_fds *fds)
{
	struct doorman *d = context;

	process_report(&d->process, change_config(d, m, fds));
	return true;
}

/* What has not been read waits for the next daemon. What waits here has its keys tried first. */
bool doorman_take_stop(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct doorman *d = context;

	(void)m;
	(void)fds;
	for (int i = 0; i < RECORD_PROTOCOLS; i++)
		if (d->sockets[i].source.fd >= 0)
			loop_remove(&d->process.loop, &d->sockets[i].source);
	d->stopping = true;
	if (d->hands->lane.scanning == 0)
		process_report(&d->process, 0);
	return true;
}

/* Or goes without. */
static bool lock_memory(void)
{
	char needed[24];
	size_t bytes;

	if (secret_lock_all(&bytes))
		return true;
	snprintf(needed, sizeof needed, "%zu KiB", bytes / 1024);
	return sandbox_goes_without(SANDBOX_MEMORY, errno, needed, log_event);
}

bool doorman_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct doorman *d = context;
	struct counters *counters = counters_map(fds->fd[FD_DOORMAN_COUNTERS], m->number);

	slice_shorten();
	d->secret = secret_alloc(OPENME_SECRET_BYTES);
	d->hands = secret_alloc(sizeof *d->hands);
	d->held = held_map(fds->fd[FD_HELD], m->number);
	if (d->held == NULL || counters == NULL || d->secret == NULL || d->hands == NULL ||
	    (m->openspa && !answer_prepare()) || !lock_memory())
		return false;
	d->handed_on = d->held->judged;
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
	d->scan_timer = (struct loop_source){timer_open(), doorman_try_keys, d};
	return d->scan_timer.fd >= 0 && loop_add(&d->process.loop, &d->scan_timer) &&
	       process_open_peer(&d->process, &d->keeper, ROLE_KEEPER, fds);
}

MESSAGES_TO_DOORMAN(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_DOORMAN(MESSAGE_ENTRY)};

int doorman_run(void)
{
	static struct doorman d;
	int status = process_run(&d.process, ROLE_DOORMAN, &sandbox_doorman, handlers, &d, NULL);

	secret_free(d.hands);
	secret_free(d.secret);
	return status;
}
