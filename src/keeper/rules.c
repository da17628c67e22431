/* Ports that programs of the administrator's open and shut. A rule follows its grant in the ledger:
 * it is opened when the grant is entered and shut when the grant is gone. The privileged runner is
 * asked one thing about a rule at a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "keeper/keeper.h"

#define RETRY_FIRST_NS NS_PER_SECOND
#define RETRY_MOST_NS  (300 * NS_PER_SECOND)
#define TRIES_AT_STOP  3
#define WAITING_MOST   8 /* for one rule */
#define ADDITIONS_MOST                                                                            \
	16                 /* of one device at once: the privileged runner's queue is everybody's \
	                    */
#define REMOVALS_MOST   64 /* that the privileged runner is asked at once: grants come in between */
#define LOG_RATE        1  /* lines a second of rules that do not shut, and in a burst */
#define LOG_BURST       20
#define TICKET_INDEX(t) ((t)&0xffffU)

_Static_assert(RULES_MOST <= 0x10000, "an index fits a ticket");

/* Somebody who waits for a rule to be opened. */
struct waiting {
	struct knock knock;
	struct waiting *next;
};

struct rule_work {
	uint32_t ticket;         /* of what the privileged runner is doing about it; 0: nothing */
	uint32_t tries;          /* to shut it, in vain */
	int64_t next_try_ns;     /* CLOCK_BOOTTIME; RULE_REMOVING */
	struct waiting *waiting; /* while RULE_REMOVING: it is to be opened again */
};

static struct rule *rule_at(const struct keeper *k, size_t i)
{
	return &k->rules.book->rules[i];
}

static struct ledger_what what_of(const struct rule *r)
{
	return (struct ledger_what){r->protocol, r->first_port, r->last_port};
}

/* The grant that it follows, NULL when that has ended. */
static struct ledger_entry *grant_of(const struct keeper *k, const struct rule *r)
{
	const struct ledger_what what = what_of(r);
	uint32_t holder = keeper_state_device(&k->state, r->device);
	struct ledger_entry *e = holder == DIRECTORY_NOBODY || k->state.ledger == NULL
	                             ? NULL
	                             : ledger_find(k->state.ledger, holder, &r->client, &what);

	return e != NULL && e->expires_boot_ns > clock_boot_ns() ? e : NULL;
}

/* Why there is no grant any more that somebody has waited for. */
static enum verdict why_ended(const struct keeper *k, const struct rule *r)
{
	const struct ledger_what what = what_of(r);
	uint32_t holder = keeper_state_device(&k->state, r->device);

	return keeper_state_may_hold(&k->state, holder, &r->client, &what, clock_real_ns())
	           ? VERDICT_FIREWALL_FAILED
	           : VERDICT_REVOKED;
}

static void report(struct keeper *k, enum verdict v, const struct knock *knock)
{
	report_verdict(&k->report, v, knock, &k->state.config, clock_real_ns());
}

/* Ends the wait of everybody who asked for it. */
static void answer_waiting(struct keeper *k, struct rule_work *w, enum verdict v)
{
	while (w->waiting != NULL) {
		struct waiting *first = w->waiting;

		report(k, v, &first->knock);
		if (v == VERDICT_GRANTED)
			keeper_send_response(k, &first->knock);
		w->waiting = first->next;
		codec_wipe(&first->knock.packet);
		free(first);
	}
}

/* VERDICT_PASS, or why it cannot wait. */
static enum verdict wait_for(struct rule_work *w, const struct knock *knock)
{
	struct waiting *one;
	uint32_t count = 0;

	for (one = w->waiting; one != NULL; one = one->next)
		count++;
	if (count >= WAITING_MOST)
		return VERDICT_BUSY;
	one = malloc(sizeof *one);
	if (one == NULL)
		return VERDICT_NO_MEMORY;
	*one = (struct waiting){*knock, w->waiting};
	w->waiting = one;
	return VERDICT_PASS;
}

/* --- Asking */

