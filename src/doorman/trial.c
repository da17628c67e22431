/* openme's knock does not say whose it is, and a stock client gives no hint: keys are tried, the
 * likely ones first. What that costs is bounded by what the processors have left. */
#include "doorman/trial.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/secret.h"
#include "doorman/doorman.h"

#define TRIAL_SLICE 8   /* steps before the sockets get their turn again: about 0.3 ms */
#define SKIP_SLICE  256 /* clients passed over in one step */
#define FEW_WAIT    8

static const uint8_t *packet_of(const struct trial_slot *s)
{
	return s->record + offsetof(struct record, bytes);
}

static bool is_signed_by(const struct doorman *d, const uint8_t *packet, uint32_t client)
{
	return openme_verify(packet, d->config.clients[client].public_key);
}

static bool is_fresh(const struct doorman *d, int64_t timestamp_ns, int64_t now_ns)
{
	return replay_in_window(timestamp_ns, now_ns, d->config.settings->replay_window_ns);
}

static int64_t thread_cpu_ns(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0
	           ? t.tv_sec * NS_PER_SECOND + t.tv_nsec
	           : 0;
}

/* The client is found, its signature verified. Where it knocks from is remembered only for a fresh
 * knock: with old ones, anybody who has recorded some could blur what is known of a source. */
static void signer_found(struct doorman *d, struct knock *k, uint32_t client)
{
	const struct addr *source = &k->packet.record.source;
	int64_t now_ns = clock_real_ns();

	if (is_fresh(d, k->packet.asked.timestamp_ns, now_ns)) {
		directory_seen(d->directory, source, client);
		networks_seen(&d->networks, source, d->config.clients[client].public_key, now_ns);
	}
	k->holder = client;
	doorman_hand_on(d, k, GUESS_NONE);
}

/* --- On arrival */

static bool nobody_is_searched(const struct doorman *d)
{
	return d->config.settings->hint_only_clients >= d->config.client_count;
}

static enum trial_lane lane_for(const struct doorman *d, const struct knock *k, bool known)
{
	if (known)
		return TRIAL_NEAR_SOURCE;
	if (networks_known(&d->networks, &k->packet.record.source))
		return TRIAL_NEAR_NETWORK;
	return TRIAL_FAR_NOWHERE;
}

static void queue_for_trial(
    struct doorman *d, const struct knock *k, enum trial_lane lane, uint32_t not_client, bool tried)
{
	struct trial_queue *q = &d->hands->lane;
	struct trial_slot *s = trial_queue_add(q, k, lane);

	if (s == NULL) {
		d->report.counters->counts[COUNT_BUDGET_TRIAL]++;
		doorman_refuse(d, k, VERDICT_BUSY);
		return;
	}
	s->not_client = not_client;
	s->recent_tried = tried;
	if (q->waiting == 1) {
		trial_pace_begin(&d->trial.pace, clock_boot_ns(), thread_cpu_ns());
		d->trial.far_after_ns = 0;
	}
	if (q->waiting == 1 || (trial_queue_is_near(lane) && q->in_lane[lane] == 1))
		timer_set(d->scan_timer.fd, 1, 0);
}

void trial_search_signer(struct doorman *d, struct knock *k, uint32_t not_client)
{
	uint32_t recent[DIRECTORY_RECENT];
	size_t count = directory_recent(d->directory, &k->packet.record.source, recent);
	size_t tried = 0;

	for (; tried < count; tried++) {
		if (recent[tried] == not_client || d->config.clients[recent[tried]].hint_only)
			continue;
		if (!rate_take(&d->known_budget, clock_boot_ns())) {
			d->report.counters->counts[COUNT_BUDGET_KNOWN]++;
			break;
		}
		if (is_signed_by(d, k->packet.record.bytes, recent[tried])) {
			signer_found(d, k, recent[tried]);
			return;
		}
	}
	if (tried == d->config.client_count || nobody_is_searched(d))
		doorman_refuse(d, k, VERDICT_UNKNOWN_SIGNER);
	else
		queue_for_trial(d, k, lane_for(d, k, count > 0), not_client, tried == count);
}

/* --- In the queue */

/* It leaves the queue. */
static void finish(struct doorman *d, struct trial_slot *s, uint32_t client, enum verdict v)
{
	struct trial_queue *q = &d->hands->lane;
	struct knock k;

	d->trial.current[trial_queue_lane(q, s)] = NULL;
	trial_queue_get(s, &k);
	trial_queue_release(q, s);
	if (client != DIRECTORY_NOBODY)
		signer_found(d, &k, client);
	else
		doorman_refuse(d, &k, v);
	secret_wipe(&k, sizeof k);
}

/* What has gone stale while it waited, or was before, costs no search of all keys. */
static void move_on(struct doorman *d, struct trial_slot *s, int64_t now_ns)
{
	struct trial_queue *q = &d->hands->lane;
	enum trial_lane lane = trial_queue_lane(q, s);
	enum trial_lane far = lane == TRIAL_NEAR_SOURCE ? TRIAL_FAR_SOURCE : TRIAL_FAR_NETWORK;

	if (!is_fresh(d, s->timestamp_ns, now_ns))
		finish(d, s, DIRECTORY_NOBODY, VERDICT_STALE);
	else if (trial_queue_move(q, s, far))
		d->trial.current[lane] = NULL;
	else {
		d->report.counters->counts[COUNT_BUDGET_TRIAL]++;
		finish(d, s, DIRECTORY_NOBODY, VERDICT_BUSY);
	}
}

