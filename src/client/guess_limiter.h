/* How often a guess at the client behind a source was wrong of late. Anybody can forge a source and
 * make a guess wrong, and each wrong one costs the keeper a signature. So guesses pause for that
 * source alone (an IPv6 /64 is one), and for all only when a great many sources are wrong at once.
 * A pause shuts nobody out: the doorman then tries signatures itself. */
#ifndef CLIENT_GUESS_LIMITER_H
#define CLIENT_GUESS_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define WRONG_GUESSES_SOURCE_RATE 20 /* a second, and at once, before guesses pause */
#define WRONG_GUESSES_TOTAL_RATE  2000
#define WRONG_GUESSES_SLOTS       4096 /* sources that share one share its fate */

/* Debts are moments (CLOCK_BOOTTIME): each wrong guess moves one on, and time catches up. */
struct wrong_guesses {
	int64_t total_debt_ns;
	int64_t debts_ns[WRONG_GUESSES_SLOTS];
	uint8_t hash_key[16];
};

void wrong_guesses_init(struct wrong_guesses *w);
void wrong_guesses_add(struct wrong_guesses *w, const struct addr *source, int64_t now_ns);
/* True while guesses pause for `source`. */
bool wrong_guesses_too_many(
    const struct wrong_guesses *w, const struct addr *source, int64_t now_ns);

#endif
