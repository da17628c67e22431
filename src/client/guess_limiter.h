/* How often a guess at the client behind a source was wrong of late. Anybody can forge a source and
 * make a guess wrong, and each wrong one costs the keeper a signature. So guesses pause for that
 * source alone (an IPv6 /64 is one), and for all only when a great many sources are wrong at once.
 * A pause shuts nobody out: the doorman then tries signatures itself. */
#ifndef CLIENT_GUESS_LIMITER_H
#define CLIENT_GUESS_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define GUESS_LIMITER_SOURCE_RATE 20 /* a second, and at once, before guesses pause */
#define GUESS_LIMITER_TOTAL_RATE  2000
#define GUESS_LIMITER_SLOTS       4096 /* sources that share one share its fate */

/* Debts are moments (CLOCK_BOOTTIME): each wrong guess moves one on, and time catches up. */
struct guess_limiter {
	int64_t total_debt_ns;
	int64_t debts_ns[GUESS_LIMITER_SLOTS];
	uint8_t hash_key[16];
};

void guess_limiter_init(struct guess_limiter *w);
void guess_limiter_add(struct guess_limiter *w, const struct addr *source, int64_t now_ns);
/* True while guesses pause for `source`. */
bool guess_limiter_too_many(
    const struct guess_limiter *w, const struct addr *source, int64_t now_ns);

#endif
