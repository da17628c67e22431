/* posternd --explain: what the daemon would decide about a datagram, check by check, by the same
 * admit() that decides in the daemon. Opens no socket, touches no firewall, changes nothing. */
#ifndef MAIN_EXPLAIN_H
#define MAIN_EXPLAIN_H

#include "admit/admit.h"
#include "conf/conf.h"
#include "main/capture.h"

struct explain_options {
	const char *file;   /* what holds the datagram; NULL: nothing is to be explained */
	uint32_t packet;    /* of a capture, from 1; 0: the first one for us */
	const char *source; /* address that it came from; NULL: the capture knows */
	const char *at;     /* judged as of that time; NULL: the capture's, or now */
};

/* Prints the explanation. The value is the exit status: EXIT_REFUSED when the datagram would be
 * refused, EXIT_NO_ANSWER when a program of the administrator's would have to be asked. */
int explain(const struct explain_options *options, struct conf *conf);

/* --- explain_check.c: how a check is shown, what it has looked at, and what came of it */

struct explanation {
	const struct snapshot *config;
	const struct captured *packet;
	int64_t now_ns;
	const char *tag_key;     /* the key whose tag it carries; NULL: none of ours */
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
