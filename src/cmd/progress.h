/* How far long work is: one line on standard error that is written over, where that is a terminal
 * and --quiet was not said, from the second second on. It is gone when the work is done. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "cmd/cli.h"

/* A number that the work counts up, and what it counts: "keys vetted". */
struct progress_count {
	const uint32_t *number;
	const char *words;
};

/* `words`: what is being done. The counts are looked at now and then until progress_end; at most
 * PROGRESS_COUNTS. Uses SIGALRM. Not inside of itself. */
#define PROGRESS_COUNTS 4
void progress_begin(
    const struct cli *cli, const char *words, const struct progress_count counts[], size_t count);
/* Before anything else is said; harmless without a beginning. */
void progress_end(void);

#endif
