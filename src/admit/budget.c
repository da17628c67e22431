#include "admit/budget.h"

#include <sodium.h>

/* A quarter of one processor at 0.2 ms each, so that openme goes on beside it. */
#define ALL_PER_SECOND    1250
#define ALL_BURST         1250
#define SOURCE_PER_SECOND 50
#define SOURCE_BURST      100

void budget_init(struct budget *b)
{
	crypto_shorthash_keygen(b->hash_key);
	b->all = rate_of(ALL_PER_SECOND, ALL_BURST);
	for (int i = 0; i < BUDGET_SOURCES; i++)
		b->sources[i] = rate_of(SOURCE_PER_SECOND, SOURCE_BURST);
}

bool budget_take(struct budget *b, const struct addr *source, int64_t now_ns)
{
	struct addr sender = addr_sender(source);
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, sender.bytes, ADDR_BYTES, b->hash_key);
	/* The source's first: one that asks too much does not use up what is for all. */
	return rate_take(&b->sources[hash % BUDGET_SOURCES], now_ns) && rate_take(&b->all, now_ns);
}
