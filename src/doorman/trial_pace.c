#include "doorman/trial_pace.h"

void trial_pace_begin(struct trial_pace *p, int64_t boot_ns, int64_t cpu_ns)
{
	*p = (struct trial_pace){boot_ns, cpu_ns};
}

int64_t trial_pace_pause(struct trial_pace *p, int64_t boot_ns, int64_t cpu_ns)
{
	int64_t ran = cpu_ns - p->cpu_ns, waited = boot_ns - p->boot_ns - ran;
	int64_t pause = waited;

	if (ran < TRIAL_PACE_SPAN_NS)
		return 0;
	if (waited < ran / TRIAL_PACE_TOLERANT)
		pause = 0;
	/* The scheduler's part counts: with that the queue may have been kept from more already. */
	if (waited + pause > TRIAL_PACE_MOST * ran)
		pause = waited < TRIAL_PACE_MOST * ran ? TRIAL_PACE_MOST * ran - waited : 0;
	trial_pace_begin(p, boot_ns + pause, cpu_ns);
	return pause;
}
