#include "runner/cache.h"

#include <stddef.h>
#include <string.h>

static const struct runner_cache_entry *find(
    const struct runner_cache_entry *entries, size_t count, const uint8_t *device, int64_t now_ns)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].until_ns > now_ns &&
		    memcmp(entries[i].device, device, DEVICE_UUID_BYTES) == 0)
			return &entries[i];
	return NULL;
}

/* The device's own place, or else the one that ends or ended first. */
static size_t place(const struct runner_cache_entry *entries, size_t count, const uint8_t *device)
{
	size_t best = 0;

	for (size_t i = 0; i < count; i++) {
		if (entries[i].until_ns != 0 &&
		    memcmp(entries[i].device, device, DEVICE_UUID_BYTES) == 0)
			return i;
		if (entries[i].until_ns < entries[best].until_ns)
			best = i;
	}
	return best;
}

bool runner_cache_find(const struct runner_cache *c, struct runner_reply *out,
    const uint8_t device[static DEVICE_UUID_BYTES], int64_t now_ns)
{
	const struct runner_cache_entry *e = find(c->known, RUNNER_CACHE_KNOWN, device, now_ns);

	if (e != NULL) {
		*out = c->replies[e - c->known];
		return true;
	}
	if (find(c->unknown, RUNNER_CACHE_UNKNOWN, device, now_ns) == NULL)
		return false;
	*out = (struct runner_reply){.outcome = RUNNER_REFUSED};
	return true;
}

void runner_cache_keep(struct runner_cache *c, const struct runner_reply *reply,
    const uint8_t device[static DEVICE_UUID_BYTES], int64_t now_ns)
{
	bool known = reply->outcome == RUNNER_DONE;
	struct runner_cache_entry *entries = known ? c->known : c->unknown;
	size_t i;

	if (!known && reply->outcome != RUNNER_REFUSED)
		return;
	i = place(entries, known ? RUNNER_CACHE_KNOWN : RUNNER_CACHE_UNKNOWN, device);
	memcpy(entries[i].device, device, DEVICE_UUID_BYTES);
	entries[i].until_ns = now_ns + RUNNER_CACHE_NS;
	if (known) {
		c->replies[i] = *reply;
		c->replies[i].ticket = 0;
	}
}
