/* How much of a processor the trial queue takes: what the others leave. While nobody else wants it,
 * nearly all of one; while they do, the queue pauses for as long as it was kept waiting, but not so
 * long that it has less than a quarter of what it could have had. */
#ifndef DOORMAN_TRIAL_PACE_H
#define DOORMAN_TRIAL_PACE_H

#include <stdint.h>

#define TRIAL_PACE_SPAN_NS  INT64_C(2000000) /* that is judged together, of processor time */
#define TRIAL_PACE_MOST     3                /* a pause is at most so many times what was run */
#define TRIAL_PACE_TOLERANT 4                /* waiting for less than a quarter of it is noise */

struct trial_pace {
	int64_t boot_ns, cpu_ns; /* when the span began */
};

/* The queue has been empty until now. Times are of CLOCK_BOOTTIME and of this thread. */
void trial_pace_begin(struct trial_pace *p, int64_t boot_ns, int64_t cpu_ns);
/* After a slice: how long to pause before the next one; 0: go on. */
int64_t trial_pace_pause(struct trial_pace *p, int64_t boot_ns, int64_t cpu_ns);

#endif
