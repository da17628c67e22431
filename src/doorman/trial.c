/* openme's knock does not say whose it is: the clients that its source is known for are tried, then
 * all of them, a few at a time. */
#include "doorman/trial.h"

#include "base/clock.h"
#include "doorman/doorman.h"

#define SCAN_SLICE 32 /* signatures tried before the socket gets its turn again: about 1 ms */

static bool is_signed_by(const struct doorman *d, const struct knock *k, uint32_t client)
{
	return openme_verify(k->packet.record.bytes, d->config.clients[client].public_key);
}

/* The client is found, its signature verified. Its source is remembered only for a fresh knock:
 * with old ones, anybody who has recorded some could blur what is known of a source. */
static void signer_found(struct doorman *d, struct knock *k, uint32_t client)
{
	if (replay_in_window(k->packet.asked.timestamp_ns, clock_real_ns(),
	        d->config.settings->replay_window_ns))
		directory_seen(d->directory, &k->packet.record.source, client);
	k->holder = client;
	doorman_hand_on(d, k, false);
}

static void queue_for_scan(struct doorman *d, const struct knock *k, bool known)
{
	struct trial_queue *lane = &d->hands->lane;

	if (trial_queue_queue(lane, k, known) == NULL)
		doorman_refuse(d, k, VERDICT_BUSY);
	else if (lane->scanning == 1)
		timer_set(d->scan_timer.fd, 1, 0);
}

void trial_search_signer(struct doorman *d, struct knock *k, uint32_t not_client)
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
		doorman_refuse(d, k, VERDICT_UNKNOWN_SIGNER);
	else
		queue_for_scan(d, k, count > 0);
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
		doorman_refuse(d, &s->knock, VERDICT_UNKNOWN_SIGNER);
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
	else
		doorman_rest(d);
}
