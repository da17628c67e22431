/* Another process that runs whenever nobody else wants the processor, and uses the caches: what
 * runs on a server between two knocks. It gives way at once, and ends with what has started it. */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>

#define MEMORY_BYTES (16 << 20)
#define LINE_BYTES   64

int main(void)
{
	static volatile uint8_t memory[MEMORY_BYTES];
	struct sched_param none = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) {
		perror("bench-other");
		return 1;
	}
	for (;;) {
		for (size_t i = 0; i < MEMORY_BYTES; i += LINE_BYTES)
			memory[i]++;
	}
}
