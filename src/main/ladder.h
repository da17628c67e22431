/* The ladder of the sandbox: which of its layers this kernel, or the container that we are in, has.
 */
#ifndef MAIN_LADDER_H
#define MAIN_LADDER_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "main/spawn.h"
#include "proc/sandbox.h"

/* Whether the daemon may run here, by server.sandbox, which holds for this process from now on.
 * False, having said why. `say` is log_event, or for a terminal ladder_print. */
bool ladder_stand(enum conf_sandbox wanted, sandbox_say *say);

#define LADDER_TEXT_BYTES 64 /* ", without " and the names of all layers */
/* The end of a sentence about these layers, as sandbox_without has them: ", without landlock", or
 * "". */
const char *ladder_text(char text[static LADDER_TEXT_BYTES], unsigned int without);
/* As log_event, to standard error. */
void ladder_print(enum log_level level, const char *message, ...) __attribute__((sentinel));

/* What no rung of the ladder is without: whether root has the rights here that the daemon hands out
 * or gives up (`rules`: those of scripts for rules, too), and a process can become `who`. False,
 * having said why. */
bool ladder_has_rights(const struct identity *who, bool rules);
/* Whether packet sockets may be opened. False, having said what is missing. */
bool ladder_can_capture(void);

#endif
