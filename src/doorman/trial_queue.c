#include "doorman/trial_queue.h"

#include "base/secret.h"

static struct slot *fill_slot(struct trial_queue *l, const struct knock *k, enum slot_state state)
{
	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++) {
		struct slot *s = &l->slots[i];

		if (s->state == SLOT_FREE) {
			/* Field by field, the others being zero: a whole struct would be made on
			 * the stack first, and its key stay there. */
			s->knock = *k;
			s->state = state;
			return s;
		}
	}
	return NULL;
}

struct slot *trial_queue_hold(struct trial_queue *l, const struct knock *k)
{
	return fill_slot(l, k, SLOT_HELD);
}

struct slot *trial_queue_queue(struct trial_queue *l, const struct knock *k, bool known)
{
	uint32_t of_source = 0, of_kind = 0;
	struct slot *s;

	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++) {
		s = &l->slots[i];
		if (s->state != SLOT_SCANNING)
			continue;
		of_kind += s->known == known;
		of_source +=
		    addr_same_sender(&s->knock.packet.record.source, &k->packet.record.source);
	}
	if (of_kind >= TRIAL_QUEUE_OF_KIND || of_source >= TRIAL_QUEUE_OF_SOURCE)
		return NULL;
	s = fill_slot(l, k, SLOT_SCANNING);
	if (s == NULL)
		return NULL;
	l->scanning++;
	s->known = known;
	/* Counted in arrivals, so that whatever comes later cannot keep it waiting for ever. */
	s->place = l->arrivals++ + (int64_t)of_source * TRIAL_QUEUE_SLOTS;
	if (known)
		s->place -= TRIAL_QUEUE_SLOTS;
	return s;
}

struct slot *trial_queue_first(struct trial_queue *l)
{
	struct slot *first = NULL;

	for (size_t i = 0; i < TRIAL_QUEUE_SLOTS; i++) {
		struct slot *s = &l->slots[i];

		if (s->state == SLOT_SCANNING && (first == NULL || s->place < first->place))
			first = s;
	}
	return first;
}

void trial_queue_release(struct trial_queue *l, struct slot *s)
{
	if (s->state == SLOT_SCANNING)
		l->scanning--;
	secret_wipe(s, sizeof *s);
}
