/* What tools ask for: sessions, a reload. */
#include "desk/desk.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

/* --- Sessions */

/* What is open: the policy's ports, or what was asked for. */
static void put_ports(const struct desk *d, const struct opening *o, struct control_session *to)
{
	struct span ports;

	if (o->ports.protocol != 0) {
		to->ports[0] = o->ports;
		to->port_count = 1;
		return;
	}
	if (o->policy >= d->config.policy_count)
		return;
	ports = d->config.policies[o->policy].ports;
	to->more = ports.count > CONTROL_PORTS_MOST;
	to->port_count = (uint16_t)(to->more ? CONTROL_PORTS_MOST : ports.count);
	memcpy(to->ports, snapshot_ports(&d->config, ports), to->port_count * sizeof to->ports[0]);
}

static void put_session(
    const struct desk *d, const struct message_session *s, struct control_record *record)
{
	int64_t left = s->opening.until_ns - clock_boot_ns();

	*record = (struct control_record){.type = CONTROL_SESSION};
	memcpy(record->session.client, s->name, sizeof record->session.client - 1);
	record->session.address = s->opening.address;
	record->session.opened_ns = s->real_ns;
	record->session.overdue = s->kind == SESSION_OVERDUE;
	if (left > 0)
		record->session.remaining_ms = (uint64_t)((left + NS_PER_MS - 1) / NS_PER_MS);
	put_ports(d, &s->opening, &record->session);
}

static void put_last_seen(const struct message_session *s, struct control_record *record)
{
	*record = (struct control_record){.type = CONTROL_LAST_SEEN};
	memcpy(record->last_seen.client, s->name, sizeof record->last_seen.client - 1);
	record->last_seen.address = s->opening.address;
	record->last_seen.when_ns = s->real_ns;
}

/* False when there is no room for more now, or nobody there. */
static bool send_page(struct desk *d, struct conversation *c)
{
	for (; d->page_sent < d->page.count; d->page_sent++) {
		const struct message_session *s = &d->page.sessions[d->page_sent];
		struct control_record record;

		if (s->kind == SESSION_SEEN)
			put_last_seen(s, &record);
		else
			put_session(d, s, &record);
		if (!conversation_send(c, &record))
			return false;
		conversation_progress(c);
	}
	return true;
}

static void show_status(struct conversation *c)
{
	const struct message_status *s = &c->desk->status;

	(void)conversation_send_stat(c, CONTROL_GUARD, s->guard);
	(void)conversation_send_stat(c, CONTROL_SHIELD, s->shield);
	(void)conversation_send_stat(c, CONTROL_INTAKE, s->intake);
	for (enum sandbox_layer l = 0; l < SANDBOX_LAYERS; l++)
		if ((s->without & 1U << l) != 0)
			(void)conversation_send_stat(c, sandbox_layer_name(l), 1);
}

bool desk_take_status(void *context, const struct message_status *m, struct message_fds *fds)
{
	struct desk *d = context;

	(void)fds;
	d->status = *m;
	return true;
}

static void ask_keeper(struct desk *d, struct conversation *c, uint32_t next)
{
	const struct message_cursor cursor = {next};

	d->page.count = d->page_sent = 0;
	d->keeper_asked = channel_try_send(&d->keeper.channel, MESSAGE_SESSIONS_WANTED, &cursor);
	if (!d->keeper_asked)
		conversation_end_with_fault(c, CONTROL_FAULT_FAILED, "the keeper does not answer");
}

/* All of it has to be of one configuration: ours, for the ports, and the first page's, for with
 * another one the keeper's grants are others, too. */
static bool is_of_one_configuration(struct desk *d)
{
	if (d->shown_generation == 0)
		d->shown_generation = d->page.generation;
	return d->page.generation == d->shown_generation &&
	       d->page.generation == d->config.header->generation;
}

