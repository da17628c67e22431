/* How a knock leaves the doorman: to the keeper, or refused. */
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"

/* What waits long for its keys to be tried may have lost its slot to another. */
static bool is_held(const struct doorman *d, const struct record *r)
{
	const struct record *held = &d->held->slots[r->slot % HELD_SLOTS].record;

	return held->size == r->size && memcmp(held->bytes, r->bytes, OPENME_PACKET_BYTES) == 0;
}

void doorman_tell_refusal(struct doorman *d, const struct knock *k, enum verdict v)
{
	int64_t now_ns = clock_real_ns();

	report_verdict(&d->report, v, k, &d->config, now_ns);
	strangers_tell(&d->strangers, v, k, now_ns);
}

void doorman_refuse(struct doorman *d, const struct knock *k, enum verdict v)
{
	if (is_held(d, &k->packet.record))
		d->held->slots[k->packet.record.slot % HELD_SLOTS].record.size = 0;
	doorman_tell_refusal(d, k, v);
}

void doorman_send(struct doorman *d)
{
	struct outbox *o = &d->hands->outbox;

	if (o->count == 0)
		return;
	if (!channel_send_many(&d->keeper.channel, MESSAGE_KNOCK, o->knocks, o->count))
		loop_stop(&d->process.loop);
	secret_wipe(o->knocks, o->count * sizeof *o->knocks);
	o->count = 0;
}

/* Through with all that it was sent. It says so where it could write anything, and nothing hangs on
 * it but what goes together. */
static bool keeper_rests(const struct doorman *d)
{
	return d->held->judged >= d->handed_on - d->hands->outbox.count;
}

void doorman_send_if_due(struct doorman *d)
{
	if (d->hands->outbox.count == CHANNEL_TOGETHER || keeper_rests(d) ||
	    !doorman_has_waiting(d))
		doorman_send(d);
}

void doorman_hand_on(struct doorman *d, const struct knock *k, enum guess guess)
{
	struct outbox *o = &d->hands->outbox;
	struct message_knock *m = &o->knocks[o->count++];

	*m = (struct message_knock){.generation = d->config.header->generation,
	    .holder = k->holder,
	    .guessed = (uint8_t)guess,
	    .timestamp_ns = k->packet.asked.timestamp_ns,
	    .target = k->packet.asked.target,
	    .record = k->packet.record};
	memcpy(m->key, k->packet.key, sizeof m->key);
	d->handed_on++;
	if (is_held(d, &m->record))
		d->held->slots[m->record.slot % HELD_SLOTS].number = d->handed_on;
	copies_remember(&d->copies, &m->record, &k->packet.asked.target, clock_boot_ns());
	doorman_send_if_due(d);
}

bool doorman_has_waiting(const struct doorman *d)
{
	bool waiting = false;

	for (int protocol = 0; protocol < RECORD_PROTOCOLS; protocol++)
		waiting |= d->rings[protocol].waiting > 0;
	return waiting;
}

void doorman_rest(struct doorman *d)
{
	if (!d->stopping || d->hands->lane.waiting > 0 || doorman_has_waiting(d))
		return;
	strangers_close(&d->strangers);
	process_report(&d->process, 0);
}
