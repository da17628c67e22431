#include "doorman/arrival.h"

#include "base/clock.h"

#define BATCHES_OF_TURN 16 /* read from a socket before others have their turn */

_Static_assert(HELD_KNOCK_BYTES == OPENME_PACKET_BYTES, "a place holds a knock");
_Static_assert(HELD_KNOCKS <= RINGS_SLOTS_MAX && HELD_REQUESTS <= RINGS_SLOTS_MAX,
    "every place has its number");

/* Of each protocol: how many may wait, by class, and how many are served in one slice, which is
 * about half a millisecond: then the sockets are read again. */
static const struct {
	uint16_t slots[RINGS_CLASSES];
	int slice;
} shares[RECORD_PROTOCOLS] = {
    [RECORD_OPENME] = {{HELD_KNOCKS / 4, HELD_KNOCKS / 4, HELD_KNOCKS / 2}, 8},
    [RECORD_OPENSPA] = {{0, HELD_REQUESTS / 4, HELD_REQUESTS - HELD_REQUESTS / 4}, 2},
};

void arrival_init(struct doorman *d)
{
	for (int protocol = 0; protocol < RECORD_PROTOCOLS; protocol++)
		rings_init(&d->rings[protocol], shares[protocol].slots);
	copies_init(&d->copies);
	d->process.loop.work = arrival_serve;
	d->process.loop.work_context = d;
}

/* One that is in no slot. */
static void refuse(struct doorman *d, const struct record *r, enum verdict v)
{
	struct knock *k = &d->hands->current;

	k->packet.record = *r;
	k->verified = false;
	doorman_tell_refusal(d, k, v);
}

static void refuse_for_want_of_room(struct doorman *d, const struct record *r)
{
	d->report.counters->counts[COUNT_BUDGET_WAITING]++;
	refuse(d, r, VERDICT_BUSY);
}

/* What can be told without arithmetic, the cheapest first. Where a tag is required, nothing without
 * one costs more than this. */
static enum verdict screen(struct doorman *d, const struct record *r, enum shield_class *tag)
{
	enum verdict v = admit_screen(r);

	*tag = SHIELD_UNTAGGED;
	if (v != VERDICT_PASS || r->protocol != RECORD_OPENME)
		return v;
	*tag = shield_classify(&d->hands->shield, r->bytes, clock_real_ns());
	return *tag == SHIELD_UNTAGGED && d->config.settings->shield == CONF_SHIELD_REQUIRE
	           ? VERDICT_UNTAGGED
	           : VERDICT_PASS;
}

static enum rings_class class_of(
    const struct doorman *d, const struct record *r, enum shield_class tag, int64_t now_ns)
{
	bool known;

	if (tag == SHIELD_TAGGED)
		return RINGS_TAGGED;
	known = r->protocol == RECORD_OPENME ? directory_knows(d->directory, &r->source)
	                                     : budget_knows(&d->budget, &r->source, now_ns);
	return known ? RINGS_KNOWN : RINGS_OTHER;
}

static void take_arrival(struct doorman *d, const struct record *r, int64_t now_ns)
{
	enum shield_class tag;
	enum verdict v = screen(d, r, &tag);
	struct record lost;
	bool displaced;
	uint16_t slot;

	if (v == VERDICT_PASS && copies_has(&d->copies, r, now_ns)) {
		d->report.counters->counts[COUNT_COPIES]++;
		v = VERDICT_REPLAYED;
	}
	if (v != VERDICT_PASS) {
		refuse(d, r, v);
		return;
	}
	slot =
	    rings_put(&d->rings[r->protocol], class_of(d, r, tag, now_ns), &r->source, &displaced);
	if (slot == RINGS_NONE) {
		refuse_for_want_of_room(d, r);
		return;
	}
	if (displaced && held_take(d->held, (enum record_protocol)r->protocol, slot, &lost))
		refuse_for_want_of_room(d, &lost);
	held_put(d->held, slot, r, ++d->arrivals);
	d->process.loop.working = true;
}

static void count_received(struct doorman *d, size_t got)
{
	uint64_t *counts = d->report.counters->counts;

	counts[COUNT_RECEIVED] += got;
	counts[COUNT_QUEUE_DROPPED] = d->six.losses.count;
	for (int protocol = 0; protocol < RECORD_PROTOCOLS; protocol++)
		counts[COUNT_QUEUE_DROPPED] += d->sockets[protocol].losses.count;
}

