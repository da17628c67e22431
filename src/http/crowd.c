#include "http/crowd.h"

#include "base/secret.h"

static size_t bucket_of(const struct crowd *c, const struct addr *a)
{
	return addr_sender_hash(a, c->hash_key) % CROWD_BUCKETS;
}

void crowd_init(struct crowd *c, uint32_t most, uint32_t per_address)
{
	for (size_t i = 0; i < CROWD_BUCKETS; i++)
		LIST_INIT(&c->buckets[i]);
	TAILQ_INIT(&c->queue);
	secret_random(c->hash_key, sizeof c->hash_key);
	c->most = most;
	c->per_address = per_address;
	c->count = 0;
}

bool crowd_has_room(const struct crowd *c)
{
	return c->count < c->most;
}

bool crowd_has_room_for(const struct crowd *c, const struct addr *peer)
{
	const struct visitor *v;
	uint32_t here = 0;

	LIST_FOREACH(v, &c->buckets[bucket_of(c, peer)], same_bucket)
	{
		if (addr_same_sender(&v->peer, peer) && ++here >= c->per_address)
			return false;
	}
	return true;
}

static void queue_leave(struct crowd *c, struct visitor *v)
{
	if (v->queued)
		TAILQ_REMOVE(&c->queue, v, by_progress);
	v->queued = false;
}

void crowd_progress(struct crowd *c, struct visitor *v, int64_t now_ns)
{
	queue_leave(c, v);
	v->progress_ns = now_ns;
	TAILQ_INSERT_TAIL(&c->queue, v, by_progress);
	v->queued = true;
}

void crowd_enter(struct crowd *c, struct visitor *v, int64_t now_ns)
{
	LIST_INSERT_HEAD(&c->buckets[bucket_of(c, &v->peer)], v, same_bucket);
	c->count++;
	v->queued = false;
	crowd_progress(c, v, now_ns);
}

void crowd_leave(struct crowd *c, struct visitor *v)
{
	LIST_REMOVE(v, same_bucket);
	c->count--;
	queue_leave(c, v);
}

struct visitor *crowd_next_late(struct crowd *c, int64_t since_ns)
{
	struct visitor *v = TAILQ_FIRST(&c->queue);

	if (v == NULL || v->progress_ns >= since_ns)
		return NULL;
	queue_leave(c, v);
	return v;
}

void crowd_each_quiet(struct crowd *c, int64_t since_ns, void (*visit)(const struct visitor *v))
{
	const struct visitor *v;

	TAILQ_FOREACH(v, &c->queue, by_progress)
	{
		if (v->progress_ns >= since_ns)
			break;
		visit(v);
	}
}

bool crowd_is_empty(const struct crowd *c)
{
	return c->count == 0;
}
