/* Datagrams that were handed on within the last second, by a keyed hash of all their bytes: an
 * exact copy of one is dropped before it costs any curve arithmetic. The keeper would refuse it
 * anyway, but for one case: whoever has recorded a knock on its way may be faster with it from an
 * address of his own, and is refused where a client may open for its own address alone. So a copy
 * from the address that the first one asked for still counts.
 *
 * The table is of fixed size, and whatever is forgotten early costs arithmetic, no more. */
#ifndef DOORMAN_COPIES_H
#define DOORMAN_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "intake/record.h"

#define COPIES_ROWS 1024
#define COPIES_WAYS 4

struct copy {
	uint64_t hash;
	int64_t until_ns; /* CLOCK_BOOTTIME */
	uint64_t owner;   /* hash of the address from which a copy counts; 0: from nowhere */
};

struct copies {
	struct copy rows[COPIES_ROWS][COPIES_WAYS];
	uint8_t hash_key[SECRET_HASH_BYTES];
};

void copies_init(struct copies *c);
/* Times are CLOCK_BOOTTIME. `target`: that it asks to have opened. */
void copies_remember(
    struct copies *c, const struct record *r, const struct addr *target, int64_t now_ns);
bool copies_has(const struct copies *c, const struct record *r, int64_t now_ns);
/* For one that was handed on and has come back: it is not through yet. */
void copies_forget(struct copies *c, const struct record *r);
/* For another configuration, which may allow what was refused. */
void copies_forget_all(struct copies *c);

#endif
