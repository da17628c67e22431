/* Preloaded: the clock of a daemon whose machine's clock was set by CLOCK_STEP_S seconds. The
 * machine's own is everybody's, and is left alone. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int (*real)(clockid_t clock, struct timespec *now);
static long step_s;

__attribute__((constructor)) static void begin(void)
{
	const char *step = getenv("CLOCK_STEP_S");
	void *found = dlsym(RTLD_NEXT, "clock_gettime");

	memcpy(&real, &found, sizeof real);
	step_s = step == NULL ? 0 : strtol(step, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = real(clock, now);

	if (result == 0 && clock == CLOCK_REALTIME)
		now->tv_sec += step_s;
	return result;
}
