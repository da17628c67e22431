/* How a knock leaves the doorman: to the keeper, or refused. */
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"

void doorman_refuse(struct doorman *d, const struct knock *k, enum verdict v)
{
	d->held->slots[k->packet.record.slot % HELD_SLOTS].record.size = 0;
	report_verdict(&d->report, v, k, &d->config, clock_real_ns());
}

void doorman_hand_on(struct doorman *d, const struct knock *k, enum guess guess)
{
	struct message_knock m = {.generation = d->config.header->generation,
	    .holder = k->holder,
	    .guessed = (uint8_t)guess,
	    .timestamp_ns = k->packet.asked.timestamp_ns,
	    .record = k->packet.record};

	memcpy(m.key, k->packet.key, sizeof m.key);
	d->held->slots[m.record.slot % HELD_SLOTS].number = ++d->handed_on;
	copies_remember(&d->copies, &m.record, clock_boot_ns());
	if (!channel_send(&d->keeper.channel, MESSAGE_KNOCK, &m, NULL))
		loop_stop(&d->process.loop);
	secret_wipe(m.key, sizeof m.key);
}