/* What the keeper has answered goes to whom it is for. */
static void show_page(struct desk *d, struct conversation *c)
{
	if (!is_of_one_configuration(d)) {
		conversation_end_with_fault(
		    c, CONTROL_FAULT_FAILED, "a reload is under way; try again");
	} else if (!send_page(d, c)) {
		if (errno == EAGAIN)
			conversation_await_room(c, true);
		else
			conversation_end(c);
	} else if (d->page.next != 0) {
		conversation_await_room(c, false);
		ask_keeper(d, c, d->page.next);
	} else {
		conversation_end_done(c);
	}
}

void request_show_sessions(struct desk *d)
{
	struct conversation *c = conversation_in(d, CONVERSATION_SHOWN);

	/* An answer that nobody waits for any more is thrown away when it comes. */
	while (!d->keeper_asked) {
		if (c != NULL) {
			show_page(d, c);
			if (d->keeper_asked || c->state == CONVERSATION_SHOWN)
				return;
		}
		c = conversation_next(d);
		if (c == NULL)
			return;
		c->state = CONVERSATION_SHOWN;
		show_status(c);
		d->shown_generation = 0;
		ask_keeper(d, c, 0);
		c = conversation_in(d, CONVERSATION_SHOWN);
	}
}

bool desk_take_sessions(void *context, const struct message_sessions *m, struct message_fds *fds)
{
	struct desk *d = context;

	(void)fds;
	d->keeper_asked = false;
	d->page = *m;
	d->page_sent = 0;
	if (d->page.count > MESSAGE_SESSIONS_MOST)
		d->page.count = MESSAGE_SESSIONS_MOST;
	request_show_sessions(d);
	return true;
}

/* --- Reload */

static uid_t asking_uid(const struct conversation *c)
{
	struct ucred who = {.uid = (uid_t)-1};
	socklen_t size = sizeof who;

	getsockopt(c->source.fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	return who.uid;
}

static void begin_reload(struct conversation *c)
{
	struct desk *d = c->desk;
	const struct message_asker asker = {asking_uid(c)};

	if (d->reload_asked)
		conversation_end_with_fault(
		    c, CONTROL_FAULT_FAILED, "a reload is under way already");
	else if (!channel_try_send(&d->process.main.channel, MESSAGE_RELOAD_WANTED, &asker))
		conversation_end_with_fault(c, CONTROL_FAULT_FAILED, "main does not answer");
	else
		c->state = CONVERSATION_RELOADS;
	d->reload_asked = d->reload_asked || c->state == CONVERSATION_RELOADS;
}

bool desk_take_reload_done(void *context, const struct message_text *m, struct message_fds *fds)
{
	struct desk *d = context;
	struct conversation *c = conversation_in(d, CONVERSATION_RELOADS);

	(void)fds;
	d->reload_asked = false;
	if (m->text[MESSAGE_TEXT_BYTES - 1] != '\0')
		return false;
	if (c == NULL)
		return true;
	if (m->fault != 0) {
		conversation_end_with_fault(c, (enum control_fault)m->fault, m->text);
		return true;
	}
	(void)conversation_send_stat(c, "clients", d->config.client_count);
	conversation_end_done(c);
	return true;
}

/* --- */

static void queue(struct conversation *c)
{
	if (!c->viewer)
		conversation_end_viewer(c->desk);
	c->state = CONVERSATION_QUEUED;
}

void request_serve(struct conversation *c, enum control_type type)
{
	conversation_progress(c);
	if (c->desk->config.header == NULL)
		conversation_end_with_fault(c, CONTROL_FAULT_FAILED, "still starting; try again");
	else if (!conversation_may_ask(c, type))
		conversation_end_with_fault(c, CONTROL_FAULT_PERMISSION, "this is for root");
	else if (type == CONTROL_SESSIONS)
		queue(c);
	else if (type == CONTROL_STATS)
		request_show_stats(c);
	else
		begin_reload(c);
}
