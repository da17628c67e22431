/* How the daemon is, in sentences. */
#ifndef WEB_HEALTH_H
#define WEB_HEALTH_H

#include <stdio.h>

struct stats;

/* Two members of a JSON object, each with a comma behind it: "healthy", and "health", a list of
 * {"what", "state", "say"}, of which the state is "good", "bad", "warn" or "off". The list is empty
 * when the daemon does not answer. */
void health_print(FILE *to, const struct stats *s);

#endif
