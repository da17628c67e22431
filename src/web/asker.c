#include "web/asker.h"

#include "base/clock.h"

#define STATS_PATIENCE_NS  NS_PER_SECOND
#define PEOPLE_PATIENCE_NS (5 * NS_PER_SECOND)
/* Of its time, the daemon spends no more than one part in so many on us. */
#define REST_TIMES     20
#define REST_LEAST_NS  NS_PER_SECOND
#define REST_MOST_NS   (60 * NS_PER_SECOND)
#define REST_FAILED_NS (5 * NS_PER_SECOND) /* at most, when there is no answer */

int64_t asker_rest_ns(int64_t took_ns, bool answered)
{
	int64_t most = answered ? REST_MOST_NS : REST_FAILED_NS;

	if (took_ns > most / REST_TIMES)
		return most;
	return took_ns * REST_TIMES > REST_LEAST_NS ? took_ns * REST_TIMES : REST_LEAST_NS;
}

static int64_t next_after(int64_t began_ns, bool answered)
{
	int64_t now = clock_boot_ns();

	return now + asker_rest_ns(now - began_ns, answered);
}

const struct stats *asker_stats(struct asker *a)
{
	int64_t now = clock_boot_ns();

	if (now < a->stats_due_ns)
		return &a->stats;
	a->stats_result = stats_ask(a->control, STATS_PATIENCE_NS, &a->stats, &a->error);
	a->stats_due_ns = next_after(now, a->stats.up);
	return &a->stats;
}

const struct people *asker_people(struct asker *a)
{
	int64_t now = clock_boot_ns();
	bool answered;

	if (now < a->people_due_ns)
		return &a->people;
	people_clear(&a->people);
	a->people_result = ctl_ask(
	    a->control, CONTROL_SESSIONS, PEOPLE_PATIENCE_NS, people_take, &a->people, &a->error);
	answered = a->people_result == CTL_DONE;
	if (!answered)
		people_clear(&a->people);
	people_order(&a->people);
	a->people_asked_ns = now;
	a->people_due_ns = next_after(now, answered);
	return &a->people;
}

const char *asker_problem(const struct asker *a)
{
	enum ctl_result result = a->stats_result != CTL_DONE ? a->stats_result : a->people_result;

	switch (result) {
	case CTL_DONE:
		return NULL;
	case CTL_REFUSED:
		return a->error.text;
	case CTL_NOT_RUNNING:
		return "posternd is not running.";
	case CTL_NO_PERMISSION:
		return "posternd does not let this page ask. It looks up the user postern-web when "
		       "it starts: restart it once that user is there.";
	case CTL_SILENT:
		return "posternd does not answer in time.";
	case CTL_GARBLED:
		return "What answers at the control socket breaks off, or is of another version.";
	case CTL_FAILED:
		break;
	}
	return "posternd cannot be asked.";
}
