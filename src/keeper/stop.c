/* The keeper's end. */
#include "base/log.h"
#include "keeper/keeper.h"
#include "keeper/live.h"

#define REST_MOST 1000 /* more than a channel holds */

uint32_t keeper_left(const struct keeper *k)
{
	return k->programs.ops == NULL ? 0 : k->programs.ops->pending(&k->programs);
}

/* What a doorman had handed on is judged; it may have ended meanwhile. */
static void judge_the_rest(struct peer *doorman)
{
	for (int i = 0; i < REST_MOST && doorman->channel.fd >= 0 &&
	                peer_wait(doorman, PHASE_RUN, 0) == CHANNEL_MESSAGE;
	     i++)
		doorman->after(doorman->context);
}

/* Each once. Of those that the rules outlive, what programs have opened ends all the same. */
static void tell_ends(struct keeper *k, bool keep_rules)
{
	for (struct grant *g = grant_table_next(k->state.grants, NULL); g != NULL;
	     g = grant_table_next(k->state.grants, g)) {
		if (keep_rules &&
		    (k->programs.ops == NULL || !keeper_live_by_program(&k->state, &g->opening)))
			continue;
		keeper_audit_end(k, g, AUDIT_END_STOPPED);
		g->audit.told_ns = 0;
	}
}

void keeper_stop(struct keeper *k, bool keep_rules)
{
	if (!keep_rules && k->fw_is_open && k->fw.ops->remove(&k->fw) != 0)
		log_line(LOG_LEVEL_ERROR, "our rules could not be removed from the firewall");
	if (k->stopping)
		return;
	tell_ends(k, keep_rules);
	k->stopping = true;
	for (unsigned int i = 0; i < k->doorman_count; i++) {
		if (keep_rules && k->state.grants != NULL)
			judge_the_rest(&k->doormen[i].peer);
		peer_close(&k->doormen[i].peer);
	}
	peer_close(&k->desk);
	if (k->programs.ops != NULL)
		k->programs.ops->remove(&k->programs);
	k->left_before = keeper_left(k);
	if (k->left_before == 0)
		loop_stop(&k->process.loop);
	else
		keeper_tick(k, true);
}

bool keeper_deserted(void *keeper)
{
	keeper_stop(keeper, true);
	return true;
}
