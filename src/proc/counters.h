/* Verdict counters in a shared file, a set for each process of a role: its owner writes, the desk
 * reads. */
#ifndef PROC_COUNTERS_H
#define PROC_COUNTERS_H

#include <stdint.h>

#include "admit/verdict.h"

struct counters {
	_Alignas(64) uint64_t verdicts[VERDICT_COUNT]; /* no two owners write to one line */
};

/* A memory file for so many sets; -1 with errno. */
int counters_create(unsigned int count);
/* The set of that number, and all of them. NULL with errno. The mapping lives as long as the
 * process. */
struct counters *counters_map(int fd, unsigned int number);
const struct counters *counters_map_to_read(int fd, unsigned int count);

#endif
