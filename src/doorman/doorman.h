/* The doorman's parts and what they share: doorman.c talks to the sockets and to the other
 * processes, knock.c finds out whose a knock is and hands it to the keeper. */
#ifndef DOORMAN_DOORMAN_H
#define DOORMAN_DOORMAN_H

#include "admit/admit.h"
#include "client/guess_limiter.h"
#include "doorman/trial_queue.h"
#include "intake/held.h"
#include "intake/intake.h"
#include "proc/process.h"
#include "proc/report.h"

/* What holds keys of knocks, in locked memory. */
struct hands {
	struct knock arriving[SOCKET_BATCH];
	struct trial_queue lane;
};

struct doorman;

struct doorman_socket {
	struct loop_source source; /* fd -1: none */
	struct doorman *doorman;
	enum intake_kind kind;
	enum record_protocol protocol;
};

struct doorman {
	struct process process;
	struct peer keeper;
	struct doorman_socket sockets[RECORD_PROTOCOLS];
	struct doorman_socket six; /* what is captured comes by one for each family */
	struct loop_source scan_timer;
	bool stopping; /* reads no more */
	struct report report;

	struct snapshot config;
	struct directory *directory;
	uint8_t *secret;     /* openme's */
	struct rsa_key *rsa; /* OpenSPA's; NULL without */
	struct budget budget;

	struct held *held;
	uint16_t next_slot; /* in there */
	uint64_t handed_on; /* the number of the last */
	struct hands *hands;
	struct rate scan_budget;
	struct rate known_budget;
	struct guess_limiter guess_limiter;
};

MESSAGES_TO_DOORMAN(MESSAGE_DECLARE)

/* Its whole life; the exit status. */
int doorman_run(void);

/* --- knock.c */

/* One packet that has arrived, from the first check to the next pair of hands. The caller wipes
 * it. */
void doorman_take_in(struct doorman *d, struct knock *k);
/* The trial queue's turn: a slice of signatures. `context` is the doorman. */
void doorman_try_keys(void *context);

#endif
