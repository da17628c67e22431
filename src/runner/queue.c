#include "runner/queue.h"

#include <stdlib.h>

bool runner_queue_init(struct runner_queue *q, uint32_t most)
{
	*q = (struct runner_queue){.ring = calloc(most, sizeof *q->ring), .most = most};
	return q->ring != NULL;
}

bool runner_queue_push(
    struct runner_queue *q, const struct runner_request *request, int64_t until_ns)
{
	if (q->count == q->most)
		return false;
	q->ring[(q->first + q->count++) % q->most] = (struct runner_queued){*request, until_ns};
	return true;
}

const struct runner_queued *runner_queue_head(const struct runner_queue *q)
{
	return q->count == 0 ? NULL : &q->ring[q->first];
}

void runner_queue_pop(struct runner_queue *q)
{
	if (q->count == 0)
		return;
	q->first = (q->first + 1) % q->most;
	q->count--;
}