static bool ask(struct keeper *k, size_t i, enum runner_task task)
{
	const struct rule *r = rule_at(k, i);
	struct rule_work *w = &k->rules.work[i];
	struct runner_request request = {
	    .ticket = (uint32_t)++k->rules.last_ticket << 16 | (uint32_t)i,
	    .task = (uint8_t)task,
	    .protocol = r->protocol,
	    .behind_nat = r->behind_nat != 0,
	    .first_port = r->first_port,
	    .last_port = r->last_port,
	    .duration_s = r->duration_s,
	    .client_address = r->client,
	    .server_address = r->server};

	memcpy(request.device, r->device, sizeof request.device);
	if (request.ticket == 0)
		request.ticket = (uint32_t)++k->rules.last_ticket << 16 | (uint32_t)i;
	if (!channel_try_send(&k->rules.runner.channel, MESSAGE_RULE, &request)) {
		if (errno != EAGAIN)
			loop_stop(&k->process.loop);
		return false;
	}
	w->ticket = request.ticket;
	k->rules.removals += task == RUNNER_RULE_REMOVE;
	return true;
}

static void forget_rule(struct keeper *k, size_t i)
{
	answer_waiting(k, &k->rules.work[i], VERDICT_FIREWALL_FAILED);
	*rule_at(k, i) = (struct rule){0};
	k->rules.work[i] = (struct rule_work){0};
}

static void end_grant(struct keeper *k, const struct rule *r)
{
	struct ledger_entry *e = grant_of(k, r);

	if (e != NULL)
		ledger_remove(k->state.ledger, e);
}

/* Nothing was opened. */
static void give_up(struct keeper *k, size_t i, enum verdict why)
{
	end_grant(k, rule_at(k, i));
	answer_waiting(k, &k->rules.work[i], why);
	forget_rule(k, i);
}

static void fill_rule(struct rule *r, const struct knock *knock)
{
	const struct asked *asked = &knock->packet.asked;

	r->protocol = asked->protocol;
	r->behind_nat = asked->behind_nat;
	r->first_port = asked->first_port;
	r->last_port = asked->last_port;
	r->duration_s = (uint16_t)(knock->duration_ns / NS_PER_SECOND);
	memcpy(r->device, asked->device, sizeof r->device);
	r->client = knock->target;
	r->server = asked->server;
}

static void begin_add(struct keeper *k, size_t i)
{
	rule_at(k, i)->state = RULE_ADDING;
	if (!ask(k, i, RUNNER_RULE_ADD))
		give_up(k, i, VERDICT_BUSY);
}

static void begin_remove(struct keeper *k, size_t i)
{
	struct rule_work *w = &k->rules.work[i];

	rule_at(k, i)->state = RULE_REMOVING;
	w->tries = 0;
	w->next_try_ns = clock_boot_ns();
	ask(k, i, RUNNER_RULE_REMOVE); /* with no room for it, the next sweep asks */
}

/* --- Answers */

static void log_overdue(struct keeper *k, const struct rule *r, uint32_t tries, int64_t pause_ns)
{
	char device[UUID_TEXT_BYTES], target[ADDR_TEXT_BYTES], failed[16], next[32];

	if (!rate_take(&k->rules.log_rate, clock_boot_ns()))
		return;
	snprintf(failed, sizeof failed, "%u", tries);
	snprintf(next, sizeof next, "%lld s", (long long)(pause_ns / NS_PER_SECOND));
	log_event(LOG_LEVEL_ERROR, "a rule could not be shut and may still be open", "device",
	    uuid_text(device, r->device), "target", addr_text(&r->client, target), "tries", failed,
	    "again in", next, NULL);
}

static void removal_failed(struct keeper *k, size_t i, uint8_t outcome)
{
	struct rule_work *w = &k->rules.work[i];
	int64_t pause = RETRY_FIRST_NS;

	for (uint32_t t = 0; t < w->tries && pause < RETRY_MOST_NS; t++)
		pause *= 2;
	if (pause > RETRY_MOST_NS)
		pause = RETRY_MOST_NS;
	if (outcome != RUNNER_BUSY)
		log_overdue(k, rule_at(k, i), ++w->tries, pause);
	w->next_try_ns = clock_boot_ns() + (k->stopping ? 0 : pause);
}

