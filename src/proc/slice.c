#include "proc/slice.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

/* One who was given another class keeps that. */
static bool ask(void)
{
	struct sched_attr how = {.size = 0};

	if (syscall(SYS_sched_getattr, 0, &how, sizeof how, 0) != 0)
		return false;
	if (how.sched_policy != SCHED_NORMAL)
		return true;
	how.size = sizeof how;
	how.sched_runtime = SLICE_NS;
	return syscall(SYS_sched_setattr, 0, &how, 0) == 0;
}

void slice_shorten(void)
{
	if (!ask())
		log_event(LOG_LEVEL_DEBUG, "no short slice of the processor", "error",
		    strerror(errno), NULL);
}
