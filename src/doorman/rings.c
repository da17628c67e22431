#include "doorman/rings.h"

#include <string.h>

/* Turns of a round. Whoever has shown least is served least, and always. */
static const uint16_t weights[RINGS_CLASSES] = {
    [RINGS_TAGGED] = 4, [RINGS_KNOWN] = 3, [RINGS_OTHER] = 1};

void rings_init(struct rings *r, const uint16_t slots[static RINGS_CLASSES])
{
	uint16_t all = 0;

	memset(r, 0, sizeof *r);
	for (int class = 0; class < RINGS_CLASSES; class ++) {
		r->lanes[class].free = slots[class];
		r->lanes[class].first = RINGS_NONE;
		all = (uint16_t)(all + slots[class]);
	}
	for (uint16_t i = 0; i < all; i++)
		r->next[i] = i + 1 < all ? (uint16_t)(i + 1) : RINGS_NONE;
	r->first_free = all > 0 ? 0 : RINGS_NONE;
	/* A secret hash, so that nobody can choose addresses that share a ring with somebody. */
	secret_random(r->hash_key, sizeof r->hash_key);
}

/* Behind all others whose turn is to come. */
static void queue_ring(struct rings_lane *lane, uint16_t ring)
{
	lane->rings[ring].next = RINGS_NONE;
	if (lane->first == RINGS_NONE)
		lane->first = ring;
	else
		lane->rings[lane->last].next = ring;
	lane->last = ring;
}

static bool is_ring_of(const struct ring *ring, uint64_t sender)
{
	return ring->count > 0 && ring->sender == sender;
}

/* Of two, so that hardly anybody shares both of his with one who fills his own. Who has one to
 * himself stays there: what he sent first has its turn first. */
static uint16_t choose_ring(const struct rings_lane *lane, uint64_t hash)
{
	uint16_t one = (uint16_t)(hash % RINGS_OF_CLASS);
	uint16_t two = (uint16_t)((hash >> 32) % RINGS_OF_CLASS);

	if (is_ring_of(&lane->rings[one], hash))
		return one;
	if (is_ring_of(&lane->rings[two], hash))
		return two;
	return lane->rings[two].count < lane->rings[one].count ? two : one;
}

/* Takes the first out of a ring. */
static uint16_t free_first(struct rings *r, struct rings_lane *lane, struct ring *ring)
{
	uint16_t slot = ring->first;

	ring->first = r->next[slot];
	ring->count--;
	r->next[slot] = r->first_free;
	r->first_free = slot;
	lane->free++;
	r->waiting--;
	return slot;
}

/* A ring with more than `count` in it, or NULL. */
static struct ring *ring_above(struct rings_lane *lane, uint16_t count)
{
	if (lane->most <= count)
		return NULL;
	for (int i = 0; i < RINGS_OF_CLASS; i++) {
		if (lane->rings[lane->hand].count > count)
			return &lane->rings[lane->hand];
		lane->hand = (uint16_t)((lane->hand + 1) % RINGS_OF_CLASS);
	}
	lane->most = count;
	return NULL;
}

uint16_t rings_put(
    struct rings *r, enum rings_class class, const struct addr *source, bool *displaced)
{
	struct rings_lane *lane = &r->lanes[class];
	const uint64_t sender = addr_sender_hash(source, r->hash_key);
	uint16_t number = choose_ring(lane, sender);
	struct ring *ring = &lane->rings[number];
	uint16_t slot;

	*displaced = lane->free == 0;
	if (*displaced) {
		struct ring *longer = ring_above(lane, (uint16_t)(ring->count + 1));

		if (longer == NULL)
			return RINGS_NONE;
		free_first(r, lane, longer);
	}
	slot = r->first_free;
	r->first_free = r->next[slot];
	r->next[slot] = RINGS_NONE;
	lane->free--;
	r->waiting++;
	if (ring->count++ == 0) {
		ring->first = slot;
		ring->sender = sender;
		queue_ring(lane, number);
	} else {
		r->next[ring->last] = slot;
	}
	ring->last = slot;
	if (ring->count > lane->most) {
		lane->most = ring->count;
		lane->hand = number;
	}
	return slot;
}

/* The first class with something in it and a turn left. Call only when something waits. */
static struct rings_lane *whose_turn(struct rings *r)
{
	for (;;) {
		for (int class = 0; class < RINGS_CLASSES; class ++) {
			struct rings_lane *lane = &r->lanes[class];

			if (lane->first != RINGS_NONE && lane->credit > 0)
				return lane;
		}
		for (int class = 0; class < RINGS_CLASSES; class ++)
			r->lanes[class].credit = weights[class];
	}
}

uint16_t rings_take(struct rings *r)
{
	struct rings_lane *lane;
	uint16_t number, slot;
	struct ring *ring;

	if (r->waiting == 0)
		return RINGS_NONE;
	lane = whose_turn(r);
	number = lane->first;
	ring = &lane->rings[number];
	lane->credit--;
	lane->first = ring->next;
	slot = free_first(r, lane, ring);
	if (ring->count > 0)
		queue_ring(lane, number);
	return slot;
}
