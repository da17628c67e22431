/* The keeper's table of live grants: who opened what for which address, and until when. What ends
 * by itself needs no table: it is there to extend grants, to close them early, to put them back
 * when somebody has flushed the rules, and to show them. */
#ifndef GRANT_GRANT_TABLE_H
#define GRANT_GRANT_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "grant/opening.h"

/* What the audit log was told of it. */
struct grant_audit {
	int64_t told_ns;   /* CLOCK_BOOTTIME: when last; 0: nothing, not even that it began */
	uint32_t renewals; /* of this stretch of access */
};

struct grant {
	struct opening opening; /* until_ns: as the firewall has it; 0: not in force yet */
	int64_t wanted_ns;      /* the latest end that is asked of the firewall, or that it has */
	uint32_t pending;       /* how many knocks ask it at the moment */
	int64_t opened_real_ns; /* when this stretch of access began */
	struct grant_audit audit;
	struct grant *next;    /* the table's own */
	LIST_ENTRY(grant) all; /* the table's own */
};

struct grant_table;

/* `capacity` grants at most, for holders 0 to `holders` - 1; NULL when memory is short. */
struct grant_table *grant_table_new(size_t capacity, uint32_t holders);
void grant_table_free(struct grant_table *t);

size_t grant_table_count(const struct grant_table *t);
/* NULL when there is none. The pointer lives until the grant is removed. */
struct grant *grant_table_find(const struct grant_table *t, uint32_t holder,
    const struct addr *address, const struct ports *ports);
/* The first grant for an address; grant.next leads on, to grants of other addresses too. */
const struct grant *grant_table_at(const struct grant_table *t, const struct addr *address);
/* How much a holder holds open: each address, and each of what, counts. */
uint32_t grant_table_held_by(const struct grant_table *t, uint32_t holder);
/* Adds a grant that is not there yet. NULL when the table is full. */
struct grant *grant_table_add(struct grant_table *t, const struct opening *opening);
void grant_table_remove(struct grant_table *t, struct grant *grant);

/* The grant behind `g`, or the first one for NULL; NULL when there is none, or no table. Whoever
 * removes `g` asks before. */
struct grant *grant_table_next(const struct grant_table *t, const struct grant *g);

/* A walk over all grants that takes its time, so that a long table can be shown a few at a time:
 * others may come and go between two steps. Whatever is there from the start of the walk to its end
 * is met once, what comes later is not. A table has one walk; it starts anew with each call. */
void grant_table_walk(struct grant_table *t);
/* The next one of the walk; NULL: that was all, or none has been started. */
const struct grant *grant_table_step(struct grant_table *t);

#endif
