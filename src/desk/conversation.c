#include "desk/desk.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define PATIENCE_NS (2 * NS_PER_SECOND) /* with a tool that does not read or write */

struct conversation *conversation_in(struct desk *d, enum conversation_state state)
{
	for (int i = 0; i < DESK_CONVERSATIONS; i++) {
		if (d->conversations[i].state == state)
			return &d->conversations[i];
	}
	return NULL;
}

void conversation_end(struct conversation *c)
{
	loop_remove(&c->desk->process.loop, &c->source);
	close(c->source.fd);
	c->state = CONVERSATION_FREE;
}

static bool send_record(int fd, const struct control_record *record)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	size_t size = control_encode(packet, record);

	return size > 0 && send(fd, packet, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

bool conversation_send(struct conversation *c, const struct control_record *record)
{
	return send_record(c->source.fd, record);
}

bool conversation_send_stat(struct conversation *c, const char *name, uint64_t value)
{
	struct control_record record = {.type = CONTROL_STAT, .stat.value = value};

	snprintf(record.stat.name, sizeof record.stat.name, "%s", name);
	return conversation_send(c, &record);
}

void conversation_await_room(struct conversation *c, bool room)
{
	if (c->awaits_room == room)
		return;
	c->awaits_room = room;
	loop_await_room(&c->desk->process.loop, &c->source, room);
}

void conversation_end_with_fault(struct conversation *c, enum control_fault fault, const char *text)
{
	const struct control_record record = control_error_of(fault, text);

	(void)conversation_send(c, &record);
	conversation_end(c);
}

void conversation_end_done(struct conversation *c)
{
	(void)conversation_send(c, &(struct control_record){.type = CONTROL_DONE});
	conversation_end(c);
}

void conversation_progress(struct conversation *c)
{
	c->until_ns = clock_boot_ns() + PATIENCE_NS;
}

struct conversation *conversation_next(struct desk *d)
{
	struct conversation *viewer = NULL;

	for (int i = 0; i < DESK_CONVERSATIONS; i++) {
		struct conversation *c = &d->conversations[i];

		if (c->state == CONVERSATION_QUEUED && !c->viewer)
			return c;
		if (c->state == CONVERSATION_QUEUED)
			viewer = c;
	}
	return viewer;
}

void conversation_end_viewer(struct desk *d)
{
	struct conversation *c = conversation_in(d, CONVERSATION_SHOWN);

	if (c != NULL && c->viewer)
		conversation_end_with_fault(
		    c, CONTROL_FAULT_FAILED, "somebody else has asked; try again");
}

bool conversation_may_ask(const struct conversation *c, enum control_type type)
{
	return !c->viewer || type == CONTROL_SESSIONS || type == CONTROL_STATS;
}

/* What somebody may who has connected. */
enum rights { RIGHTS_NONE, RIGHTS_VIEWER, RIGHTS_ALL };

static enum rights rights_of(const struct desk *d, int fd)
{
	struct ucred who = {0};
	socklen_t size = sizeof who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
		return RIGHTS_NONE;
	if (who.uid == 0 || who.uid == d->allowed_uid)
		return RIGHTS_ALL;
	return who.uid == d->viewer_uid ? RIGHTS_VIEWER : RIGHTS_NONE;
}

/* A place for one with such rights, or NULL. */
static struct conversation *place_for(struct desk *d, enum rights rights)
{
	int viewers = 0;

	for (int i = 0; i < DESK_CONVERSATIONS; i++)
		viewers +=
		    d->conversations[i].state != CONVERSATION_FREE && d->conversations[i].viewer;
	return rights == RIGHTS_VIEWER && viewers >= DESK_VIEWERS
	           ? NULL
	           : conversation_in(d, CONVERSATION_FREE);
}

static void begin(
    struct conversation *c, struct desk *d, int fd, enum rights rights, void (*ready)(void *))
{
	*c = (struct conversation){
	    .desk = d, .state = CONVERSATION_OPEN, .viewer = rights == RIGHTS_VIEWER};
	c->source = (struct loop_source){.fd = fd, .ready = ready, .context = c};
	conversation_progress(c);
	loop_add(&d->process.loop, &c->source);
	timer_set(d->tick.fd, NS_PER_SECOND / 2, NS_PER_SECOND / 2);
}

void conversation_accept(struct desk *d, void (*ready)(void *conversation))
{
	int fd = accept4(d->control.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_record refusal;
	struct conversation *c;
	enum rights rights;

	if (fd < 0)
		return;
	rights = rights_of(d, fd);
	c = place_for(d, rights);
	if (rights != RIGHTS_NONE && c != NULL) {
		begin(c, d, fd, rights, ready);
		return;
	}
	refusal = c != NULL ? control_error_of(CONTROL_FAULT_PERMISSION, "this is for root")
	                    : control_error_of(CONTROL_FAULT_FAILED, "too many at once; try again");
	send_record(fd, &refusal);
	close(fd);
}

void conversation_check(struct desk *d)
{
	int64_t now = clock_boot_ns();
	bool any = false;

	for (int i = 0; i < DESK_CONVERSATIONS; i++) {
		struct conversation *c = &d->conversations[i];

		if (c->state == CONVERSATION_FREE)
			continue;
		any = true;
		if (c->state == CONVERSATION_RELOADS || c->until_ns > now)
			continue; /* a reload takes what it takes */
		if ((c->state == CONVERSATION_QUEUED || c->state == CONVERSATION_SHOWN) &&
		    d->keeper_asked)
			conversation_end_with_fault(
			    c, CONTROL_FAULT_FAILED, "the keeper does not answer");
		else
			conversation_end(c);
	}
	if (!any)
		timer_set(d->tick.fd, 0, 0);
}
