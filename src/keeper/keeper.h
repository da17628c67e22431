/* The keeper's parts and what they share: role_keeper.c judges and talks to the other processes,
 * keeper_grant.c puts into force what was admitted, keeper_questions.c asks programs about knocks,
 * keeper_rules.c opens and shuts by them. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "admit/admit.h"
#include "admit/replay_file.h"
#include "fw/fw.h"
#include "keeper/state.h"
#include "proc/process.h"
#include "proc/report.h"
#include "proc/rule_journal.h"

#define KEEPER_BATCH 32 /* knocks that share a transaction when many wait */

/* A knock that was admitted and waits for the firewall. */
struct admitted {
	struct knock knock;
	struct ledger_what what;
	uint64_t timeout_ms;
	int64_t expires_boot_ns;
};

/* Knocks that wait for a program's answer, in locked memory: each holds the key of its seal. */
struct keeper_questions {
	struct peer runner; /* fd -1: nobody to ask */
	struct question_slot *slots;
	uint32_t last_ticket;
};

/* What programs have opened, and what they are asked to do about it. */
struct keeper_rules {
	struct peer runner; /* the privileged one; fd -1: nobody to ask */
	struct rule_journal *book;
	struct rule_work *work; /* one for each rule of the book */
	uint16_t last_ticket;
	uint32_t removals; /* that the privileged runner is asked for */
	struct rate log_rate;
};

struct keeper {
	struct process process;
	struct peer doorman;
	struct peer desk;
	struct loop_source tick;
	bool ticking;
	struct loop_source repair_timer;
	struct loop_source watch; /* fd -1: the back-end has none */
	struct report report;
	struct fw fw;
	bool fw_is_open;
	uint32_t left_before; /* stopping: keeper_rules_left at the last tick */
	bool stopping; /* nothing is admitted any more; what programs have opened is being shut */
	struct keeper_state state;
	struct replay replay;
	struct admitted batch[KEEPER_BATCH];
	size_t batch_count;
	struct keeper_questions questions;
	struct keeper_rules rules;
};

/* The keeper's life; its exit status. */
int keeper_run(void);

MESSAGES_TO_KEEPER(MESSAGE_DECLARE)

/* Admits what stands in the next place of the batch, batch[batch_count].knock, from its first check
 * on, and does what follows from the verdict, which has been reported. Wipes the key of its seal,
 * and what came out of it, unless it was granted: keeper_commit does that then. */
enum verdict keeper_admit(struct keeper *k);
/* A process that we work with has ended, and main will end us: what programs have opened is shut
 * before that, and all other rules stay. */
void keeper_deserted(struct keeper *k);
/* Has the book looked through every second, or not. */
void keeper_tick(struct keeper *k, bool on);

/* --- keeper_grant.c */

/* Puts the rules for `state` in place, with all that is open by it. 0 or a negative errno. */
int keeper_install(struct keeper *k, const struct keeper_state *state);
/* The next place of the batch was admitted: it waits for keeper_commit, which must come before the
 * loop waits again. */
void keeper_grant(struct keeper *k);
void keeper_commit(struct keeper *k);
/* True when a knock of that holder is in the batch. */
bool keeper_grants_for(const struct keeper *k, uint32_t holder);
/* Enters a grant into the ledger; one that is there already is extended. False when it is full. */
bool keeper_enter(struct keeper *k, const struct admitted *a);
/* An OpenSPA client is told, once the firewall has confirmed. */
void keeper_send_response(struct keeper *k, const struct knock *knock);

/* --- keeper_questions.c */

/* With the runner's channel, if there is one among `fds`. False with errno. */
bool keeper_questions_open(struct keeper *k, struct message_fds *fds);
/* Asks knock->question, and admits the knock again when the answer has come. */
void keeper_ask(struct keeper *k, const struct knock *knock);

/* --- keeper_rules.c */

/* With the privileged runner's channel and the file of rules, if they are among `fds`. False with
 * errno. */
bool keeper_rules_open(struct keeper *k, struct message_fds *fds);
/* Has the privileged runner open what was admitted, or extends it. */
void keeper_rules_grant(struct keeper *k, const struct admitted *a);
/* Has shut what no grant stands behind any more, and tries again what failed. Every tick, and when
 * grants have been taken away. */
void keeper_rules_sweep(struct keeper *k);
/* Has everything shut: also what has failed so often that it would be left for later. */
void keeper_rules_stop(struct keeper *k);
/* How many rules there are that a program has to shut yet; when stopping, those that have failed
 * too often are left out. */
uint32_t keeper_rules_left(const struct keeper *k);
/* The rule at `index` whose removal has failed, to be shown; NULL: not such a one. */
const struct rule *keeper_rules_overdue(const struct keeper *k, uint32_t index);

#endif
