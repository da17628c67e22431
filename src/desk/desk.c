/* The desk: answers the administrator on the control socket and whoever has the health port open.
 * It sees no packet, no key and no rule; it asks the keeper for what it shows. */
#include "proc/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/control.h"
#include "proc/counters.h"

#define PEER_TIMEOUT_S    2 /* for a tool that does not read or write */
#define KEEPER_TIMEOUT_MS 2000
#define COUNTER_SETS      2 /* doorman's and keeper's */

struct desk {
	struct process process;
	struct channel keeper;
	struct loop_source control; /* listener */
	struct loop_source health;  /* listener; fd -1: none */
	const struct counters *counters[COUNTER_SETS];
	struct snapshot config;
	uid_t allowed_uid;
	int reload_peer; /* the tool that waits for a reload; -1: none */
};

static bool send_record(int peer, const struct control_record *record)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	size_t size = control_encode(packet, record);

	return size > 0 && send(peer, packet, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool send_done(int peer)
{
	return send_record(peer, &(struct control_record){.type = CONTROL_DONE});
}

static void send_fault(int peer, enum control_fault fault, const char *text)
{
	struct control_record record = control_error_of(fault, text);

	send_record(peer, &record);
}

/* --- Sessions */

/* What a holder has open: its policy's ports, or what it asked for. */
static void put_ports(
    const struct desk *d, const struct message_session *s, struct control_session *to)
{
	struct span ports;

	if (s->what.protocol != 0) {
		to->ports[0] = (struct port_range){.protocol = s->what.protocol,
		    .first = s->what.first_port,
		    .last = s->what.last_port};
		to->port_count = 1;
		return;
	}
	if (s->holder >= d->config.client_count)
		return;
	ports = d->config.policies[d->config.clients[s->holder].policy].ports;
	to->more = ports.count > CONTROL_PORTS_MOST;
	to->port_count = (uint16_t)(to->more ? CONTROL_PORTS_MOST : ports.count);
	memcpy(to->ports, snapshot_ports(&d->config, ports), to->port_count * sizeof to->ports[0]);
}

static void put_session(
    const struct desk *d, const struct message_session *s, struct control_record *record)
{
	*record = (struct control_record){.type = CONTROL_SESSION};
	memcpy(record->session.client, s->name, sizeof record->session.client - 1);
	record->session.address = s->address;
	record->session.opened_ns = s->opened_real_ns;
	record->session.remaining_ms = s->remaining_ms;
	record->session.overdue = s->kind == SESSION_OVERDUE;
	put_ports(d, s, &record->session);
}

static void put_last_seen(const struct message_session *s, struct control_record *record)
{
	*record = (struct control_record){.type = CONTROL_LAST_SEEN};
	memcpy(record->last_seen.client, s->name, sizeof record->last_seen.client - 1);
	record->last_seen.address = s->address;
	record->last_seen.when_ns = s->opened_real_ns;
}

static bool send_sessions(const struct desk *d, int peer, const struct message_sessions *m)
{
	for (uint32_t i = 0; i < m->count && i < MESSAGE_SESSIONS_MOST; i++) {
		struct control_record record;

		if (m->sessions[i].kind == SESSION_SEEN)
			put_last_seen(&m->sessions[i], &record);
		else
			put_session(d, &m->sessions[i], &record);
		if (!send_record(peer, &record))
			return false;
	}
	return true;
}

static void show_sessions(struct desk *d, int peer)
{
	struct message_cursor cursor = {0};

	do {
		struct message m;

		if (!channel_send(&d->keeper, MESSAGE_SESSIONS_WANTED, &cursor, NULL, 0) ||
		    channel_wait(&d->keeper, &m, PHASE_RUN, KEEPER_TIMEOUT_MS) != CHANNEL_MESSAGE) {
			/* An answer that comes late would be taken for the next one's. */
			send_fault(peer, CONTROL_FAULT_FAILED, "the keeper does not answer");
			loop_stop(&d->process.loop);
			return;
		}
		if (m.body.SESSIONS.generation != d->config.header->generation) {
			send_fault(peer, CONTROL_FAULT_FAILED, "a reload is under way; try again");
			return;
		}
		if (!send_sessions(d, peer, &m.body.SESSIONS))
			return;
		cursor.next = m.body.SESSIONS.next;
	} while (cursor.next != 0);
	send_done(peer);
}

/* --- Counters */

static void show_stats(const struct desk *d, int peer)
{
	for (int v = 0; v < VERDICT_COUNT; v++) {
		struct control_record record = {.type = CONTROL_STAT};

		snprintf(
		    record.stat.name, sizeof record.stat.name, "%s", verdict_name((enum verdict)v));
		for (size_t i = 0; i < COUNTER_SETS; i++)
			record.stat.value += d->counters[i]->verdicts[v];
		if (!send_record(peer, &record))
			return;
	}
	send_done(peer);
}

/* --- Reload */

static bool begin_reload(struct desk *d, int peer)
{
	static const struct message_empty nothing;

	if (d->reload_peer >= 0) {
		send_fault(peer, CONTROL_FAULT_FAILED, "a reload is under way already");
		return false;
	}
	if (!channel_send(&d->process.main, MESSAGE_RELOAD_WANTED, &nothing, NULL, 0))
		return false;
	d->reload_peer = peer;
	return true;
}

static void end_reload(struct desk *d, struct message_text *m)
{
	m->text[MESSAGE_TEXT_BYTES - 1] = '\0';
	if (d->reload_peer < 0)
		return;
	if (m->fault != 0) {
		send_fault(d->reload_peer, (enum control_fault)m->fault, m->text);
	} else {
		const struct control_record clients = {.type = CONTROL_STAT,
		    .stat = {.name = "clients", .value = d->config.client_count}};

		if (send_record(d->reload_peer, &clients))
			send_done(d->reload_peer);
	}
	close(d->reload_peer);
	d->reload_peer = -1;
}

/* --- Those who come to the desk */

static bool is_allowed(const struct desk *d, int peer)
{
	struct ucred who = {0};
	socklen_t size = sizeof who;

	return getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	       (who.uid == 0 || who.uid == d->allowed_uid);
}

/* True when the peer is kept for an answer that comes later. */
static bool serve(struct desk *d, int peer)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	struct control_record request;
	ssize_t size;

	if (!is_allowed(d, peer)) {
		send_fault(peer, CONTROL_FAULT_PERMISSION, "this is for root");
		return false;
	}
	size = recv(peer, packet, sizeof packet, 0);
	if (size <= 0 || !control_decode(&request, packet, (size_t)size) ||
	    !control_is_request(request.type)) {
		send_fault(peer, CONTROL_FAULT_FAILED, "that is no request");
		return false;
	}
	if (d->config.header == NULL)
		send_fault(peer, CONTROL_FAULT_FAILED, "still starting; try again");
	else if (request.type == CONTROL_SESSIONS)
		show_sessions(d, peer);
	else if (request.type == CONTROL_STATS)
		show_stats(d, peer);
	else
		return begin_reload(d, peer);
	return false;
}

