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

static bool is_allowed(const struct desk *d, int fd)
{
	struct ucred who = {0};
	socklen_t size = sizeof who;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	       (who.uid == 0 || who.uid == d->allowed_uid);
}

static void begin(struct conversation *c, struct desk *d, int fd, void (*ready)(void *))
{
	*c = (struct conversation){.desk = d, .state = CONVERSATION_OPEN};
	c->source = (struct loop_source){.fd = fd, .ready = ready, .context = c};
	conversation_progress(c);
	loop_add(&d->process.loop, &c->source);
	timer_set(d->tick.fd, NS_PER_SECOND / 2, NS_PER_SECOND / 2);
}

void conversation_accept(struct desk *d, void (*ready)(void *conversation))
{
	int fd = accept4(d->control.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conversation *c = conversation_in(d, CONVERSATION_FREE);
	struct control_record refusal;

	if (fd < 0)
		return;
	if (is_allowed(d, fd) && c != NULL) {
		begin(c, d, fd, ready);
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
