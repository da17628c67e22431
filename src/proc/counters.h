/* Verdict counters, one shared page a process: its owner writes, the desk reads. */
#ifndef PROC_COUNTERS_H
#define PROC_COUNTERS_H

#include <stdint.h>

#include "admit/verdict.h"

struct counters {
	uint64_t verdicts[VERDICT_COUNT];
};

/* A memory file for one struct counters; -1 with errno. */
int counters_create(void);
/* NULL with errno. The mapping lives as long as the process. */
struct counters *counters_map(int fd);
const struct counters *counters_map_to_read(int fd);

#endif
