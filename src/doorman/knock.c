/* A knock on its way from the socket to whoever finds out whose it is. */
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"

/* By its hint, which nobody but the client can make: as good as a signature for where it goes, and
 * the keeper verifies that. False: it has none that we understand. */
static bool take_hinted(struct doorman *d, struct knock *k)
{
	uint32_t client = hints_find(&d->hints, k);

	if (client == DIRECTORY_NOBODY)
		return false;
	k->holder = client;
	doorman_hand_on(d, k, GUESS_HINT);
	/* As when a signature was verified: only of a fresh knock. After it is on its way, for a
	 * sender that is new takes new memory. */
	if (replay_in_window(k->packet.asked.timestamp_ns, clock_real_ns(),
	        d->config.settings->replay_window_ns))
		directory_seen(d->directory, &k->packet.record.source, client);
	return true;
}

/* A client that always gives a hint has not sent one without. */
static bool may_guess(const struct doorman *d, const struct knock *k)
{
	return k->holder != DIRECTORY_NOBODY && !d->config.clients[k->holder].hint_only &&
	       !guess_limiter_too_many(
	           &d->guess_limiter, &k->packet.record.source, clock_boot_ns());
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

	if (v == VERDICT_BUSY)
		d->report.counters->counts[COUNT_BUDGET_OPENSPA]++;
	if (v != VERDICT_HANDED_ON) {
		doorman_refuse(d, k, v);
		return;
	}
	d->report.counters->verdicts[v]++;
	/* A device names itself, and its signature is cheap to check: the keeper's check is enough.
	 */
	if (k->packet.record.protocol == RECORD_OPENSPA)
		doorman_hand_on(d, k, GUESS_NONE);
	else if (take_hinted(d, k))
		return;
	else if (may_guess(d, k))
		doorman_hand_on(d, k, GUESS_SOURCE);
	else
		trial_search_signer(d, k, DIRECTORY_NOBODY);
}

/* A knock that the keeper could not judge begins again: with every key, or, when the keeper goes by
 * a newer configuration, from the start as soon as that has come here. */
bool doorman_take_back(void *context, const struct message_knock_back *m, struct message_fds *fds)
{
	struct doorman *d = context;
	struct knock k = {
	    .packet = {.record = m->knock.record,
	        .asked = {.timestamp_ns = m->knock.timestamp_ns, .target = m->knock.target}},
	    .holder = m->knock.holder};
	bool ours = m->knock.generation == d->config.header->generation;

	(void)fds;
	memcpy(k.packet.key, m->knock.key, sizeof k.packet.key);
	copies_forget(&d->copies, &k.packet.record);
	if (m->stale_config && ours) {
		if (!trial_queue_hold(&d->hands->lane, &k))
			doorman_refuse(d, &k, VERDICT_BUSY);
	} else if (m->stale_config || !ours) {
		doorman_take_in(d, &k);
	} else if (m->knock.guessed == GUESS_HINT) {
		/* Made by the client, and not signed by it: no other key will fit. */
		doorman_refuse(d, &k, VERDICT_UNKNOWN_SIGNER);
	} else {
		guess_limiter_add(&d->guess_limiter, &k.packet.record.source, clock_boot_ns());
		trial_search_signer(d, &k, k.holder);
	}
	secret_wipe(&k, sizeof k);
	return true;
}
