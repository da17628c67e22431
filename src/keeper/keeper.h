/* The keeper's parts and what they share. The way of a knock: keeper.c gets it, grant.c admits it,
 * enters it into the grant table, has the firewall changed and reports what came of it; questions.c
 * asks programs about knocks. rules.c is the firewall where programs open and shut. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "admit/admit.h"
#include "admit/replay_file.h"
#include "fw/fw.h"
#include "intake/held.h"
#include "keeper/audit.h"
#include "keeper/rules.h"
#include "keeper/state.h"
#include "proc/process.h"
#include "proc/report.h"

#define KEEPER_BATCH 32 /* knocks that share a transaction when many wait */
#define LATE_MOST    3  /* answers that a runner may be late with at a time */

/* A knock that was admitted and waits for the firewall. The key of its seal is wiped. */
struct admitted {
	struct knock knock;
	struct grant *grant;
	int64_t until_ns; /* CLOCK_BOOTTIME */
};

/* What OpenSPA's clients are told, of one transaction, and of one doorman. */
struct keeper_responses {
	struct message_granted granted[CHANNEL_TOGETHER];
	size_t count;
	uint8_t doorman; /* that sends them */
};

/* Knocks that wait for a program's answer, in locked memory: each holds the key of its seal. */
struct keeper_questions {
	struct peer runner; /* fd -1: nobody to ask */
	struct question_slot *slots;
	uint32_t last_ticket;
	uint32_t waiting;
	uint32_t late; /* that nobody waits for any more, and that may still be answered */
};

struct keeper;

struct keeper_doorman {
	struct keeper *keeper;
	struct peer peer;
	struct held *held;
	uint64_t taken; /* number of the last knock that it has handed on */
};

struct keeper {
	struct process process;
	struct keeper_doorman doormen[DOORMEN_MOST];
	unsigned int doorman_count; /* of those that have joined */
	unsigned int doormen_expected;
	struct message arrived[CHANNEL_TOGETHER]; /* from one of them, while it is dealt with */
	struct peer desk;
	struct loop_source desk_pause; /* timer: then it is listened to again */
	struct loop_source tick;
	bool ticking;
	struct loop_source repair_timer;
	int64_t
	    asleep_ns; /* how long the machine had slept when the rules' times were last right */
	struct loop_source watch; /* fd -1: the back-end has none */
	int shield_program;       /* to be attached to devices; -1: none */
	int links;                /* rtnetlink, for that; -1 without */
	struct report report;
	struct keeper_audit audit;
	struct fw fw;
	bool fw_is_open;
	struct fw programs; /* ops NULL: no program opens anything */
	struct keeper_rules rules;
	uint32_t left_before; /* stopping: keeper_left at the last tick */
	bool stopping; /* nothing is admitted any more; what programs have opened is being shut */
	struct keeper_state state;
	struct replay replay;
	struct admitted batch[KEEPER_BATCH];
	size_t batch_count;
	struct keeper_responses responses; /* empty whenever the loop waits */
	struct knock judged;               /* that is being admitted */
	struct keeper_questions questions;
	uint32_t patience; /* with a runner, in ticks: time in which the machine slept is not its */
};

/* The keeper's life; its exit status. */
int keeper_run(void);

MESSAGES_TO_KEEPER(MESSAGE_DECLARE)

/* --- shield.c */

/* With the shield's program, if it is among `fds`. */
void keeper_open_shield(struct keeper *k, struct message_fds *fds);

/* --- stop.c */

/* How much there is that a program has to shut yet. */
uint32_t keeper_left(const struct keeper *k);
/* What programs have opened is shut in any case: nothing else would end it. */
void keeper_stop(struct keeper *k, bool keep_rules);
/* A process that we work with has ended, and main will end us: what programs have opened is shut
 * before that, and all other rules stay. True: it is a peer's `closed`. */
bool keeper_deserted(void *keeper);

/* --- grant.c */

/* Has the grant table looked through every second, or not. */
void keeper_tick(struct keeper *k, bool on);
/* After any change to the grant table. */
void keeper_count_grants(struct keeper *k);
void keeper_report(struct keeper *k, enum verdict v, const struct knock *knock);
/* Puts the rules for `state` in place, with all that is open by it. 0 or a negative errno. */
int keeper_install(struct keeper *k, const struct keeper_state *state);
/* Admits a knock from its first check on, and reports the verdict if it is a refusal or
 * VERDICT_ASKED. One that was admitted stands in the grant table, but is only in force, and
 * reported, after keeper_commit, which must come before the loop waits again. True: it is a peer's
 * `after`. */
enum verdict keeper_admit(struct keeper *k, struct knock *knock);
bool keeper_commit(void *keeper);
/* At the start: what was cut off goes on only where the doormen's memory has been kept. */
void keeper_drop_unkept(struct keeper *k);
/* Has a program shut what it has opened; what is there by nftables ends by itself. */
void keeper_close(struct keeper *k, const struct grant *g);
/* The firewall's answer to a change that it had put off (struct fw). */
void keeper_outcome(void *context, void *waiting, int error);

/* --- audit.c */

/* Each tells main, for the audit log, and waits for nothing: what finds no room, or is more than
 * the limits let by, is counted in the next one. */

/* A grant is in force, or was renewed: the first time, and each ten minutes. */
void keeper_audit_grant(struct keeper *k, struct grant *g, const struct knock *knock);
/* It goes out of the table. Only if it was told that it began. */
void keeper_audit_end(struct keeper *k, const struct grant *g, enum audit_end why);
/* Why it ends with a new configuration: `o` is what keeper_state_inherit has made of it. */
enum audit_end keeper_audit_why_lost(
    const struct keeper_state *next, const struct opening *o, int64_t now_real_ns);
/* A knock was refused, of a client that is known or not. */
void keeper_audit_refusal(struct keeper *k, enum verdict v, const struct knock *knock);
/* When nothing more is told: how much was left out behind the last one. Waits for main, which
 * listens until the keeper has ended; the log says what has found no room. */
void keeper_audit_close(struct keeper *k);

/* --- questions.c */

/* With the runner's channel, if there is one among `fds`. False with errno. */
bool keeper_questions_open(struct keeper *k, struct message_fds *fds);
/* Asks knock->question, and admits the knock again when the answer has come. */
void keeper_ask(struct keeper *k, const struct knock *knock);
/* At each tick: gives up what is not answered in time; after a few, the daemon. */
void keeper_questions_check(struct keeper *k);

/* --- rules.c */

/* With the privileged runner's channel and the file of rules, if they are among `fds`. False with
 * errno. */
bool keeper_rules_open(struct keeper *k, struct message_fds *fds);

#endif
