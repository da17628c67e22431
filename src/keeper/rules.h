/* Ports that programs of the administrator's open and shut, as a back-end of the firewall: the
 * privileged runner is asked one thing about a rule at a time, and tells later what became of it.
 */
#ifndef KEEPER_RULES_H
#define KEEPER_RULES_H

#include "base/rate.h"
#include "fw/fw.h"
#include "proc/process.h"
#include "proc/rule_journal.h"

struct keeper_rules {
	struct peer runner; /* the privileged one; fd -1: nobody to ask */
	struct loop *loop;
	struct rule_journal *journal;
	struct rule_work *work; /* one for each rule of the journal */
	uint16_t last_ticket;
	uint32_t removals; /* that the privileged runner is asked for */
	uint32_t patience; /* with it, in ticks */
	uint32_t late;     /* answers that nobody waits for any more, and that may still come */
	struct rate log_rate;
	bool stopping; /* nothing is opened any more, and all is being shut */
};

/* The rule at `index` whose removal has failed, to be shown; NULL: not such a one. */
const struct rule *keeper_rules_overdue(const struct keeper_rules *r, uint32_t index);

#endif
