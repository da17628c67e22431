#include "admit/replay.h"

#include "admit/replay_file.h"

bool replay_in_window(int64_t timestamp_ns, int64_t now_ns, int64_t window_ns)
{
	/* The distance of two int64 always fits a uint64. */
	uint64_t distance = timestamp_ns > now_ns ? (uint64_t)timestamp_ns - (uint64_t)now_ns
	                                          : (uint64_t)now_ns - (uint64_t)timestamp_ns;

	return distance <= (uint64_t)window_ns;
}

static bool is_entered(const struct replay_set *set, uint64_t nonce)
{
	for (uint32_t i = 0; set != NULL && i < REPLAY_ENTRIES; i++)
		if (set->entries[i].nonce == nonce)
			return true;
	return false;
}

enum verdict replay_check(struct replay *r, const struct replay_packet *p, int64_t now_ns)
{
	const uint64_t holder = replay_holder_hash(r, p), nonce = replay_nonce_hash(r, p);
	const struct replay_set *set = replay_find(r, holder);

	if (r->marks.clock_behind && now_ns > r->marks.clock_ns)
		replay_clock_recovered(r, now_ns);
	if (is_entered(set, nonce))
		return !r->marks.clock_behind &&
		               replay_pending_was_left(r, holder, nonce, &p->source)
		           ? VERDICT_PASS
		           : VERDICT_REPLAYED;
	if (r->marks.clock_behind || p->timestamp_ns <= r->marks.floor_ns[p->kind])
		return VERDICT_NOT_REMEMBERED;
	if (set == NULL || p->timestamp_ns > set->floor_ns)
		return VERDICT_PASS;
	/* It stands ahead of the clock where the set was found damaged, or the clock went back. */
	return set->floor_ns > now_ns ? VERDICT_NOT_REMEMBERED : VERDICT_REPLAYED;
}

/* What the set holds, counted, and the place that a new entry takes. */
struct survey {
	uint32_t ahead; /* entries of the future */
	uint32_t place; /* free, or else of the oldest */
};

/* The floor is raised before an entry goes: no moment, and no end of the process, finds neither. */
static void raise_floor(const struct replay *r, struct replay_set *set, int64_t stamp)
{
	if (stamp > set->floor_ns)
		replay_put_floor(r, set, stamp);
}

static void drop_past(
    const struct replay *r, struct replay_set *set, int64_t now_ns, int64_t window_ns)
{
	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++) {
		const struct replay_entry *e = &set->entries[i];

		if (e->nonce != 0 && replay_is_past(e->timestamp_ns, now_ns, window_ns)) {
			raise_floor(r, set, e->timestamp_ns);
			replay_put_entry(r, set, i, 0, 0);
		}
	}
}

static struct survey survey(const struct replay_set *set, int64_t now_ns)
{
	struct survey found = {0, 0};

	for (uint32_t i = 0; i < REPLAY_ENTRIES; i++) {
		const struct replay_entry *e = &set->entries[i], *best = &set->entries[found.place];

		if (e->nonce != 0 && e->timestamp_ns > now_ns)
			found.ahead++;
		if (best->nonce != 0 && (e->nonce == 0 || e->timestamp_ns < best->timestamp_ns))
			found.place = i;
	}
	return found;
}

static enum verdict go_on(struct replay *r, uint64_t holder, uint64_t nonce, int64_t *until_ns)
{
	int64_t until = replay_pending_go_on(r, holder, nonce);

	if (until == 0)
		return VERDICT_REPLAYED;
	if (until < *until_ns)
		*until_ns = until;
	return VERDICT_PASS;
}

enum verdict replay_remember(
    struct replay *r, const struct replay_packet *p, int64_t now_ns, int64_t *until_ns)
{
	const uint64_t holder = replay_holder_hash(r, p), nonce = replay_nonce_hash(r, p);
	struct replay_set *set = replay_find(r, holder);
	const struct replay_entry *going;
	struct survey found;

	if (is_entered(set, nonce))
		return go_on(r, holder, nonce, until_ns);
	if (set == NULL)
		set = replay_take(r, holder, now_ns);
	if (set == NULL)
		return VERDICT_NO_MEMORY;
	drop_past(r, set, now_ns, r->window_ns[p->kind]);
	found = survey(set, now_ns);
	going = &set->entries[found.place];
	if ((p->timestamp_ns > now_ns && found.ahead >= REPLAY_AHEAD_MOST) ||
	    (going->nonce != 0 && going->timestamp_ns > now_ns))
		return VERDICT_TOO_MANY_AHEAD;
	if (going->nonce != 0)
		raise_floor(r, set, going->timestamp_ns);
	replay_pending_begin(r, &(struct replay_pending){holder, nonce, p->source, *until_ns, 0});
	replay_put_entry(r, set, found.place, p->timestamp_ns, nonce);
	if (now_ns > r->marks.clock_ns) {
		r->marks.clock_ns = now_ns;
		replay_save_marks(r);
	}
	/* A power loss takes the last moments: those stamped not much ahead are refused then by the
	 * time of the next boot. */
	if (p->timestamp_ns - REPLAY_TOLERANCE_NS > now_ns && !replay_sync(r, set))
		return VERDICT_NO_MEMORY;
	return VERDICT_PASS;
}
