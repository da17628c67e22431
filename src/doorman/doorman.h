/* The doorman's parts and what they share: doorman.c talks to the other processes, arrival.c reads
 * the sockets and has what arrives wait for its turn, knock.c opens a knock, trial.c finds out
 * whose it is, outcome.c hands it to the keeper. */
#ifndef DOORMAN_DOORMAN_H
#define DOORMAN_DOORMAN_H

#include "admit/admit.h"
#include "bpf/pages.h"
#include "client/guess_limiter.h"
#include "doorman/copies.h"
#include "doorman/hints.h"
#include "doorman/rings.h"
#include "doorman/trial.h"
#include "intake/held.h"
#include "intake/intake.h"
#include "proc/process.h"
#include "proc/report.h"
#include "proc/stranger.h"
#include "proto/shield.h"

/* Knocks that go to the keeper together. It is empty whenever the loop waits. */
struct outbox {
	struct message_knock knocks[CHANNEL_TOGETHER];
	size_t count;
};

/* What holds keys, in locked memory. */
struct hands {
	struct knock current;
	struct trial_queue lane;
	struct shield shield;
	struct outbox outbox;
};

struct doorman;

struct doorman_socket {
	struct loop_source source; /* fd -1: none */
	struct doorman *doorman;
	enum intake_kind kind;
	enum record_protocol protocol;
	struct losses losses;
};

struct doorman {
	struct process process;
	struct peer keeper;
	struct doorman_socket sockets[RECORD_PROTOCOLS];
	struct knock_ring ring;    /* of the shield's program, which takes knocks; NULL: none */
	int ring_fd;               /* its map; -1: none */
	struct doorman_socket six; /* what is captured comes by one for each family */
	struct loop_source scan_timer;
	struct kernel_shield_control *kernel_keys; /* NULL: nobody else looks at tags */
	struct loop_source kernel_keys_timer;
	bool stopping; /* reads no more */
	struct report report;
	struct strangers strangers;

	struct snapshot config;
	struct directory *directory;
	struct hints hints;
	uint8_t *secret;     /* openme's */
	struct rsa_key *rsa; /* OpenSPA's; NULL without */
	struct budget budget;

	struct record arriving[SOCKET_BATCH];
	struct copies copies;
	struct rings rings[RECORD_PROTOCOLS]; /* their slots are places in `held` */
	struct held *held;
	uint16_t next_slot; /* in there, of what is in our hands */
	uint64_t arrivals;
	uint64_t handed_on; /* the number of the last */
	struct hands *hands;
	struct networks networks;
	struct trial trial;
	struct rate known_budget;
	struct guess_limiter guess_limiter;
};

MESSAGES_TO_DOORMAN(MESSAGE_DECLARE)

/* Its whole life; the exit status. */
int doorman_run(void);

/* --- kernel_keys.c */

/* From `control`, the shield's memory in the kernel, which stays the caller's; -1: there is none.
 * False with errno. */
bool doorman_open_kernel_keys(struct doorman *d, int control);
/* Tells the shield in the kernel the keys of now, by the configuration; also by a timer. `context`
 * is the doorman. */
void doorman_put_kernel_keys(void *context);

/* --- knock.c */

/* One packet whose turn has come, from the first check to the next pair of hands. The caller wipes
 * it. */
void doorman_take_in(struct doorman *d, struct knock *k);

/* --- outcome.c */

/* Whose it is, is known or guessed. It goes at once, unless the keeper has others to judge and more
 * waits here: then with what is handed on until that is not so any more, or the slice is over. */
void doorman_hand_on(struct doorman *d, const struct knock *k, enum guess guess);
void doorman_refuse(struct doorman *d, const struct knock *k, enum verdict v);
/* The same for one that is in no slot. */
void doorman_tell_refusal(struct doorman *d, const struct knock *k, enum verdict v);
/* After each that was served, so that the keeper is not kept waiting. */
void doorman_send_if_due(struct doorman *d);
/* At the end of a slice. */
void doorman_send(struct doorman *d);
/* Whether anything waits in rings. */
bool doorman_has_waiting(const struct doorman *d);
/* To be called when something that waited is through: when it was the last and the doorman is to
 * stop, main is told. */
void doorman_rest(struct doorman *d);

#endif
