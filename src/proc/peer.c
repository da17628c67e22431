#include "proc/peer.h"

#include "base/fd.h"

/* The channel was closed by its handler, or may be. */
static bool handle(const struct peer *p, struct message *m)
{
	bool goes_on = p->handlers[m->type](p->context, m);

	channel_dispose(m);
	return goes_on;
}

/* All that wait, and not those that come meanwhile: the first one is not to wait for them. Only
 * when there is no room for all, up to `burst` are taken. What has come is handled, also when a
 * handler has closed the channel. */
static enum channel_result take_together(struct peer *p, bool *goes_on)
{
	enum channel_result result;
	unsigned int taken = 0;
	size_t count;

	do {
		result = channel_receive_many(&p->channel, p->room, &count, PHASE_RUN);
		for (size_t i = 0; i < count; i++) {
			if (*goes_on)
				*goes_on = handle(p, &p->room[i]);
			else
				channel_dispose(&p->room[i]);
		}
		taken += CHANNEL_TOGETHER;
	} while (*goes_on && count == CHANNEL_TOGETHER && p->channel.fd >= 0 && taken < p->burst);
	return result;
}

static enum channel_result take_one(struct peer *p, bool *goes_on)
{
	struct message m;
	enum channel_result result = channel_receive(&p->channel, &m, PHASE_RUN);

	if (result == CHANNEL_MESSAGE)
		*goes_on = handle(p, &m);
	return result;
}

static void peer_ready(void *context)
{
	struct peer *p = context;
	struct loop *loop = p->loop;
	bool goes_on = true;
	enum channel_result result =
	    p->room != NULL ? take_together(p, &goes_on) : take_one(p, &goes_on);

	if (goes_on && p->after != NULL)
		goes_on = p->after(p->context);
	if (goes_on && result == CHANNEL_CLOSED) {
		peer_close(p);
		goes_on = p->closed != NULL && p->closed(p->context);
	}
	if (!goes_on)
		loop_stop(loop);
}

bool peer_open(struct peer *p, struct loop *loop)
{
	p->loop = loop;
	p->source = (struct loop_source){p->channel.fd, peer_ready, p};
	return loop_add(loop, &p->source);
}

void peer_close(struct peer *p)
{
	if (p->channel.fd < 0)
		return;
	if (p->loop != NULL)
		loop_remove(p->loop, &p->source);
	p->channel.fd = fd_close(p->channel.fd);
}

enum channel_result peer_wait(struct peer *p, enum phase phase, int timeout_ms)
{
	struct message m;
	enum channel_result result = channel_wait(&p->channel, &m, phase, timeout_ms);

	if (result == CHANNEL_MESSAGE && !handle(p, &m))
		return CHANNEL_CLOSED;
	return result;
}
