/* What processes count, in a shared file, a set for each process of a role: its owner writes, the
 * desk reads and adds up. Counting is an addition to memory of one's own: no lock, no system call.
 */
#ifndef PROC_COUNTERS_H
#define PROC_COUNTERS_H

#include <stdint.h>

#include "admit/verdict.h"

enum counted {
	/* doorman */
	COUNT_RECEIVED,       /* datagrams */
	COUNT_QUEUE_DROPPED,  /* by the kernel before they were read, filters included */
	COUNT_COPIES,         /* exact copies dropped, among VERDICT_REPLAYED */
	COUNT_BUDGET_WAITING, /* no room to wait for a turn */
	COUNT_BUDGET_KNOWN,   /* known clients' signatures put off, see KNOWN_RATE */
	COUNT_BUDGET_TRIAL,   /* no room to wait for the trial of all keys */
	COUNT_BUDGET_OPENSPA, /* no time for RSA (admit/budget.h) */
	/* doorman and keeper */
	COUNT_LOG_LINES, /* left out (proc/report.h) */
	/* keeper */
	COUNT_GRANTS,           /* now */
	COUNT_GRANTS_OPENED,    /* ever; what prolongs one is not counted */
	COUNT_FIREWALL,         /* 1: our rules are in force */
	COUNT_FIREWALL_REPAIRS, /* somebody else had changed them */
	COUNT_OPEN_NS,          /* sum of the times from knock to open */
	COUNTS
};

/* Times from a knock's arrival to its opening, by the first limit that is not exceeded. */
#define OPEN_LIMITS 13

extern const uint32_t counters_open_limits_us[OPEN_LIMITS];

struct counters {
	_Alignas(64) uint64_t verdicts[VERDICT_COUNT]; /* no two owners write to one line */
	uint64_t counts[COUNTS];
	uint64_t opened_within[OPEN_LIMITS + 1]; /* each time once; the last: longer */
};

/* A memory file for so many sets; -1 with errno. */
int counters_create(unsigned int count);
/* The set of that number, and all of them. NULL with errno. The mapping lives as long as the
 * process. */
struct counters *counters_map(int fd, unsigned int number);
const struct counters *counters_map_to_read(int fd, unsigned int count);

/* Counts a time from knock to open. One below 0 or above an hour, which a process that lies could
 * state, counts as that. */
void counters_opened(struct counters *c, int64_t took_ns);

#endif
