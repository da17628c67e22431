#include "doctor/clock.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/timex.h>

#include "base/clock.h"
#include "doctor/doctor.h"
#include "snapshot/accepted.h"

#define RELEASED_S  1793491200LL /* 2026-11-01: no clock that is right says less */
#define SET_BACK_NS (60 * NS_PER_SECOND)

struct clock_judgement clock_judge(const struct clock_facts *f)
{
	if (f->now_ns < f->not_before_ns - SET_BACK_NS)
		return (struct clock_judgement){FINDING_PROBLEM,
		    "it says a time that is over already: knocks of right clocks are refused as stale",
		    "timedatectl set-ntp true, or set it by hand: date --set"};
	if (!f->synchronised)
		return (struct clock_judgement){FINDING_WARNING,
		    "nothing keeps it right: when it is off by more than server.replay_window, "
		    "nobody gets in",
		    "timedatectl set-ntp true (in a container: on its host)"};
	if (f->error_ns > f->window_ns)
		return (struct clock_judgement){FINDING_WARNING,
		    "it may be off by more than server.replay_window",
		    "timedatectl timesync-status"};
	return (struct clock_judgement){FINDING_OK, "it is kept right", NULL};
}

/* The last time that the daemon wrote there is over. */
static int64_t last_written_ns(const struct doctor *d)
{
	int64_t last = RELEASED_S * NS_PER_SECOND;
	char path[600];
	struct stat st;

	if (snprintf(path, sizeof path, "%s/" ACCEPTED_FILE, d->state_dir) < (int)sizeof path &&
	    stat(path, &st) == 0 && st.st_mtim.tv_sec > RELEASED_S)
		last = st.st_mtim.tv_sec * NS_PER_SECOND;
	return last;
}

void doctor_clock(struct doctor *d)
{
	const struct settings *s = doctor_settings(d);
	char now[CLOCK_TEXT_BYTES], before[CLOCK_TEXT_BYTES];
	struct timex t = {.modes = 0};
	int state = adjtimex(&t);
	const struct clock_facts facts = {.now_ns = clock_real_ns(),
	    .not_before_ns = last_written_ns(d),
	    .window_ns = s == NULL ? 60 * NS_PER_SECOND : s->replay_window_ns,
	    .error_ns = (int64_t)t.maxerror * 1000,
	    .synchronised = state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0};
	const struct clock_judgement j = clock_judge(&facts);

	if (state < 0 && j.what != FINDING_PROBLEM)
		report_say(&d->report, FINDING_UNKNOWN, "timedatectl",
		    "the kernel does not tell here whether something keeps it right");
	else if (j.what == FINDING_PROBLEM)
		report_say(&d->report, j.what, j.remedy, "%s (%s; it has been %s)", j.text,
		    clock_text(facts.now_ns, now), clock_text(facts.not_before_ns, before));
	else
		report_say(
		    &d->report, j.what, j.remedy, "%s (%s)", j.text, clock_text(facts.now_ns, now));
}
