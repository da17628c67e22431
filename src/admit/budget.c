#include "admit/budget.h"

#include "base/secret.h"

/* A quarter of one processor at 0.2 ms each, so that openme goes on beside it. */
#define ALL_PER_SECOND    1000
#define ALL_BURST         1000
#define KEPT_PER_SECOND   250
#define KEPT_BURST        250
#define SOURCE_PER_SECOND 50
#define SOURCE_BURST      100

void budget_init(struct budget *b)
{
	secret_random(b->hash_key, sizeof b->hash_key);
	b->all = rate_of(ALL_PER_SECOND, ALL_BURST);
	b->kept = rate_of(KEPT_PER_SECOND, KEPT_BURST);
	for (int i = 0; i < BUDGET_SOURCES; i++) {
		b->sources[i] = rate_of(SOURCE_PER_SECOND, SOURCE_BURST);
		b->granted[i] = (struct budget_granted){.until_ns = 0};
	}
}

void budget_grant(struct budget *b, const struct addr *source, int64_t now_ns)
{
	uint64_t hash = addr_sender_hash(source, b->hash_key);
	struct budget_granted *g = &b->granted[hash % BUDGET_SOURCES];

	if (g->source != hash || g->until_ns <= now_ns)
		g->own = rate_of(SOURCE_PER_SECOND, SOURCE_BURST);
	g->source = hash;
	g->until_ns = now_ns + BUDGET_LATELY;
}

bool budget_knows(const struct budget *b, const struct addr *source, int64_t now_ns)
{
	uint64_t hash = addr_sender_hash(source, b->hash_key);
	const struct budget_granted *g = &b->granted[hash % BUDGET_SOURCES];

	return g->source == hash && now_ns < g->until_ns;
}

bool budget_take(struct budget *b, const struct addr *source, int64_t now_ns)
{
	uint64_t hash = addr_sender_hash(source, b->hash_key);
	struct budget_granted *g = &b->granted[hash % BUDGET_SOURCES];
	bool lately = g->source == hash && now_ns < g->until_ns;

	/* The source's first: one that asks too much does not use up what is for all. */
	if (!rate_take(lately ? &g->own : &b->sources[hash % BUDGET_SOURCES], now_ns))
		return false;
	return rate_take(&b->all, now_ns) || (lately && rate_take(&b->kept, now_ns));
}
