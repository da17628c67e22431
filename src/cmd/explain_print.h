/* The answer of `postern explain`, for people. */
#ifndef CMD_EXPLAIN_PRINT_H
#define CMD_EXPLAIN_PRINT_H

#include "cmd/explain_gate.h"
#include "cmd/names.h"
#include "explain/explain.h"

struct explain_answer {
	const struct explain *x;
	const struct packet *asked; /* as it comes in */
	const struct gate *gate;
	struct names *names;
	int64_t now_ns;
	bool verbose;
};

void explain_print(const struct explain_answer *a);
/* "a new TCP connection from 203.0.113.7 to 192.0.2.1 port 22, coming in by eth0," */
#define EXPLAIN_SUBJECT_BYTES 256
const char *explain_subject(char out[static EXPLAIN_SUBJECT_BYTES], const struct packet *p);
/* Why, and what can be done. "" where there is nothing to say. */
#define EXPLAIN_LINE_BYTES 1024
const char *explain_reason(char out[static EXPLAIN_LINE_BYTES], const struct explain_answer *a);
const char *explain_remedy(char out[static EXPLAIN_LINE_BYTES], const struct explain_answer *a);

#endif