/* Opened anew for who has waited, if they may still have it, and as they asked last. */
static void removal_done(struct keeper *k, size_t i)
{
	struct rule_work *w = &k->rules.work[i];
	struct rule *r = rule_at(k, i);

	if (w->waiting == NULL || k->stopping) {
		forget_rule(k, i);
	} else if (grant_of(k, r) == NULL) {
		answer_waiting(k, w, why_ended(k, r));
		forget_rule(k, i);
	} else {
		w->tries = 0;
		fill_rule(r, &w->waiting->knock);
		begin_add(k, i);
	}
}

static void addition_done(struct keeper *k, size_t i, uint8_t outcome)
{
	struct rule_work *w = &k->rules.work[i];
	struct rule *r = rule_at(k, i);

	if (outcome == RUNNER_DONE && grant_of(k, r) != NULL && !k->stopping) {
		r->state = RULE_OPEN;
		answer_waiting(k, w, VERDICT_GRANTED);
	} else if (outcome == RUNNER_DONE) {
		answer_waiting(k, w, why_ended(k, r));
		begin_remove(k, i);
	} else if (outcome == RUNNER_REFUSED || outcome == RUNNER_BUSY) {
		give_up(k, i, outcome == RUNNER_BUSY ? VERDICT_BUSY : VERDICT_FIREWALL_FAILED);
	} else {
		/* Nobody knows how far it came. */
		end_grant(k, r);
		answer_waiting(k, w, VERDICT_FIREWALL_FAILED);
		begin_remove(k, i);
	}
}

static void take_answer(struct keeper *k, const struct runner_reply *reply)
{
	size_t i = TICKET_INDEX(reply->ticket);
	struct rule_work *w = &k->rules.work[i % RULES_MOST];

	if (i >= RULES_MOST || reply->ticket == 0 || w->ticket != reply->ticket) {
		log_line(LOG_LEVEL_ERROR, "the privileged runner answered what was not asked");
		loop_stop(&k->process.loop);
		return;
	}
	w->ticket = 0;
	k->rules.removals -= rule_at(k, i)->state == RULE_REMOVING;
	if (rule_at(k, i)->state == RULE_ADDING)
		addition_done(k, i, reply->outcome);
	else if (reply->outcome == RUNNER_DONE)
		removal_done(k, i);
	else
		removal_failed(k, i, reply->outcome);
	/* There is room for the next, unless it was for want of room. */
	if (reply->outcome != RUNNER_BUSY)
		keeper_rules_sweep(k);
	if (k->stopping && keeper_rules_left(k) == 0)
		loop_stop(&k->process.loop);
}

/* --- Grants */

/* The rule for the same, or a free place; RULES_MOST when there is none. */
static size_t find_rule(const struct keeper *k, const struct admitted *a)
{
	const struct asked *asked = &a->knock.packet.asked;
	size_t free_place = RULES_MOST;

	for (size_t i = 0; i < RULES_MOST; i++) {
		const struct rule *r = rule_at(k, i);
		const struct ledger_what what = what_of(r);

		if (r->state == RULE_FREE)
			free_place = free_place == RULES_MOST ? i : free_place;
		else if (ledger_same(&what, &a->what) && addr_equal(&r->client, &a->knock.target) &&
		         memcmp(r->device, asked->device, sizeof r->device) == 0)
			return i;
	}
	return free_place;
}

/* VERDICT_PASS, or why nothing more can be opened, at that index. */
static enum verdict room_for(const struct keeper *k, const struct admitted *a, size_t i)
{
	uint32_t additions = 0;

	if (k->stopping)
		return VERDICT_FIREWALL_FAILED;
	if (i == RULES_MOST)
		return VERDICT_NO_MEMORY;
	for (size_t j = 0; j < RULES_MOST && rule_at(k, i)->state == RULE_FREE; j++)
		additions += rule_at(k, j)->state == RULE_ADDING &&
		             memcmp(rule_at(k, j)->device, a->knock.packet.asked.device,
		                 DEVICE_UUID_BYTES) == 0;
	return additions < ADDITIONS_MOST ? VERDICT_PASS : VERDICT_BUSY;
}