void arrival_ready(void *context)
{
	struct doorman_socket *from = context;
	struct doorman *d = from->doorman;
	const struct intake in = {from->source.fd, from->kind, &d->ring, &from->losses};
	const int64_t now_ns = clock_boot_ns();
	struct record *records[SOCKET_BATCH];
	size_t got = SOCKET_BATCH;

	for (size_t i = 0; i < SOCKET_BATCH; i++)
		records[i] = &d->arriving[i];
	for (int batch = 0; batch < BATCHES_OF_TURN && got == SOCKET_BATCH; batch++) {
		got = intake_receive(&in, records, SOCKET_BATCH);
		count_received(d, got);
		for (size_t i = 0; i < got; i++) {
			records[i]->protocol = (uint8_t)from->protocol;
			records[i]->arrived_ns = now_ns;
			take_arrival(d, records[i], now_ns);
		}
	}
}

/* Where the next doorman finds it while it is in our hands. */
static void hold(struct doorman *d, struct record *r, uint64_t arrived)
{
	r->slot = d->next_slot;
	d->next_slot = (uint16_t)((d->next_slot + 1) % HELD_SLOTS);
	d->held->slots[r->slot].number = 0;
	d->held->slots[r->slot].arrived = arrived;
	d->held->slots[r->slot].record = *r;
}

static void serve_one(struct doorman *d, enum record_protocol protocol, uint16_t slot)
{
	struct knock *k = &d->hands->current;
	struct record *r = &k->packet.record;
	const uint64_t arrived = held_arrived(d->held, protocol, slot);

	/* The keeper can write where it waited: nothing of the checks at its arrival counts. */
	if (!held_take(d->held, protocol, slot, r))
		return;
	/* One of which the first waited with it. */
	if (copies_has(&d->copies, r, clock_boot_ns())) {
		d->report.counters->counts[COUNT_COPIES]++;
		refuse(d, r, VERDICT_REPLAYED);
		return;
	}
	hold(d, r, arrived);
	doorman_take_in(d, k);
	codec_wipe(&k->packet);
}

bool arrival_serve(void *context)
{
	struct doorman *d = context;

	for (int protocol = 0; protocol < RECORD_PROTOCOLS; protocol++) {
		struct rings *rings = &d->rings[protocol];

		for (int i = 0; i < shares[protocol].slice && rings->waiting > 0; i++) {
			serve_one(d, (enum record_protocol)protocol, rings_take(rings));
			doorman_send_if_due(d);
		}
	}
	doorman_send(d);
	if (doorman_has_waiting(d))
		return true;
	doorman_rest(d);
	return false;
}

/* --- After a kill -9 */

static void take_up_one(struct doorman *d, uint16_t slot, uint64_t judged)
{
	struct knock *k = &d->hands->current;
	struct record r = d->held->slots[slot].record;
	uint64_t number = d->held->slots[slot].number;
	enum shield_class tag;
	enum verdict v;

	if (r.size == 0 || (number != 0 && number <= judged) || r.size > RECORD_BYTES_MAX + 1 ||
	    r.protocol >= RECORD_PROTOCOLS || d->sockets[r.protocol].source.fd < 0)
		return;
	r.slot = slot;
	d->held->slots[slot].arrived = ++d->arrivals;
	d->next_slot = (uint16_t)((slot + 1) % HELD_SLOTS);
	k->packet.record = r;
	v = screen(d, &r, &tag);
	if (v == VERDICT_PASS)
		doorman_take_in(d, k);
	else
		doorman_refuse(d, k, v);
	codec_wipe(&k->packet);
}

/* What came first is judged first: what is older than all that a full replay guard holds counts as
 * replayed. */
static void take_up_hands(struct doorman *d)
{
	const uint64_t judged = d->handed_on; /* as of the start */
	bool done[HELD_SLOTS] = {false};

	for (int turn = 0; turn < HELD_SLOTS; turn++) {
		uint16_t first = HELD_SLOTS;

		for (uint16_t i = 0; i < HELD_SLOTS; i++)
			if (!done[i] && (first == HELD_SLOTS || d->held->slots[i].arrived <
			                                            d->held->slots[first].arrived))
				first = i;
		done[first] = true;
		take_up_one(d, first, judged);
	}
}

/* Rings that are new give out places from the first one on: each that is taken here goes to one
 * that was emptied before. */
static void take_up_waiting(struct doorman *d, enum record_protocol protocol)
{
	struct record *r = &d->arriving[0];

	held_sort(d->held, protocol);
	for (size_t i = 0; i < held_places(protocol); i++) {
		if (held_take(d->held, protocol, i, r) && d->sockets[protocol].source.fd >= 0)
			take_arrival(d, r, clock_boot_ns());
	}
}

void arrival_take_up_held(struct doorman *d)
{
	take_up_hands(d);
	for (int protocol = 0; protocol < RECORD_PROTOCOLS; protocol++)
		take_up_waiting(d, (enum record_protocol)protocol);
}
