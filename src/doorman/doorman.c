/* The doorman: stands at the sockets, opens what is sealed for us, finds out whose it may be, and
 * hands it to the keeper. It holds the server's secret and nothing else of worth; it cannot open a
 * file, a socket or a port. */
#include "doorman/doorman.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/secret.h"
#include "doorman/arrival.h"
#include "doorman/response.h"
#include "intake/ring_knock.h"
#include "proc/counters.h"
#include "proc/sandbox.h"
#include "proc/slice.h"

/* Signatures a second by the clients that a source is known for, while a packet is in our hands. A
 * budget of its own: those who are known do not wait for those who are searched for, nor the other
 * way round. */
#define KNOWN_RATE  13000
#define KNOWN_BURST 1000

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
static void take_socket(struct doorman *d, struct doorman_socket *s, enum intake_kind kind, int fd)
{
	if (fd < 0)
		return;
	s->source.fd = fd;
	s->kind = kind;
	loop_add(&d->process.loop, &s->source);
}

/* Clients are numbered anew: whatever waits here begins again. */
static void revisit_waiting(struct doorman *d)
{
	struct knock k;

	trial_begin_anew(d);
	while (trial_queue_take_held(&d->hands->lane, &k))
		doorman_take_in(d, &k);
	secret_wipe(&k, sizeof k);
}

static void change_shield(struct doorman *d, const struct message_secret *m)
{
	static const uint8_t none[SHIELD_SECRET_BYTES];
	bool off = d->config.settings->shield == CONF_SHIELD_OFF;

	shield_configure(&d->hands->shield, off ? NULL : m->shield_key,
	    off || secret_equal(m->shield_key_old, none, sizeof none) ? NULL : m->shield_key_old);
}

/* Takes over a new configuration; an errno, or 0. */
static int change_config(struct doorman *d, const struct message_secret *m, struct message_fds *fds)
{
	struct snapshot next = {0};
	struct directory *directory;
	enum intake_kind kind;
	bool first = d->directory == NULL;
	int hints;

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
	hints = message_fds_take(fds, FD_HINTS);
	hints_change(&d->hints, &next, hints, &d->config);
	fd_close(hints);
	d->directory = directory;
	d->config = next;
	memcpy(d->secret, m->secret, OPENME_SECRET_BYTES);
	copies_forget_all(&d->copies); /* it may allow what was refused */
	change_shield(d, m);
	doorman_put_kernel_keys(d);
	revisit_waiting(d);
	kind = next.settings->intake == CONF_INTAKE_CAPTURE ? INTAKE_CAPTURE : INTAKE_SOCKET;
	take_socket(d, &d->sockets[RECORD_OPENME], kind, message_fds_take(fds, FD_OPENME));
	take_socket(d, &d->six, kind, message_fds_take(fds, FD_OPENME6));
	take_socket(
	    d, &d->sockets[RECORD_OPENSPA], INTAKE_SOCKET, message_fds_take(fds, FD_OPENSPA));
	if (first) {
		take_socket(d, &d->sockets[RECORD_OPENME], INTAKE_XDP, d->ring_fd);
		arrival_take_up_held(d);
	}
	return 0;
}

bool doorman_take_config(void *context, const struct message_secret *m, struct message_fds *fds)
{
	struct doorman *d = context;

	process_report(&d->process, change_config(d, m, fds));
	return true;
}

static void drop_socket(struct doorman *d, struct doorman_socket *s)
{
	if (s->source.fd >= 0)
		loop_remove(&d->process.loop, &s->source);
}

/* What has not been read waits for the next daemon. What waits here has its keys tried first. */
bool doorman_take_stop(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct doorman *d = context;

	(void)m;
	(void)fds;
	for (int i = 0; i < RECORD_PROTOCOLS; i++)
		drop_socket(d, &d->sockets[i]);
	drop_socket(d, &d->six);
	d->stopping = true;
	doorman_rest(d);
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

static void prepare_socket(
    struct doorman *d, struct doorman_socket *s, enum record_protocol protocol)
{
	*s = (struct doorman_socket){.doorman = d, .protocol = protocol};
	s->source = (struct loop_source){-1, arrival_ready, s};
}

bool doorman_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct doorman *d = context;
	struct counters *counters = counters_map(fds->fd[FD_DOORMAN_COUNTERS], m->number);

	slice_shorten();
	d->secret = secret_alloc(OPENME_SECRET_BYTES);
	d->hands = secret_alloc(sizeof *d->hands);
	d->held = held_map(fds->fd[FD_HELD], m->number);
	/* Without the file it is forgotten at the end. */
	if (d->held == NULL ||
	    (!networks_open(&d->networks, fds->fd[FD_NETWORKS]) &&
	        !networks_open(&d->networks, -1)) ||
	    counters == NULL || d->secret == NULL || d->hands == NULL ||
	    (m->openspa && !answer_prepare()) || !lock_memory())
		return false;
	d->handed_on = d->held->judged;
	report_init(&d->report, counters);
	strangers_init(&d->strangers, &d->process.main.channel, MESSAGE_DOORMAN_STRANGER);
	trial_queue_init(&d->hands->lane);
	d->known_budget = rate_of(KNOWN_RATE, KNOWN_BURST);
	guess_limiter_init(&d->guess_limiter);
	arrival_init(d);
	for (int i = 0; i < RECORD_PROTOCOLS; i++)
		prepare_socket(d, &d->sockets[i], (enum record_protocol)i);
	prepare_socket(d, &d->six, RECORD_OPENME);
	budget_init(&d->budget);
	if (!doorman_open_kernel_keys(d, fds->fd[FD_SHIELD_CONTROL]))
		return false;
	d->ring_fd = message_fds_take(fds, FD_RING);
	if (d->ring_fd >= 0 && !ring_map(&d->ring, d->ring_fd, RING_BYTES))
		return false;
	d->scan_timer = (struct loop_source){timer_open(), doorman_try_keys, d};
	return d->scan_timer.fd >= 0 && loop_add(&d->process.loop, &d->scan_timer) &&
	       hints_open(&d->hints, &d->process.loop, m->number) &&
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