/* Those who were seen at the source, if they have not been tried, and in its network. */
static void list_likely(struct doorman *d, struct trial_list *list, const struct trial_slot *s)
{
	struct addr source;

	memcpy(&source, s->record + offsetof(struct record, source), sizeof source);
	list->next = 0;
	list->count =
	    s->recent_tried ? 0 : (uint32_t)directory_recent(d->directory, &source, list->clients);
	list->count += (uint32_t)networks_find(&d->networks, &d->config, &source, clock_real_ns(),
	    list->clients + list->count, NETWORKS_FOUND_MOST);
}

static void try_likely(
    struct doorman *d, struct trial_slot *s, enum trial_lane lane, int64_t now_ns)
{
	struct trial_list *list = &d->trial.near[lane];
	uint32_t client;

	if (list->next >= list->count) {
		move_on(d, s, now_ns);
		return;
	}
	client = list->clients[list->next++];
	if (client != s->not_client && !d->config.clients[client].hint_only &&
	    is_signed_by(d, packet_of(s), client))
		finish(d, s, client, VERDICT_PASS);
}

/* In the first round those who may come in; in the second one, while few wait, those who are
 * revoked or have expired: for the log, which then says so by name. */
static bool is_in_round(
    const struct doorman *d, struct trial_slot *s, uint32_t client, bool second, int64_t now_ns)
{
	const struct client *c = &d->config.clients[client];
	bool barred = c->revoked || c->expires_ns < now_ns;

	s->barred = s->barred || barred;
	return barred == second && !c->hint_only && client != s->not_client;
}

static void try_all(struct doorman *d, struct trial_slot *s, int64_t now_ns)
{
	uint32_t count = d->config.client_count;

	for (int skipped = 0; skipped < SKIP_SLICE; skipped++) {
		bool second = s->next_try >= count;
		uint32_t client = second ? s->next_try - count : s->next_try;

		if (client >= count ||
		    (second && (!s->barred || d->hands->lane.waiting > FEW_WAIT))) {
			finish(d, s, DIRECTORY_NOBODY, VERDICT_UNKNOWN_SIGNER);
			return;
		}
		s->next_try++;
		if (!is_in_round(d, s, client, second, now_ns))
			continue;
		if (is_signed_by(d, packet_of(s), client))
			finish(d, s, client, VERDICT_PASS);
		return;
	}
}

/* At most one signature. */
static void try_one(struct doorman *d, enum trial_lane lane, int64_t now_ns)
{
	struct trial_slot **s = &d->trial.current[lane];
	bool near = trial_queue_is_near(lane);

	if (*s == NULL) {
		*s = trial_queue_first(&d->hands->lane, lane);
		if (near)
			list_likely(d, &d->trial.near[lane], *s);
	}
	if (near)
		try_likely(d, *s, lane, now_ns);
	else if (!is_fresh(d, (*s)->timestamp_ns, now_ns))
		finish(d, *s, DIRECTORY_NOBODY, VERDICT_STALE);
	else
		try_all(d, *s, now_ns);
}

/* How long until the next slice. What others want of the processor is left to them by those whose
 * keys are all tried: the few keys of the others are tried meanwhile. */
static int64_t next_slice_ns(struct doorman *d)
{
	const struct trial_queue *q = &d->hands->lane;
	int64_t now_ns = clock_boot_ns();
	int64_t pause_ns = trial_pace_pause(&d->trial.pace, now_ns, thread_cpu_ns());

	if (pause_ns > 0)
		d->trial.far_after_ns = now_ns + pause_ns;
	if (q->in_lane[TRIAL_NEAR_SOURCE] + q->in_lane[TRIAL_NEAR_NETWORK] > 0 ||
	    d->trial.far_after_ns <= now_ns)
		return 1;
	return d->trial.far_after_ns - now_ns;
}

/* After a slice whoever else waits gets a turn. */
void doorman_try_keys(void *context)
{
	struct doorman *d = context;
	struct trial_queue *q = &d->hands->lane;
	bool far_too = clock_boot_ns() >= d->trial.far_after_ns;
	enum trial_lane lane = trial_queue_turn(q, far_too);
	int64_t now_ns = clock_real_ns();

	timer_read(d->scan_timer.fd);
	for (int steps = 0; lane != TRIAL_NONE && steps < TRIAL_SLICE; steps++) {
		try_one(d, lane, now_ns);
		if (q->in_lane[lane] == 0)
			lane = trial_queue_turn(q, far_too);
	}
	if (q->waiting > 0)
		timer_set(d->scan_timer.fd, next_slice_ns(d), 0);
	else
		doorman_rest(d);
}

void trial_begin_anew(struct doorman *d)
{
	struct trial_queue *q = &d->hands->lane;

	memset(d->trial.current, 0, sizeof d->trial.current);
	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++) {
		q->slots[i].next_try = 0;
		q->slots[i].not_client = DIRECTORY_NOBODY;
		q->slots[i].recent_tried = false;
		q->slots[i].barred = false;
	}
}
