/* A knock on its way from the socket to the keeper. openme's does not say whose it is: the clients
 * that its source is known for are tried, then all of them, a few at a time. */
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"

#define SCAN_SLICE 32 /* signatures tried before the socket gets its turn again: about 1 ms */

static void report_refusal(struct doorman *d, const struct knock *k, enum verdict v)
{
	d->held->slots[k->packet.record.slot % HELD_SLOTS].record.size = 0;
	report_verdict(&d->report, v, k, &d->config, clock_real_ns());
}

static void hand_to_keeper(struct doorman *d, const struct knock *k, enum guess guess)
{
	struct message_knock m = {.generation = d->config.header->generation,
	    .holder = k->holder,
	    .guessed = (uint8_t)guess,
	    .timestamp_ns = k->packet.asked.timestamp_ns,
	    .record = k->packet.record};

	memcpy(m.key, k->packet.key, sizeof m.key);
	d->held->slots[m.record.slot % HELD_SLOTS].number = ++d->handed_on;
	if (!channel_send(&d->keeper.channel, MESSAGE_KNOCK, &m, NULL))
		loop_stop(&d->process.loop);
	secret_wipe(m.key, sizeof m.key);
}

static bool is_signed_by(const struct doorman *d, const struct knock *k, uint32_t client)
{
	return openme_verify(k->packet.record.bytes, d->config.clients[client].public_key);
}

/* Only for a fresh knock: with old ones, anybody who has recorded some could blur what is known of
 * a source. */
static void remember_source(struct doorman *d, const struct knock *k, uint32_t client)
{
	if (replay_in_window(k->packet.asked.timestamp_ns, clock_real_ns(),
	        d->config.settings->replay_window_ns))
		directory_seen(d->directory, &k->packet.record.source, client);
}

/* The client is found, its signature verified. */
static void signer_found(struct doorman *d, struct knock *k, uint32_t client)
{
	remember_source(d, k, client);
	k->holder = client;
	hand_to_keeper(d, k, GUESS_NONE);
}

static void queue_for_scan(struct doorman *d, const struct knock *k, bool known)
{
	struct trial_queue *lane = &d->hands->lane;

	if (trial_queue_queue(lane, k, known) == NULL)
		report_refusal(d, k, VERDICT_BUSY);
	else if (lane->scanning == 1)
		timer_set(d->scan_timer.fd, 1, 0);
}

/* Tries the clients that the source is known for, but not the one that was guessed wrong; then it
 * is a matter for the trial queue. */
static void search_signer(struct doorman *d, struct knock *k, uint32_t not_client)
{
	uint32_t recent[DIRECTORY_RECENT];
	size_t count = directory_recent(d->directory, &k->packet.record.source, recent);
	size_t tried = 0;

	for (; tried < count; tried++) {
		if (recent[tried] == not_client)
			continue;
		if (!rate_take(&d->known_budget, clock_boot_ns()))
			break;
		if (is_signed_by(d, k, recent[tried])) {
			signer_found(d, k, recent[tried]);
			return;
		}
	}
	if (tried == d->config.client_count)
		report_refusal(d, k, VERDICT_UNKNOWN_SIGNER);
	else
		queue_for_scan(d, k, count > 0);
}

/* By its hint, which nobody but the client can make: as good as a signature for where it goes, and
 * the keeper verifies that. False: it has none that we understand. */
static bool take_hinted(struct doorman *d, struct knock *k)
{
	uint32_t client = hints_find(&d->hints, k);

	if (client == DIRECTORY_NOBODY)
		return false;
	remember_source(d, k, client);
	k->holder = client;
	hand_to_keeper(d, k, GUESS_HINT);
	return true;
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
		report_refusal(d, k, v);
		return;
	}
	d->report.counters->verdicts[v]++;
	/* A device names itself, and its signature is cheap to check: the keeper's check is enough.
	 */
	if (k->packet.record.protocol == RECORD_OPENSPA)
		hand_to_keeper(d, k, GUESS_NONE);
	else if (take_hinted(d, k))
		return;
	else if (k->holder != DIRECTORY_NOBODY && !guess_limiter_too_many(&d->guess_limiter,
	                                              &k->packet.record.source, clock_boot_ns()))
		hand_to_keeper(d, k, GUESS_SOURCE);
	else
		search_signer(d, k, DIRECTORY_NOBODY);
}

/* Tries one key. False while there is more to try. */
static bool try_next_key(struct doorman *d, struct slot *s)
{
	uint32_t client = s->next_try++;

	if (client < d->config.client_count && !is_signed_by(d, &s->knock, client))
		return false;
	if (client < d->config.client_count)
		signer_found(d, &s->knock, client);
	else
		report_refusal(d, &s->knock, VERDICT_UNKNOWN_SIGNER);
	trial_queue_release(&d->hands->lane, s);
	return true;
}

/* After a slice whoever else waits gets a turn. */
void doorman_try_keys(void *context)
{
	struct doorman *d = context;
	struct trial_queue *lane = &d->hands->lane;
	struct slot *s = trial_queue_first(lane);
	int64_t pause_ns = 1;

	timer_read(d->scan_timer.fd);
	for (int tries = 0; s != NULL && tries < SCAN_SLICE; tries++) {
		if (!rate_take(&d->scan_budget, clock_boot_ns())) {
			pause_ns = 10 * NS_PER_MS;
			break;
		}
		if (try_next_key(d, s))
			s = trial_queue_first(lane);
	}
	if (lane->scanning > 0)
		timer_set(d->scan_timer.fd, pause_ns, 0);
	else if (d->stopping)
		process_report(&d->process, 0);
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
	if (m->stale_config && ours) {
		if (trial_queue_hold(&d->hands->lane, &k) == NULL)
			report_refusal(d, &k, VERDICT_BUSY);
	} else if (m->stale_config || !ours) {
		doorman_take_in(d, &k);
	} else if (m->knock.guessed == GUESS_HINT) {
		/* Made by the client, and not signed by it: no other key will fit. */
		report_refusal(d, &k, VERDICT_UNKNOWN_SIGNER);
	} else {
		guess_limiter_add(&d->guess_limiter, &k.packet.record.source, clock_boot_ns());
		search_signer(d, &k, k.holder);
	}
	secret_wipe(&k, sizeof k);
	return true;
}
