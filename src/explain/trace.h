/* What the kernel itself says of a packet that comes: for as long as that takes, one rule of ours
 * has it traced. The table with that rule is ours alone and goes with this process, however that
 * ends. */
#ifndef EXPLAIN_TRACE_H
#define EXPLAIN_TRACE_H

#include "explain/explain.h"

/* One report of the kernel. Names are others' and may hold any byte. */
struct trace_event {
	uint8_t family;
	const char *table, *chain;
	uint64_t handle; /* 0: no rule, but the chain's policy or its end */
	bool policy;
	uint32_t verdict;   /* NF_* or NFT_* */
	const char *target; /* of a jump; "" */
};

enum trace_result { TRACE_PASSED, TRACE_DROPPED, TRACE_NOTHING_CAME };

/* Waits for the first packet that is like `p` (a source port of 0: any), and hands over what is
 * told of it until it is dropped, or no more is told. False with *error. */
bool trace_wait(const struct packet *p, int64_t timeout_ns,
    void (*each)(void *context, const struct trace_event *event), void *context,
    enum trace_result *result, struct explain_error *error);

#endif
