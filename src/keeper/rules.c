/* A rule follows its grant: it is opened when that is entered and shut when it is gone. All of it
 * is in the journal, so that whoever comes after a crash can shut it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "keeper/keeper.h"
#include "keeper/rule_work.h"

#define RETRY_FIRST_NS NS_PER_SECOND
#define RETRY_MOST_NS  (300 * NS_PER_SECOND)
/* Of one device at once: the privileged runner's queue is everybody's. */
#define ADDITIONS_MOST 16
#define LOG_RATE       1 /* lines a second of rules that do not shut, and in a burst */
#define LOG_BURST      20
#define SHOWN_AFTER_NS NS_PER_SECOND /* what is being shut takes a moment */

/* Ends the wait of everybody who asked for it. */
static void answer_waiting(const struct fw *fw, struct rule_work *w, int error)
{
	while (w->waiting_count > 0)
		fw->outcome(fw->context, w->waiting[--w->waiting_count], error);
}

/* --- Answers */

static void log_overdue(
    struct keeper_rules *rules, const struct rule *r, uint32_t tries, int64_t pause_ns)
{
	char device[UUID_TEXT_BYTES], target[ADDR_TEXT_BYTES], failed[16], next[32];

	if (!rate_take(&rules->log_rate, clock_boot_ns()))
		return;
	snprintf(failed, sizeof failed, "%u", tries);
	snprintf(next, sizeof next, "%lld s", (long long)(pause_ns / NS_PER_SECOND));
	log_event(LOG_LEVEL_ERROR, "a rule could not be shut and may still be open", "device",
	    uuid_text(device, r->device), "target", addr_text(&r->client, target), "tries", failed,
	    "again in", next, NULL);
}

static void removal_failed(struct keeper_rules *rules, size_t i, uint8_t outcome)
{
	struct rule_work *w = &rules->work[i];
	int64_t pause = RETRY_FIRST_NS;

	for (uint32_t t = 0; t < w->tries && pause < RETRY_MOST_NS; t++)
		pause *= 2;
	if (pause > RETRY_MOST_NS)
		pause = RETRY_MOST_NS;
	if (outcome != RUNNER_BUSY)
		log_overdue(rules, rule_at(rules, i), ++w->tries, pause);
	w->next_try_ns = clock_boot_ns() + (rules->stopping ? 0 : pause);
}

/* Opened anew for who has waited, if they may still have it, and as they asked last. */
static void removal_done(struct fw *fw, size_t i)
{
	struct keeper_rules *rules = fw->state;
	struct rule_work *w = &rules->work[i];
	int error = -ECANCELED;

	if (w->doubtful && !w->wanted) {
		w->doubtful = false;
		w->removed = true;
		w->next_try_ns =
		    clock_boot_ns() + (rules->stopping ? 1 : rules->patience) * NS_PER_SECOND;
		return;
	}
	if (w->wanted && !rules->stopping) {
		w->tries = 0;
		if (rule_begin_add(rules, i))
			return;
		error = -EBUSY;
	}
	answer_waiting(fw, w, error);
	rule_forget(rules, i);
}

static void addition_done(struct fw *fw, size_t i, uint8_t outcome)
{
	struct keeper_rules *rules = fw->state;
	struct rule_work *w = &rules->work[i];

	if (outcome == RUNNER_DONE && w->wanted && !rules->stopping) {
		rule_set_state(rules, i, RULE_OPEN);
		answer_waiting(fw, w, 0);
	} else if (outcome == RUNNER_REFUSED || outcome == RUNNER_BUSY) {
		answer_waiting(fw, w, outcome == RUNNER_BUSY ? -EBUSY : -EPERM);
		rule_forget(rules, i); /* nothing was opened */
	} else {
		/* Of what has failed nobody knows how far it came. */
		answer_waiting(fw, w, outcome == RUNNER_DONE ? -ECANCELED : -EIO);
		w->doubtful = outcome != RUNNER_DONE;
		rule_begin_remove(rules, i);
	}
}

