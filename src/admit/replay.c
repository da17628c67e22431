#include "admit/replay.h"

#include <stdlib.h>
#include <string.h>

bool replay_in_window(int64_t timestamp_ns, int64_t now_ns, int64_t window_ns)
{
	/* The distance of two int64 always fits a uint64. */
	uint64_t distance = timestamp_ns > now_ns ? (uint64_t)timestamp_ns - (uint64_t)now_ns
	                                          : (uint64_t)now_ns - (uint64_t)timestamp_ns;

	return distance <= (uint64_t)window_ns;
}

bool replay_is_new(
    const struct replay *r, int64_t timestamp_ns, const uint8_t nonce[static REPLAY_NONCE_BYTES])
{
	if (r->has_floor && timestamp_ns <= r->floor_ns)
		return false;
	for (uint32_t i = 0; i < r->count; i++) {
		if (memcmp(r->entries[i].nonce, nonce, REPLAY_NONCE_BYTES) == 0)
			return false;
	}
	return true;
}

/* Entries leave here and nowhere else. */
static void drop_entry(struct replay *r, uint32_t i)
{
	if (!r->has_floor || r->entries[i].timestamp_ns > r->floor_ns) {
		r->has_floor = true;
		r->floor_ns = r->entries[i].timestamp_ns;
	}
	r->entries[i] = r->entries[--r->count];
}

/* True for what has left the window for good; what is stamped ahead stays. */
static bool is_past(int64_t timestamp_ns, int64_t now_ns, int64_t window_ns)
{
	return timestamp_ns < now_ns && !replay_in_window(timestamp_ns, now_ns, window_ns);
}

static void drop_past(struct replay *r, int64_t now_ns, int64_t window_ns)
{
	for (uint32_t i = r->count; i-- > 0;) {
		if (is_past(r->entries[i].timestamp_ns, now_ns, window_ns))
			drop_entry(r, i);
	}
}

static void drop_oldest(struct replay *r)
{
	uint32_t oldest = 0;

	for (uint32_t i = 1; i < r->count; i++) {
		if (r->entries[i].timestamp_ns < r->entries[oldest].timestamp_ns)
			oldest = i;
	}
	drop_entry(r, oldest);
}

bool replay_remember(struct replay *r, int64_t timestamp_ns,
    const uint8_t nonce[static REPLAY_NONCE_BYTES], int64_t now_ns, int64_t window_ns)
{
	struct replay_entry *entry;

	if (r->entries == NULL)
		r->entries = calloc(REPLAY_ENTRIES, sizeof *r->entries);
	if (r->entries == NULL)
		return false;
	drop_past(r, now_ns, window_ns);
	if (r->count == REPLAY_ENTRIES)
		drop_oldest(r);
	entry = &r->entries[r->count++];
	entry->timestamp_ns = timestamp_ns;
	memcpy(entry->nonce, nonce, REPLAY_NONCE_BYTES);
	return true;
}

bool replay_matters(const struct replay *r, int64_t now_ns, int64_t window_ns)
{
	for (uint32_t i = 0; i < r->count; i++) {
		if (!is_past(r->entries[i].timestamp_ns, now_ns, window_ns))
			return true;
	}
	return r->has_floor && !is_past(r->floor_ns, now_ns, window_ns);
}

void replay_clear(struct replay *r)
{
	free(r->entries);
	memset(r, 0, sizeof *r);
}