void keeper_rules_grant(struct keeper *k, const struct admitted *a)
{
	size_t i = find_rule(k, a);
	enum verdict v = room_for(k, a, i);
	struct rule *r;

	/* A rule that stands in no ledger would be shut at once. */
	if (v == VERDICT_PASS && !keeper_enter(k, a))
		v = VERDICT_NO_MEMORY;
	if (v != VERDICT_PASS) {
		report(k, v, &a->knock);
		return;
	}
	r = rule_at(k, i);
	keeper_tick(k, true);
	if (r->state == RULE_OPEN) {
		report(k, VERDICT_GRANTED, &a->knock);
		keeper_send_response(k, &a->knock);
		return;
	}
	v = wait_for(&k->rules.work[i], &a->knock);
	if (v != VERDICT_PASS) {
		report(k, v, &a->knock);
		return;
	}
	if (r->state == RULE_FREE) {
		fill_rule(r, &a->knock);
		begin_add(k, i);
	} else if (r->state == RULE_REMOVING && k->rules.work[i].ticket == 0) {
		ask(k, i, RUNNER_RULE_REMOVE);
	}
}

/* --- Shutting */

void keeper_rules_sweep(struct keeper *k)
{
	int64_t now = clock_boot_ns();

	for (size_t i = 0; k->rules.book != NULL && i < RULES_MOST; i++) {
		const struct rule *r = rule_at(k, i);
		const struct rule_work *w = &k->rules.work[i];

		if (k->rules.removals >= REMOVALS_MOST)
			return;
		if (w->ticket != 0)
			continue;
		if (r->state == RULE_OPEN && (k->stopping || grant_of(k, r) == NULL))
			begin_remove(k, i);
		else if (r->state == RULE_REMOVING && w->next_try_ns <= now &&
		         (!k->stopping || w->tries < TRIES_AT_STOP))
			ask(k, i, RUNNER_RULE_REMOVE);
	}
}

void keeper_rules_stop(struct keeper *k)
{
	for (size_t i = 0; k->rules.book != NULL && i < RULES_MOST; i++) {
		k->rules.work[i].tries = 0;
		k->rules.work[i].next_try_ns = 0;
	}
	keeper_rules_sweep(k);
}

uint32_t keeper_rules_left(const struct keeper *k)
{
	uint32_t left = 0;

	for (size_t i = 0; k->rules.book != NULL && i < RULES_MOST; i++) {
		const struct rule_work *w = &k->rules.work[i];

		if (rule_at(k, i)->state != RULE_FREE &&
		    (!k->stopping || w->ticket != 0 || w->tries < TRIES_AT_STOP))
			left++;
	}
	return left;
}

const struct rule *keeper_rules_overdue(const struct keeper *k, uint32_t index)
{
	return k->rules.book != NULL && index < RULES_MOST &&
	               rule_at(k, index)->state == RULE_REMOVING && k->rules.work[index].tries > 0
	           ? rule_at(k, index)
	           : NULL;
}

bool keeper_take_rule_result(void *context, const struct runner_reply *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)fds;
	take_answer(k, m);
	return true;
}

/* The mapping is what is used, but the file stays open: main's lock on it ends with it. */
bool keeper_rules_open(struct keeper *k, struct message_fds *fds)
{
	struct keeper_rules *rules = &k->rules;

	rules->runner.channel.fd = -1;
	if (fds->fd[FD_PRIVILEGED_RUNNER] < 0)
		return true;
	rules->book = rule_journal_map(message_fds_take(fds, FD_RULE_JOURNAL));
	rules->work = calloc(RULES_MOST, sizeof *rules->work);
	rules->log_rate = rate_of(LOG_RATE, LOG_BURST);
	return rules->book != NULL && rules->work != NULL &&
	       process_open_peer(&k->process, &rules->runner, ROLE_PRIVILEGED_RUNNER, fds);
}
