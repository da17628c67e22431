#include "keeper/rule_work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define REMOVALS_MOST 64 /* that the privileged runner is asked at once: grants come in between */

_Static_assert(RULES_MOST <= 0x10000, "an index fits a ticket");

const struct rule *rule_at(const struct keeper_rules *r, size_t i)
{
	return rule_journal_at(r->journal, i);
}

void rule_set_state(struct keeper_rules *r, size_t i, enum rule_state state)
{
	struct rule rule = *rule_at(r, i);

	rule.state = (uint8_t)state;
	rule_journal_put(r->journal, i, &rule);
}

static uint32_t count_rules(const struct keeper_rules *rules)
{
	uint32_t count = 0;

	for (size_t i = 0; i < RULES_MOST; i++)
		count += rule_at(rules, i)->state != RULE_FREE;
	return count;
}

void rules_give_up(struct keeper_rules *rules)
{
	char left[16];

	snprintf(left, sizeof left, "%u", count_rules(rules));
	if (!rules->loop->stopped && count_rules(rules) > 0)
		log_event(LOG_LEVEL_ERROR,
		    "rules of scripts may still be open; the next start has them shut", "rules",
		    left, NULL);
	loop_stop(rules->loop);
}

static bool ask(struct keeper_rules *rules, size_t i, enum runner_task task)
{
	const struct rule *r = rule_at(rules, i);
	struct runner_request request = {
	    .ticket = (uint32_t)++rules->last_ticket << 16 | (uint32_t)i,
	    .task = (uint8_t)task,
	    .behind_nat = r->behind_nat != 0,
	    .ports = r->ports,
	    .duration_s = r->duration_s,
	    .client_address = r->client,
	    .server_address = r->server};

	memcpy(request.device, r->device, sizeof request.device);
	if (request.ticket == 0)
		request.ticket = (uint32_t)++rules->last_ticket << 16 | (uint32_t)i;
	if (!channel_try_send(&rules->runner.channel, MESSAGE_RULE, &request)) {
		if (errno != EAGAIN)
			rules_give_up(rules);
		return false;
	}
	rules->work[i].ticket = request.ticket;
	rules->work[i].ticks = rules->patience;
	rules->removals += task == RUNNER_RULE_REMOVE;
	return true;
}

void rule_forget(struct keeper_rules *rules, size_t i)
{
	rule_journal_put(rules->journal, i, NULL);
	rules->work[i] = (struct rule_work){0};
}

bool rule_begin_add(struct keeper_rules *rules, size_t i)
{
	struct rule rule = rules->work[i].anew;

	rule.state = RULE_ADDING;
	rule_journal_put(rules->journal, i, &rule);
	return ask(rules, i, RUNNER_RULE_ADD);
}

void rule_remove_again(struct keeper_rules *rules, size_t i)
{
	ask(rules, i, RUNNER_RULE_REMOVE);
}

void rule_begin_remove(struct keeper_rules *rules, size_t i)
{
	struct rule_work *w = &rules->work[i];

	rule_set_state(rules, i, RULE_REMOVING);
	w->wanted = w->removed = false;
	w->tries = 0;
	w->next_try_ns = clock_boot_ns();
	ask(rules, i, RUNNER_RULE_REMOVE); /* with no room for it, the next sweep asks */
}

void rules_sweep(struct keeper_rules *rules)
{
	int64_t now = clock_boot_ns();

	for (size_t i = 0; i < RULES_MOST && rules->removals < REMOVALS_MOST; i++) {
		const struct rule *r = rule_at(rules, i);
		const struct rule_work *w = &rules->work[i];

		if (w->ticket != 0)
			continue;
		if (r->state == RULE_OPEN && (rules->stopping || !w->wanted))
			rule_begin_remove(rules, i);
		else if (r->state == RULE_REMOVING && w->next_try_ns <= now &&
		         (!rules->stopping || w->tries < RULE_TRIES_AT_STOP))
			ask(rules, i, RUNNER_RULE_REMOVE);
	}
}
