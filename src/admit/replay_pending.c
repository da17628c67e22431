/* What is remembered already and not granted yet. Each has its place before it is remembered, and
 * leaves it when the grant is in force or was refused: a process that is killed in between leaves
 * it to the next one, which lets that packet pass once more, from the same source and to the same
 * end: so what the kill has cut off goes on, and what was done is only done again. */
#include <stdatomic.h>

#include "admit/replay_file.h"
#include "base/clock.h"

_Static_assert(REPLAY_PENDING == 64, "a bit of a word for each");

#define BIT(place) (UINT64_C(1) << (place))

static uint64_t check_of(const struct replay *r, const struct replay_pending *p)
{
	return secret_hash(r->header->key, p, offsetof(struct replay_pending, check));
}

void replay_pending_open(struct replay *r)
{
	for (unsigned int i = 0; i < REPLAY_PENDING; i++) {
		const struct replay_pending *p = &r->header->pending[i];

		if (p->holder != 0 && p->check == check_of(r, p))
			r->pending_left |= BIT(i);
	}
}

/* Its place; REPLAY_PENDING when it is not among those that were left. */
static unsigned int find_left(const struct replay *r, uint64_t holder, uint64_t nonce)
{
	for (uint64_t left = r->pending_left; left != 0; left &= left - 1) {
		unsigned int place = (unsigned int)__builtin_ctzll(left);
		const struct replay_pending *p = &r->header->pending[place];

		if (p->holder == holder && p->nonce == nonce)
			return place;
	}
	return REPLAY_PENDING;
}

bool replay_pending_was_left(
    const struct replay *r, uint64_t holder, uint64_t nonce, const struct addr *source)
{
	unsigned int place = find_left(r, holder, nonce);

	return place < REPLAY_PENDING && addr_equal(&r->header->pending[place].source, source) &&
	       r->header->pending[place].until_ns - NS_PER_SECOND > clock_boot_ns();
}

/* Where one that was left stands, which then is ours; a free place; or that of another that was
 * left. All may be ours only if nobody ever settles them. */
static unsigned int place_for(const struct replay *r, uint64_t holder, uint64_t nonce)
{
	unsigned int place = find_left(r, holder, nonce);
	uint64_t free = ~(r->pending_left | r->pending_begun);

	if (place < REPLAY_PENDING)
		return place;
	if (free == 0)
		free = ~r->pending_begun;
	return free == 0 ? REPLAY_PENDING : (unsigned int)__builtin_ctzll(free);
}

void replay_pending_begin(struct replay *r, const struct replay_pending *begun)
{
	unsigned int place = place_for(r, begun->holder, begun->nonce);
	struct replay_pending p = *begun;

	if (place == REPLAY_PENDING)
		return;
	p.check = check_of(r, &p);
	r->header->pending[place] = p;
	r->pending_left &= ~BIT(place);
	r->pending_begun |= BIT(place);
	atomic_signal_fence(memory_order_seq_cst); /* before it is remembered */
}

int64_t replay_pending_go_on(struct replay *r, uint64_t holder, uint64_t nonce)
{
	unsigned int place = find_left(r, holder, nonce);

	if (place == REPLAY_PENDING)
		return 0;
	r->pending_left &= ~BIT(place);
	r->pending_begun |= BIT(place);
	return r->header->pending[place].until_ns;
}

void replay_drop_pending(struct replay *r)
{
	r->pending_begun |= r->pending_left;
	r->pending_left = 0;
	replay_settle(r);
}

void replay_settle(struct replay *r)
{
	for (uint64_t begun = r->pending_begun; begun != 0; begun &= begun - 1)
		r->header->pending[__builtin_ctzll(begun)] = (struct replay_pending){0};
	r->pending_begun = 0;
	atomic_signal_fence(memory_order_seq_cst); /* before the doorman's copy counts as judged */
}