static void take_outcome(struct fw *fw, size_t i, uint8_t outcome)
{
	struct keeper_rules *rules = fw->state;

	rules->work[i].ticket = 0;
	rules->removals -= rule_at(rules, i)->state == RULE_REMOVING;
	if (rule_at(rules, i)->state == RULE_ADDING)
		addition_done(fw, i, outcome);
	else if (outcome == RUNNER_DONE || (outcome == RUNNER_REFUSED && rules->work[i].removed))
		removal_done(fw, i);
	else
		removal_failed(rules, i, outcome);
}

static void take_answer(struct keeper *k, const struct runner_reply *reply)
{
	struct keeper_rules *rules = &k->rules;
	size_t i = RULE_OF_TICKET(reply->ticket);
	struct rule_work *w = &rules->work[i % RULES_MOST];

	if (i >= RULES_MOST || reply->ticket == 0 || w->ticket != reply->ticket) {
		if (rules->late > 0) {
			rules->late--;
			return;
		}
		log_line(LOG_LEVEL_ERROR, "the privileged runner answered what was not asked");
		loop_stop(rules->loop);
		return;
	}
	take_outcome(&k->programs, i, reply->outcome);
	/* There is room for the next, unless it was for want of room. */
	if (reply->outcome != RUNNER_BUSY)
		rules_sweep(rules);
	if (rules->stopping && keeper_left(k) == 0)
		loop_stop(rules->loop);
}

/* --- Changes */

static bool is_device(const struct rule *r, const struct fw_change *c)
{
	return memcmp(r->device, c->request.device, sizeof r->device) == 0;
}

/* The rule for the same, or a free place; RULES_MOST when there is none. */
static size_t find_rule(const struct keeper_rules *rules, const struct fw_change *c)
{
	size_t free_place = RULES_MOST;

	for (size_t i = 0; i < RULES_MOST; i++) {
		const struct rule *r = rule_at(rules, i);

		if (r->state == RULE_FREE)
			free_place = free_place == RULES_MOST ? i : free_place;
		else if (ports_equal(&r->ports, &c->opening.ports) &&
		         addr_equal(&r->client, &c->opening.address) && is_device(r, c))
			return i;
	}
	return free_place;
}

/* 0, or why nothing more can be opened, at that index. */
static int room_for(const struct keeper_rules *rules, const struct fw_change *c, size_t i)
{
	uint32_t additions = 0;

	if (rules->stopping)
		return -ESHUTDOWN;
	if (i == RULES_MOST || c->waiting == NULL)
		return -ENOMEM;
	if (rule_at(rules, i)->state != RULE_FREE)
		return rules->work[i].waiting_count < RULE_WAITING_MOST ? 0 : -EBUSY;
	for (size_t j = 0; j < RULES_MOST; j++)
		additions +=
		    rule_at(rules, j)->state == RULE_ADDING && is_device(rule_at(rules, j), c);
	return additions < ADDITIONS_MOST ? 0 : -EBUSY;
}

static void fill_rule(struct rule *r, const struct fw_change *c)
{
	*r = (struct rule){.behind_nat = c->request.behind_nat,
	    .ports = c->opening.ports,
	    .duration_s = c->request.duration_s,
	    .client = c->opening.address,
	    .server = c->request.server};
	memcpy(r->device, c->request.device, sizeof r->device);
}

static int open_rule(struct keeper_rules *rules, const struct fw_change *c)
{
	size_t i = find_rule(rules, c);
	int refused = room_for(rules, c, i);
	struct rule_work *w = &rules->work[i % RULES_MOST];
	const struct rule *r = rule_at(rules, i % RULES_MOST);

	if (refused != 0)
		return refused;
	w->wanted = true;
	if (r->state == RULE_OPEN)
		return 0;
	fill_rule(&w->anew, c);
	if (r->state == RULE_FREE && !rule_begin_add(rules, i)) {
		rule_forget(rules, i);
		return -EBUSY;
	}
	if (r->state == RULE_REMOVING && w->ticket == 0)
		rule_remove_again(rules, i);
	w->waiting[w->waiting_count++] = c->waiting;
	return FW_LATER;
}

/* The next sweep has it shut. */
static int close_rule(struct keeper_rules *rules, const struct fw_change *c)
{
	size_t i = find_rule(rules, c);

	if (i < RULES_MOST)
		rules->work[i].wanted = false;
	return 0;
}

