/* How posternd --explain shows a check: what it has looked at, and what came of it. */
#ifndef MAIN_EXPLAIN_CHECK_H
#define MAIN_EXPLAIN_CHECK_H

#include "admit/admit.h"
#include "main/capture.h"

struct explanation {
	const struct snapshot *config;
	const struct captured *packet;
	int64_t now_ns;
	bool shown[CHECK_COUNT]; /* the keeper repeats what the doorman has done */
};

/* Prints one line; admission.trace, with the explanation as its context. */
void explain_check(void *context, enum check check, bool passed, const struct knock *k);

/* Parts of a line, to standard output. */
void explain_time(int64_t ns);
void explain_seconds(double seconds);
/* The ports that the knock opens. */
void explain_ports(const struct snapshot *s, const struct knock *k);

#endif
