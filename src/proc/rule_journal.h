/* What rule scripts have opened. The kernel does not end that by itself, so it stands in a file,
 * mapped by the keeper: what a killed daemon has left behind is found in it and shut by the next.
 * After a restart of the machine nothing of it is left in the kernel, and it is not looked at. */
#ifndef PROC_RULE_JOURNAL_H
#define PROC_RULE_JOURNAL_H

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

struct rule_journal {
	uint32_t magic;
	uint32_t layout; /* sizeof, so that another build starts anew */
	char boot_id[CLOCK_BOOT_ID_BYTES];
	struct rule rules[RULES_MOST];
};

/* Maps `fd`, a file open for reading and writing, which stays the caller's. Rules that it holds
 * from this boot are as a predecessor left them, all to be shut; what is not a sound journal is
 * begun anew, which is said. NULL with errno. */
struct rule_journal *rule_journal_map(int fd);

/* How many rules of this boot the file holds, read only; 0 for what is not a sound journal. */
uint32_t rule_journal_left(int fd);

#endif