static int rules_change(struct fw *fw, struct fw_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		changes[i].outcome = changes[i].close ? close_rule(fw->state, &changes[i])
		                                      : open_rule(fw->state, &changes[i]);
	return 0;
}

/* Also what has failed so often that it would be left for later. */
static int rules_remove(struct fw *fw)
{
	struct keeper_rules *rules = fw->state;

	rules->stopping = true;
	for (size_t i = 0; i < RULES_MOST; i++) {
		rules->work[i].tries = 0;
		rules->work[i].next_try_ns = 0;
	}
	rules_sweep(rules);
	return 0;
}

/* What is not answered in time counts as one that was late, of which nobody knows how far it came.
 */
static void rules_tick(struct fw *fw)
{
	struct keeper_rules *rules = fw->state;

	for (size_t i = 0; i < RULES_MOST; i++) {
		if (rules->work[i].ticket == 0 || --rules->work[i].ticks > 0)
			continue;
		rules->late++;
		take_outcome(fw, i, RUNNER_TIMEOUT);
	}
	if (rules->late >= LATE_MOST || (rules->stopping && rules->late > 0)) {
		log_line(LOG_LEVEL_ERROR, "the privileged runner does not answer any more");
		rules_give_up(rules);
	}
	rules_sweep(rules);
}

/* When stopping, those that have failed too often are left out. */
static uint32_t rules_pending(const struct fw *fw)
{
	const struct keeper_rules *rules = fw->state;
	uint32_t left = 0;

	for (size_t i = 0; i < RULES_MOST; i++) {
		const struct rule_work *w = &rules->work[i];

		if (rule_at(rules, i)->state != RULE_FREE &&
		    (!rules->stopping || w->ticket != 0 || w->tries < RULE_TRIES_AT_STOP))
			left++;
	}
	return left;
}

const struct rule *keeper_rules_overdue(const struct keeper_rules *rules, uint32_t index)
{
	const struct rule_work *w;

	if (rules->journal == NULL || index >= RULES_MOST ||
	    rule_at(rules, index)->state != RULE_REMOVING)
		return NULL;
	w = &rules->work[index];
	return w->tries > 0 || w->next_try_ns + SHOWN_AFTER_NS <= clock_boot_ns()
	           ? rule_at(rules, index)
	           : NULL;
}

bool keeper_take_rule_result(void *context, const struct runner_reply *m, struct message_fds *fds)
{
	struct keeper *k = context;

	(void)fds;
	take_answer(k, m);
	return true;
}

static const struct fw_ops rules_ops = {
    .name = "programs",
    .by_program = true,
    .change = rules_change,
    .remove = rules_remove,
    .tick = rules_tick,
    .pending = rules_pending,
};

/* Where a predecessor was not done, programs that it has started may still be at work. */
static void take_over(struct keeper_rules *rules, size_t i)
{
	const enum rule_state state = rule_at(rules, i)->state;

	rules->work[i].doubtful = state == RULE_ADDING || state == RULE_REMOVING;
	if (state != RULE_FREE)
		rule_set_state(rules, i, RULE_REMOVING);
}

static bool lost_runner(void *context)
{
	rules_give_up(&((struct keeper *)context)->rules);
	return false;
}

/* The mapping is what is used, but the file stays open: main's lock on it ends with it. */
bool keeper_rules_open(struct keeper *k, struct message_fds *fds)
{
	struct keeper_rules *rules = &k->rules;

	rules->runner.channel.fd = -1;
	if (fds->fd[FD_PRIVILEGED_RUNNER] < 0)
		return true;
	rules->journal = rule_journal_map(message_fds_take(fds, FD_RULE_JOURNAL));
	rules->work = calloc(RULES_MOST, sizeof *rules->work);
	rules->log_rate = rate_of(LOG_RATE, LOG_BURST);
	rules->loop = &k->process.loop;
	rules->patience = k->patience;
	rules->runner.closed = lost_runner;
	k->programs = (struct fw){&rules_ops, rules, keeper_outcome, k};
	if (rules->journal == NULL || rules->work == NULL)
		return false;
	for (size_t i = 0; i < RULES_MOST; i++)
		take_over(rules, i);
	return process_open_peer(&k->process, &rules->runner, ROLE_PRIVILEGED_RUNNER, fds);
}
