#include "client/guess_limiter.h"

#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

#define ALLOWED_NS NS_PER_SECOND /* of debt */

void guess_limiter_init(struct guess_limiter *w)
{
	memset(w, 0, sizeof *w);
	secret_random(w->hash_key, sizeof w->hash_key);
}

static uint32_t slot_of(const struct guess_limiter *w, const struct addr *source)
{
	return (uint32_t)(addr_sender_hash(source, w->hash_key) % GUESS_LIMITER_SLOTS);
}

/* Many guesses may be under way when the first turns out wrong: a debt ends soon all the same. */
static void owe(int64_t *debt_ns, uint32_t rate, int64_t now_ns)
{
	int64_t each_ns = NS_PER_SECOND / rate;

	if (*debt_ns < now_ns)
		*debt_ns = now_ns;
	*debt_ns += each_ns;
	if (*debt_ns > now_ns + ALLOWED_NS + each_ns)
		*debt_ns = now_ns + ALLOWED_NS + each_ns;
}

void guess_limiter_add(struct guess_limiter *w, const struct addr *source, int64_t now_ns)
{
	owe(&w->total_debt_ns, GUESS_LIMITER_TOTAL_RATE, now_ns);
	owe(&w->debts_ns[slot_of(w, source)], GUESS_LIMITER_SOURCE_RATE, now_ns);
}

bool guess_limiter_too_many(
    const struct guess_limiter *w, const struct addr *source, int64_t now_ns)
{
	return w->total_debt_ns > now_ns + ALLOWED_NS ||
	       w->debts_ns[slot_of(w, source)] > now_ns + ALLOWED_NS;
}
