/* What is known of the daemon. It is asked one question at a time, and what it has answered is good
 * for a while: however often somebody looks, the daemon is asked once a second at most, and rests
 * far longer than it takes to answer. */
#ifndef WEB_ASKER_H
#define WEB_ASKER_H

#include "stats/stats.h"
#include "web/people.h"

struct asker {
	const char *control; /* a path */
	struct stats stats;
	struct people people;
	enum ctl_result stats_result, people_result;
	struct control_error error;          /* with CTL_REFUSED, of whichever was refused last */
	int64_t stats_due_ns, people_due_ns; /* CLOCK_BOOTTIME, not before then; 0: at once */
	int64_t people_asked_ns;             /* when what is kept was true; CLOCK_BOOTTIME */
};

/* How long an answer that took so long is good for. */
int64_t asker_rest_ns(int64_t took_ns, bool answered);
/* What it counts, asked now or a moment ago. */
const struct stats *asker_stats(struct asker *a);
/* Likewise. Empty when the daemon does not answer. */
const struct people *asker_people(struct asker *a);
/* In words for people, what keeps it from answering; NULL: nothing does. Good until the next
 * question. */
const char *asker_problem(const struct asker *a);

#endif
