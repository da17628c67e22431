/* A knock on its way from the socket to the keeper. */
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"
#include "doorman/trial.h"

void doorman_refuse(struct doorman *d, const struct knock *k, enum verdict v)
{
	d->held->slots[k->packet.record.slot % HELD_SLOTS].record.size = 0;
	report_verdict(&d->report, v, k, &d->config, clock_real_ns());
}

void doorman_hand_on(struct doorman *d, const struct knock *k, bool guessed)
{
	struct message_knock m = {.generation = d->config.header->generation,
	    .holder = k->holder,
	    .guessed = guessed ? 1 : 0,
	    .timestamp_ns = k->packet.asked.timestamp_ns,
	    .record = k->packet.record};

	memcpy(m.key, k->packet.key, sizeof m.key);
	d->held->slots[m.record.slot % HELD_SLOTS].number = ++d->handed_on;
	copies_remember(&d->copies, &m.record, clock_boot_ns());
	if (!channel_send(&d->keeper.channel, MESSAGE_KNOCK, &m, NULL))
		loop_stop(&d->process.loop);
	secret_wipe(m.key, sizeof m.key);
}

void doorman_take_in(struct doorman *d, struct knock *k)
{
	const struct codec_secrets secrets = {d->secret, d->rsa};
	const struct admission a = {.side = ADMIT_DOORMAN,
	    .config = &d->config,
	    .secrets = &secrets,
	    .budget = &d->budget,
	    .directory = d->directory};
	enum verdict v = admit(&a, k);

	if (v != VERDICT_HANDED_ON) {
		doorman_refuse(d, k, v);
		return;
	}
	d->report.counters->verdicts[v]++;
	/* A device names itself, and its signature is cheap to check: the keeper's check is enough.
	 */
	if (k->packet.record.protocol == RECORD_OPENSPA)
		doorman_hand_on(d, k, false);
	else if (k->holder != DIRECTORY_NOBODY && !guess_limiter_too_many(&d->guess_limiter,
	                                              &k->packet.record.source, clock_boot_ns()))
		doorman_hand_on(d, k, true);
	else
		trial_search_signer(d, k, DIRECTORY_NOBODY);
}

/* A knock that the keeper could not judge begins again: with every key, or, when the keeper goes by
 * a newer configuration, from the start as soon as that has come here. */
bool doorman_take_back(void *context, const struct message_knock_back *m, struct message_fds *fds)
{
	struct doorman *d = context;
	struct knock k = {
	    .packet = {.record = m->knock.record, .asked.timestamp_ns = m->knock.timestamp_ns},
	    .holder = m->knock.holder};
	bool ours = m->knock.generation == d->config.header->generation;

	(void)fds;
	memcpy(k.packet.key, m->knock.key, sizeof k.packet.key);
	copies_forget(&d->copies, &k.packet.record);
	if (m->stale_config && ours) {
		if (trial_queue_hold(&d->hands->lane, &k) == NULL)
			doorman_refuse(d, &k, VERDICT_BUSY);
	} else if (m->stale_config || !ours) {
		doorman_take_in(d, &k);
	} else {
		guess_limiter_add(&d->guess_limiter, &k.packet.record.source, clock_boot_ns());
		trial_search_signer(d, &k, k.holder);
	}
	secret_wipe(&k, sizeof k);
	return true;
}
