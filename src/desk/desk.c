#include "desk/desk.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

static void hear_request(struct conversation *c)
{
	uint8_t packet[CONTROL_RECORD_BYTES];
	struct control_record request;
	ssize_t size = recv(c->source.fd, packet, sizeof packet, MSG_DONTWAIT);

	if (size <= 0 || !control_decode(&request, packet, (size_t)size) ||
	    !control_is_request(request.type))
		conversation_end_with_fault(c, CONTROL_FAULT_FAILED, "that is no request");
	else
		request_serve(c, request.type);
}

/* Whoever has asked has nothing more to say: what can be read is the end. */
static void conversation_ready(void *context)
{
	struct conversation *c = context;
	struct desk *d = c->desk;

	if (c->state == CONVERSATION_OPEN)
		hear_request(c);
	else if (c->state == CONVERSATION_STATS && c->awaits_room)
		request_show_stats(c);
	else if (!c->awaits_room)
		conversation_end(c);
	request_show_sessions(d);
}

static void control_ready(void *context)
{
	conversation_accept(context, conversation_ready);
}

static void check_times(void *context)
{
	struct desk *d = context;

	timer_read(d->tick.fd);
	conversation_check(d);
	request_show_sessions(d);
}

/* That the port can be reached is the whole answer. */
static void health_ready(void *context)
{
	struct desk *d = context;
	int fd = accept4(d->health.fd, NULL, NULL, SOCK_CLOEXEC);

	fd_close(fd);
}

static void change_health(struct desk *d, int fd)
{
	if (fd < 0)
		return;
	if (d->health.fd >= 0) {
		loop_remove(&d->process.loop, &d->health);
		close(d->health.fd);
	}
	d->health.fd = fd;
	loop_add(&d->process.loop, &d->health);
}

static int change_config(struct desk *d, struct message_fds *fds)
{
	struct snapshot next = {0};

	if (!snapshot_map(&next, fds->fd[FD_SNAPSHOT]))
		return errno;
	snapshot_unmap(&d->config);
	d->config = next;
	change_health(d, message_fds_take(fds, FD_HEALTH));
	return 0;
}

bool desk_take_config(void *context, const struct message_empty *m, struct message_fds *fds)
{
	struct desk *d = context;

	(void)m;
	process_report(&d->process, change_config(d, fds));
	return true;
}

bool desk_begin(void *context, const struct message_begin *m, struct message_fds *fds)
{
	struct desk *d = context;

	d->doormen = m->doormen;
	d->doormen_counters = counters_map_to_read(fds->fd[FD_DOORMAN_COUNTERS], d->doormen);
	d->keeper_counters = counters_map_to_read(fds->fd[FD_KEEPER_COUNTERS], 1);
	if (fds->fd[FD_SHIELD_COUNTS] >= 0)
		d->shield_counts = kernel_shield_map_counts(fds->fd[FD_SHIELD_COUNTS]);
	d->control = (struct loop_source){message_fds_take(fds, FD_CONTROL), control_ready, d};
	d->health = (struct loop_source){-1, health_ready, d};
	d->tick = (struct loop_source){timer_open(), check_times, d};
	d->allowed_uid = m->control_uid;
	d->viewer_uid = m->viewer_uid;
	return d->doormen_counters != NULL && d->keeper_counters != NULL && d->tick.fd >= 0 &&
	       loop_add(&d->process.loop, &d->tick) && loop_add(&d->process.loop, &d->control) &&
	       process_open_peer(&d->process, &d->keeper, ROLE_KEEPER, fds);
}

MESSAGES_TO_DESK(MESSAGE_TAKE)

static message_handler *const handlers[MESSAGE_COUNT] = {MESSAGES_TO_DESK(MESSAGE_ENTRY)};

int desk_run(void)
{
	static struct desk d;
	int status = process_run(&d.process, ROLE_DESK, &sandbox_desk, handlers, &d, NULL);

	snapshot_unmap(&d.config);
	return status;
}
