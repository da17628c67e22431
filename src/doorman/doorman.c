/* The doorman: stands at the socket, opens what is sealed for us, finds out whose it may be, and
 * hands it to the keeper. It holds the server's secret and nothing else of worth; it cannot open a
 * file, a socket or a port. */
#include "doorman/doorman.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "doorman/response.h"
#include "proc/counters.h"

/* Signatures a second in the trial queue: half of one processor at 38 us each. */
#define SCAN_RATE  13000
#define SCAN_BURST 13000
/* And by the clients that a source is known for, while a packet is in our hands. A budget of its
 * own: those who are known do not wait for those who are searched for, nor the other way round. */
#define KNOWN_RATE  13000
#define KNOWN_BURST 1000

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
		doorman_take_in(d, &arriving[i]);
		codec_wipe(p);
	}
}

/* Tells an OpenSPA client what it was granted. */
static void answer(struct doorman *d, const struct message_granted *m)
{
	uint8_t packet[RECORD_BYTES_MAX];
	size_t size = answer_build(packet, m, d->rsa);

	if (size > 0)
		socket_answer(d->sockets[RECORD_OPENSPA].source.fd, &m->source, m->source_port,
		    &m->local, packet, size);
}

static void keeper_ready(void *context)
{
	struct doorman *d = context;
	struct message m;

	switch (channel_receive(&d->keeper, &m, PHASE_RUN)) {
	case CHANNEL_MESSAGE:
		if (m.type == MESSAGE_GRANTED) {
			answer(d, &m.body.GRANTED);
			break;
		}
		doorman_take_back(d, &m.body.KNOCK_BACK);
		secret_wipe(m.body.KNOCK_BACK.knock.key, sizeof m.body.KNOCK_BACK.knock.key);
		break;
	case CHANNEL_CLOSED:
		loop_stop(&d->process.loop);
		break;
	case CHANNEL_EMPTY:
		break;
	}
}

/* Takes the sockets that came with a configuration: openme's first. */
static void take_sockets(struct doorman *d, struct message *m)
{
	const bool wanted[RECORD_PROTOCOLS] = {[RECORD_OPENME] = m->body.CONFIG_DOORMAN.openme,
	    [RECORD_OPENSPA] = m->body.CONFIG_DOORMAN.openspa};
	size_t next = 1;

	for (int i = 0; i < RECORD_PROTOCOLS; i++) {
		struct doorman_socket *s = &d->sockets[i];

		if (!wanted[i] || s->source.fd >= 0 || next >= m->fd_count)
			continue;
		s->source.fd = m->fds[next];
		m->fds[next++] = -1;
		loop_add(&d->process.loop, &s->source);
	}
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
static int change_config(struct doorman *d, struct message *m)
{
	struct snapshot next = {0};
	struct directory *directory;

	if (m->fd_count < 1)
		return EPROTO;
	if (!snapshot_map(&next, m->fds[0]))
		return errno;
	if (!answer_change_key(&d->rsa, &m->body.CONFIG_DOORMAN)) {
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
	memcpy(d->secret, m->body.CONFIG_DOORMAN.secret, OPENME_SECRET_BYTES);
	revisit_slots(d);
	take_sockets(d, m);
	return 0;
}

static void main_ready(void *context)
{
	struct doorman *d = context;
	struct message m;

	switch (channel_receive(&d->process.main, &m, PHASE_RUN)) {
	case CHANNEL_MESSAGE:
		process_report(&d->process, change_config(d, &m));
		message_close_fds(&m);
		secret_wipe(&m, sizeof m);
		break;
	case CHANNEL_CLOSED:
		loop_stop(&d->process.loop);
		break;
	case CHANNEL_EMPTY:
		break;
	}
}

static bool set_up(struct doorman *d, struct message *begin)
{
	struct counters *counters;

	if (begin->fd_count != 2)
		return false;
	counters = counters_map(begin->fds[1]);
	d->secret = secret_alloc(OPENME_SECRET_BYTES);
	d->hands = secret_alloc(sizeof *d->hands);
	if (counters == NULL || d->secret == NULL || d->hands == NULL ||
	    (begin->body.BEGIN_DOORMAN.openspa && !answer_prepare()))
		return false;
	report_init(&d->report, counters);
	d->scan_budget = rate_of(SCAN_RATE, SCAN_BURST);
	d->known_budget = rate_of(KNOWN_RATE, KNOWN_BURST);
	guess_limiter_init(&d->guess_limiter);
	d->keeper = (struct channel){begin->fds[0], ROLE_DOORMAN, ROLE_KEEPER};
	d->keeper_source = (struct loop_source){d->keeper.fd, keeper_ready, d};
	for (int i = 0; i < RECORD_PROTOCOLS; i++) {
		struct doorman_socket *s = &d->sockets[i];

		*s = (struct doorman_socket){.doorman = d, .protocol = (enum record_protocol)i};
		s->source = (struct loop_source){-1, socket_ready, s};
	}
	budget_init(&d->budget);
	d->scan_timer = (struct loop_source){timer_open(), doorman_try_keys, d};
	return d->scan_timer.fd >= 0 && loop_add(&d->process.loop, &d->keeper_source) &&
	       loop_add(&d->process.loop, &d->scan_timer);
}

int role_doorman(void)
{
	static struct doorman d;
	struct message begin;
	bool ran;

	if (!process_begin(&d.process, ROLE_DOORMAN, &begin) || !set_up(&d, &begin) ||
	    !process_settle(&d.process, &begin.body.BEGIN_DOORMAN, main_ready, &d)) {
		log_event(
		    LOG_LEVEL_ERROR, "the doorman cannot start", "error", strerror(errno), NULL);
		return 1;
	}
	ran = loop_run(&d.process.loop);
	secret_free(d.hands);
	secret_free(d.secret);
	return ran ? 0 : 1;
}
