#include "doorman/trial_queue.h"

#include <string.h>

#include "base/secret.h"
#include "client/networks.h"

static const struct {
	uint16_t slots, turns;
} lane_table[TRIAL_LANE_COUNT] = {
#define X(name, slots_, turns_) [TRIAL_##name] = {slots_, turns_},
    TRIAL_LANES(X)
#undef X
};

#define X(name, slots, turns) +(slots)
_Static_assert(0 TRIAL_LANES(X) == TRIAL_QUEUE_SLOTS, "the lanes share all slots");
#undef X

void trial_queue_init(struct trial_queue *q)
{
	secret_random(q->hash_key, sizeof q->hash_key);
}

static size_t number_of(const struct trial_queue *q, const struct trial_slot *s)
{
	return (size_t)(s - q->slots);
}

enum trial_lane trial_queue_lane(const struct trial_queue *q, const struct trial_slot *s)
{
	return (enum trial_lane)q->lanes[number_of(q, s)];
}

/* How many slots a sender has already, which tell where its next one stands. */
struct share {
	uint32_t of_source, of_network;
};

static struct share count_share(
    const struct trial_queue *q, uint32_t source, uint32_t network, enum trial_lane lane)
{
	struct share share = {0, 0};

	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++) {
		share.of_source += q->lanes[i] != TRIAL_NONE && q->sources[i] == source;
		share.of_network += q->lanes[i] == lane && q->networks[i] == network;
	}
	return share;
}

static uint32_t network_hash(const struct trial_queue *q, const struct addr *from)
{
	struct addr network = networks_of(from);

	return (uint32_t)secret_hash(q->hash_key, network.bytes, sizeof network.bytes);
}

/* Counted in arrivals, so that whatever comes later cannot keep it waiting for ever. */
static void set_place(
    struct trial_queue *q, size_t i, enum trial_lane lane, const struct share *share)
{
	uint32_t behind = share->of_source;

	if (lane == TRIAL_NEAR_NETWORK && share->of_network > behind)
		behind = share->of_network;
	q->places[i] = q->arrivals++ + (int64_t)behind * TRIAL_QUEUE_SLOTS;
	q->lanes[i] = (uint8_t)lane;
	q->in_lane[lane]++;
	q->waiting++;
}

static void leave_lane(struct trial_queue *q, size_t i)
{
	q->in_lane[q->lanes[i]]--;
	q->waiting--;
	q->lanes[i] = TRIAL_NONE;
}

struct trial_slot *trial_queue_add(
    struct trial_queue *q, const struct knock *k, enum trial_lane lane)
{
	const struct addr *from = &k->packet.record.source;
	const uint8_t *free_one;
	struct trial_slot *s;
	struct share share;
	uint32_t source, network;
	size_t i;

	if (q->in_lane[lane] >= lane_table[lane].slots)
		return NULL;
	source = (uint32_t)addr_sender_hash(from, q->hash_key);
	network = network_hash(q, from);
	share = count_share(q, source, network, lane);
	free_one = memchr(q->lanes, TRIAL_NONE, sizeof q->lanes);
	if (share.of_source >= TRIAL_OF_SOURCE || free_one == NULL ||
	    (lane == TRIAL_NEAR_NETWORK && share.of_network >= TRIAL_OF_NETWORK))
		return NULL;
	i = (size_t)(free_one - q->lanes);
	q->sources[i] = source;
	q->networks[i] = network;
	s = &q->slots[i];
	memcpy(s->key, k->packet.key, sizeof s->key);
	s->timestamp_ns = k->packet.asked.timestamp_ns;
	s->target = k->packet.asked.target;
	s->not_client = DIRECTORY_NOBODY;
	memcpy(s->record, &k->packet.record, sizeof s->record);
	set_place(q, i, lane, &share);
	return s;
}

bool trial_queue_move(struct trial_queue *q, struct trial_slot *s, enum trial_lane lane)
{
	size_t i = number_of(q, s);
	struct share share;

	if (q->in_lane[lane] >= lane_table[lane].slots)
		return false;
	leave_lane(q, i);
	share = count_share(q, q->sources[i], q->networks[i], lane);
	set_place(q, i, lane, &share);
	return true;
}

struct trial_slot *trial_queue_first(struct trial_queue *q, enum trial_lane lane)
{
	struct trial_slot *first = NULL;

	if (q->in_lane[lane] == 0)
		return NULL;
	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++)
		if (q->lanes[i] == lane &&
		    (first == NULL || q->places[i] < q->places[number_of(q, first)]))
			first = &q->slots[i];
	return first;
}

bool trial_queue_is_near(enum trial_lane lane)
{
	return lane == TRIAL_NEAR_SOURCE || lane == TRIAL_NEAR_NETWORK;
}

/* Round and round by weight: `turn` counts through all turns of all lanes. */
enum trial_lane trial_queue_turn(struct trial_queue *q, bool far_too)
{
	uint32_t all = 0, at;

	for (int lane = TRIAL_NONE; lane < TRIAL_LANE_COUNT; lane++)
		all += lane_table[lane].turns;
	for (uint32_t tries = 0; q->waiting > 0 && tries < all; tries++) {
		int lane = TRIAL_NONE;

		q->turn = (q->turn + 1) % all;
		for (at = q->turn; at >= lane_table[lane].turns; lane++)
			at -= lane_table[lane].turns;
		if (q->in_lane[lane] > 0 && (far_too || trial_queue_is_near((enum trial_lane)lane)))
			return (enum trial_lane)lane;
	}
	return TRIAL_NONE;
}

void trial_queue_get(const struct trial_slot *s, struct knock *k)
{
	memset(k, 0, sizeof *k);
	memcpy(&k->packet.record, s->record, sizeof s->record);
	memcpy(k->packet.key, s->key, sizeof s->key);
	k->packet.asked.timestamp_ns = s->timestamp_ns;
	k->packet.asked.target = s->target;
	k->holder = DIRECTORY_NOBODY;
}

void trial_queue_release(struct trial_queue *q, struct trial_slot *s)
{
	leave_lane(q, number_of(q, s));
	secret_wipe(s, sizeof *s);
}

bool trial_queue_hold(struct trial_queue *q, const struct knock *k)
{
	for (size_t i = 0; i < TRIAL_QUEUE_HELD; i++) {
		if (q->held[i].packet.record.size != 0)
			continue;
		/* In its place: a copy on the stack would leave its key there. */
		q->held[i] = *k;
		return true;
	}
	return false;
}

bool trial_queue_take_held(struct trial_queue *q, struct knock *k)
{
	for (size_t i = 0; i < TRIAL_QUEUE_HELD; i++) {
		if (q->held[i].packet.record.size == 0)
			continue;
		*k = q->held[i];
		secret_wipe(&q->held[i], sizeof q->held[i]);
		return true;
	}
	return false;
}
