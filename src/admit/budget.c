#include "admit/budget.h"

#include "base/secret.h"

/* Half of one processor, so that openme goes on beside it. */
#define ALL_PER_MILLE     500
#define KEPT_PER_MILLE    125
#define SAVED_MOST_MS     500 /* of a second */
#define SOURCE_PER_SECOND 50
#define SOURCE_BURST      100

static struct budget_time time_of(int32_t per_mille)
{
	const int64_t most_ns = per_mille * SAVED_MOST_MS * NS_PER_MS / 1000;

	return (struct budget_time){.left_ns = most_ns, .most_ns = most_ns, .per_mille = per_mille};
}

static bool has_time(struct budget_time *t, int64_t now_ns)
{
	int64_t passed_ns = now_ns - t->last_ns;

	t->last_ns = now_ns;
	if (passed_ns >= NS_PER_SECOND * NS_PER_MS)
		t->left_ns = t->most_ns; /* enough for any debt */
	else
		t->left_ns += passed_ns * t->per_mille / 1000;
	if (t->left_ns > t->most_ns)
		t->left_ns = t->most_ns;
	return t->left_ns > 0;
}

void budget_spend(struct budget_time *t, int64_t took_ns)
{
	t->left_ns -= took_ns;
}

void budget_init(struct budget *b)
{
	secret_random(b->hash_key, sizeof b->hash_key);
	b->all = time_of(ALL_PER_MILLE);
	b->kept = time_of(KEPT_PER_MILLE);
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

struct budget_time *budget_take(struct budget *b, const struct addr *source, int64_t now_ns)
{
	uint64_t hash = addr_sender_hash(source, b->hash_key);
	struct budget_granted *g = &b->granted[hash % BUDGET_SOURCES];
	bool lately = g->source == hash && now_ns < g->until_ns;

	/* The source's first: one that asks too much does not use up what is for all. */
	if (!rate_take(lately ? &g->own : &b->sources[hash % BUDGET_SOURCES], now_ns))
		return NULL;
	if (has_time(&b->all, now_ns))
		return &b->all;
	return lately && has_time(&b->kept, now_ns) ? &b->kept : NULL;
}
