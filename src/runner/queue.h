/* Questions that wait, first come, first served; so many at most. */
#ifndef RUNNER_QUEUE_H
#define RUNNER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "proc/program.h"

struct runner_queued {
	struct runner_request request;
	int64_t until_ns; /* how long it is worth waiting */
};

struct runner_queue {
	struct runner_queued *ring;
	uint32_t most;
	uint32_t first;
	uint32_t count;
};

/* For as long as the process lives. */
bool runner_queue_init(struct runner_queue *q, uint32_t most);
/* False when it is full. */
bool runner_queue_push(
    struct runner_queue *q, const struct runner_request *request, int64_t until_ns);
/* NULL when it is empty; valid until the next push or pop. */
const struct runner_queued *runner_queue_head(const struct runner_queue *q);
void runner_queue_pop(struct runner_queue *q);

#endif
