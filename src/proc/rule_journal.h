/* What rule scripts have opened. The kernel does not end that by itself, so it stands in a file,
 * mapped by the keeper: what a killed daemon has left behind is found in it and shut by the next.
 * After a restart of the machine nothing of it is left in the kernel, and it is not looked at.
 * Every rule stands there twice, with a checksum each, so that one that is damaged is found. */
#ifndef PROC_RULE_JOURNAL_H
#define PROC_RULE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "snapshot/snapshot.h"

#define RULES_MOST 4096

enum rule_state { RULE_FREE, RULE_ADDING, RULE_OPEN, RULE_REMOVING };

/* Everything a script is told, so that it can be told again. */
struct rule {
	uint8_t state;      /* enum rule_state */
	uint8_t behind_nat; /* 0 or 1 */
	struct ports ports;
	uint16_t duration_s;
	uint8_t device[DEVICE_UUID_BYTES];
	struct addr client;
	struct addr server;
};

struct rule_journal_head {
	uint32_t magic;
	uint32_t layout; /* sizeof, so that another build starts anew */
	char boot_id[CLOCK_BOOT_ID_BYTES];
};

/* One of its two places. All zeros: none. */
struct rule_place {
	struct rule rule;
	uint64_t sum;
};

struct rule_journal {
	struct rule_journal_head head;
	uint64_t head_sum;
	struct rule_place places[2][RULES_MOST];
};

/* Maps `fd`, a file open for reading and writing, which stays the caller's. Rules that it holds
 * from this boot are as a predecessor left them, all to be shut; what is damaged is taken from the
 * other place, and said, as is what is in neither. NULL with errno. */
struct rule_journal *rule_journal_map(int fd);

const struct rule *rule_journal_at(const struct rule_journal *j, size_t i);
/* In both places, one after the other: whoever is killed in between leaves one of them. `rule`
 * NULL: none any more. */
void rule_journal_put(struct rule_journal *j, size_t i, const struct rule *rule);

/* The head's checksum, after a change to it. */
void rule_journal_seal(struct rule_journal *j);

/* How many rules of this boot the file holds, read only; 0 for what is not a sound journal. */
uint32_t rule_journal_left(int fd);

#endif
