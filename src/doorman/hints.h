/* The doorman's table of hints (client/hint_table.h), and the time to work on it. */
#ifndef DOORMAN_HINTS_H
#define DOORMAN_HINTS_H

#include "admit/admit.h"
#include "base/loop.h"
#include "client/hint_table.h"

struct hints {
	struct hint_table *table; /* NULL: none, nobody is found by a hint */
	struct loop_source timer;
	uint32_t clients; /* of whom we have not said yet that all are in it; 0: it is said */
	unsigned int number; /* of this doorman, from 0 */
};

/* False with errno. */
bool hints_open(struct hints *h, struct loop *loop, unsigned int number);
/* Follows a change of configurations: `keys` (-1: none) are those of `next`. Takes over `before`,
 * which may be zeroed. */
void hints_change(struct hints *h, const struct snapshot *next, int keys, struct snapshot *before);
/* Whose the knock is by its hint, or DIRECTORY_NOBODY. */
uint32_t hints_find(const struct hints *h, const struct knock *k);

#endif
