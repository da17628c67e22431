/* The keeper's book of live grants: who opened what for which address, and until when. The kernel
 * ends the grants by itself; the book exists to extend them, to close them early, to put them back
 * when somebody has flushed the rules, and to show them. */
#ifndef GRANT_GRANT_TABLE_H
#define GRANT_GRANT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* What is open: all zeros for the ports of the holder's policy, otherwise what was asked for. */
struct ledger_what {
	uint8_t protocol; /* IP protocol number */
	uint16_t first_port;
	uint16_t last_port;
};

struct ledger_entry {
	struct addr address;
	struct ledger_what what;
	uint32_t holder;           /* index in the keeper's snapshot (snapshot_holder_name) */
	int64_t opened_real_ns;    /* when this stretch of access began */
	int64_t expires_boot_ns;   /* CLOCK_BOOTTIME */
	struct ledger_entry *next; /* the ledger's own */
};

struct ledger;

/* `capacity` entries at most, for holders 0 to `holders` - 1; NULL when memory is short. */
struct ledger *ledger_new(size_t capacity, uint32_t holders);
void ledger_free(struct ledger *l);

bool ledger_same(const struct ledger_what *a, const struct ledger_what *b);
size_t ledger_count(const struct ledger *l);
/* NULL when there is none. The pointer lives until the entry is removed. */
struct ledger_entry *ledger_find(const struct ledger *l, uint32_t holder,
    const struct addr *address, const struct ledger_what *what);
/* The first entry for an address; ledger_entry.next leads on, to entries of other addresses too. */
const struct ledger_entry *ledger_at(const struct ledger *l, const struct addr *address);
/* How much a holder holds open: each address, and each of what, counts. */
uint32_t ledger_held_by(const struct ledger *l, uint32_t holder);
/* Adds an entry that is not there yet. NULL when the ledger is full. */
struct ledger_entry *ledger_add(
    struct ledger *l, uint32_t holder, const struct addr *address, const struct ledger_what *what);
void ledger_remove(struct ledger *l, struct ledger_entry *entry);

/* Calls `visit` for each entry, which may remove that entry and no other. */
void ledger_each(
    struct ledger *l, void (*visit)(struct ledger_entry *entry, void *context), void *context);

/* The entries in parts, so that a long ledger can be shown a part at a time: parts 0 to
 * ledger_parts - 1; an entry stays in its part. NULL for an empty part. */
size_t ledger_parts(const struct ledger *l);
const struct ledger_entry *ledger_part(const struct ledger *l, size_t part);

#endif
