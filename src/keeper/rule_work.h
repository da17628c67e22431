/* One rule: where it stands, and what the privileged runner is asked about it. */
#ifndef KEEPER_RULE_WORK_H
#define KEEPER_RULE_WORK_H

#include "keeper/rules.h"
#include "proc/program.h"

#define RULE_WAITING_MOST      8 /* for one rule */
#define RULE_TRIES_AT_STOP     3
#define RULE_OF_TICKET(ticket) ((ticket)&0xffffU)

struct rule_work {
	uint32_t ticket;     /* of what the privileged runner is doing about it; 0: nothing */
	uint32_t ticks;      /* until the answer is late */
	uint32_t tries;      /* to shut it, in vain */
	int64_t next_try_ns; /* CLOCK_BOOTTIME; RULE_REMOVING */
	bool wanted;         /* there is a grant; else it is to be shut */
	bool doubtful;       /* what opens it may still be at work: to be shut twice */
	bool removed;        /* once; a script may say no when there is nothing to remove */
	struct rule anew;    /* RULE_REMOVING and wanted: how it is to be opened afterwards */
	void *waiting[RULE_WAITING_MOST]; /* for it to be opened */
	uint32_t waiting_count;
};

const struct rule *rule_at(const struct keeper_rules *r, size_t i);
void rule_set_state(struct keeper_rules *r, size_t i, enum rule_state state);
void rule_forget(struct keeper_rules *r, size_t i);
/* Has it opened, as `anew` says. False when the privileged runner has no room for that. */
bool rule_begin_add(struct keeper_rules *r, size_t i);
/* Has it shut, now or with the next sweep. */
void rule_begin_remove(struct keeper_rules *r, size_t i);
/* The same for one that is being shut, again. */
void rule_remove_again(struct keeper_rules *r, size_t i);
/* Has shut what no grant stands behind any more, and tries again what failed. */
void rules_sweep(struct keeper_rules *r);
/* Without the privileged runner nothing is left to do: says what is left, and leaves the loop. */
void rules_give_up(struct keeper_rules *r);

#endif