static void control_ready(void *context)
{
	static const struct timeval patience = {PEER_TIMEOUT_S, 0};
	struct desk *d = context;
	int peer = accept4(d->control.fd, NULL, NULL, SOCK_CLOEXEC);

	if (peer < 0)
		return;
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (!serve(d, peer))
		close(peer);
}

/* That the port can be reached is the whole answer. */
static void health_ready(void *context)
{
	struct desk *d = context;
	int peer = accept4(d->health.fd, NULL, NULL, SOCK_CLOEXEC);

	if (peer >= 0)
		close(peer);
}

/* --- Main's words */

static void change_health(struct desk *d, int fd)
{
	if (d->health.fd >= 0) {
		loop_remove(&d->process.loop, &d->health);
		close(d->health.fd);
	}
	d->health.fd = fd;
	loop_add(&d->process.loop, &d->health);
}

static int change_config(struct desk *d, struct message *m)
{
	struct snapshot next = {0};

	if (m->fd_count < 1)
		return EPROTO;
	if (!snapshot_map(&next, m->fds[0]))
		return errno;
	snapshot_unmap(&d->config);
	d->config = next;
	if (m->fd_count > 1) {
		change_health(d, m->fds[1]);
		m->fds[1] = -1;
	}
	return 0;
}

static void main_ready(void *context)
{
	struct desk *d = context;
	struct message m;

	switch (channel_receive(&d->process.main, &m, PHASE_RUN)) {
	case CHANNEL_MESSAGE:
		if (m.type == MESSAGE_RELOAD_DONE)
			end_reload(d, &m.body.RELOAD_DONE);
		else
			process_report(&d->process, change_config(d, &m));
		message_close_fds(&m);
		break;
	case CHANNEL_CLOSED:
		loop_stop(&d->process.loop);
		break;
	case CHANNEL_EMPTY:
		break;
	}
}

static bool set_up(struct desk *d, struct message *begin)
{
	if (begin->fd_count != 4)
		return false;
	d->keeper = (struct channel){begin->fds[0], ROLE_DESK, ROLE_KEEPER};
	d->counters[0] = counters_map_to_read(begin->fds[1]);
	d->counters[1] = counters_map_to_read(begin->fds[2]);
	d->control = (struct loop_source){begin->fds[3], control_ready, d};
	d->health = (struct loop_source){-1, health_ready, d};
	d->allowed_uid = begin->body.BEGIN_DESK.control_uid;
	d->reload_peer = -1;
	return d->counters[0] != NULL && d->counters[1] != NULL &&
	       loop_add(&d->process.loop, &d->control);
}

int role_desk(void)
{
	static struct desk d;
	struct message begin;
	bool ran;

	if (!process_begin(&d.process, ROLE_DESK, &begin) || !set_up(&d, &begin) ||
	    !process_settle(&d.process, &begin.body.BEGIN_DESK, main_ready, &d)) {
		log_event(LOG_LEVEL_ERROR, "the desk cannot start", "error", strerror(errno), NULL);
		return 1;
	}
	ran = loop_run(&d.process.loop);
	snapshot_unmap(&d.config);
	return ran ? 0 : 1;
}
